//go:build unix

package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// passedBySystem: nothing more is needed here.
var passedBySystem []string //nolint:gochecknoglobals // a constant list

// signals holds back the signals that would end this process, and hands them to the command.
type signals struct {
	caught chan os.Signal
	done   chan struct{}
	wait   sync.WaitGroup
}

// catchSignals starts to hold back. What was ignored (nohup) stays ignored, here
// and in the command.
func catchSignals() *signals {
	s := &signals{caught: make(chan os.Signal, 16), done: make(chan struct{})}
	for _, sig := range []os.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM,
		syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH,
	} {
		if !signal.Ignored(sig) {
			signal.Notify(s.caught, sig)
		}
	}
	return s
}

// forward hands on what was and will be caught, until stop.
func (s *signals) forward(p signalled) {
	s.wait.Go(func() {
		for {
			select {
			case sig := <-s.caught:
				if !fromTerminal(sig) {
					_ = p.Signal(sig) // it may have ended this moment
				}
			case <-s.done:
				return
			}
		}
	})
}

func (s *signals) stop() {
	signal.Stop(s.caught)
	close(s.done)
	s.wait.Wait()
}

// fromTerminal says whether the kernel has sent the signal to the command as
// well: a key press goes to the whole foreground process group of the terminal,
// which this process and its command share.
func fromTerminal(sig os.Signal) bool {
	if sig != syscall.SIGINT && sig != syscall.SIGQUIT && sig != syscall.SIGWINCH {
		return false
	}
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false // no controlling terminal
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
