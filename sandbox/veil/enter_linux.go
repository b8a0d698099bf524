package veil

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// control is the descriptor of the socket to the process that called Start.
const control = 3

// Enter is the new process: it hides, waits for the command, and becomes it. It
// returns only if something did not work, which its starter has been told.
func Enter() error {
	runtime.LockOSThread() // privileges are dropped for one thread, and it is this one that becomes the command
	syscall.CloseOnExec(control)
	socket := os.NewFile(control, "control")
	from, to := json.NewDecoder(socket), json.NewEncoder(socket)
	var p preparation
	if err := from.Decode(&p); err != nil {
		return fmt.Errorf("only `sallyport run` starts this: %w", err)
	}
	if err := p.carryOut(); err != nil {
		return errors.Join(err, to.Encode(answer{Error: err.Error()}))
	}
	if err := to.Encode(answer{}); err != nil {
		return fmt.Errorf("answer who started this: %w", err)
	}
	var c command
	if err := from.Decode(&c); err != nil {
		return fmt.Errorf("there is to be no command: %w", err)
	}
	err := fmt.Errorf("start %s: %w", c.Path, syscall.Exec(c.Path, c.Args, c.Env))
	return errors.Join(err, to.Encode(answer{Error: err.Error()}))
}

func (p preparation) carryOut() error {
	if err := Mark(p.Server); err != nil {
		return err
	}
	if !p.Veil {
		return nil
	}
	if err := p.cover(); err != nil {
		return fmt.Errorf("this system forbids mounts: %w", err)
	}
	if !p.Own {
		return nil // root keeps what it may; it could undo all of this anyway
	}
	return giveUp()
}

// giveUp makes sure that neither the command nor a program that it starts can
// take the covers off (capabilities(7)). A program with file capabilities would
// gain them in the user namespace; that no program can change its user is no loss
// there, since the namespace has no other user.
func giveUp() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set PR_SET_NO_NEW_PRIVS: %w", err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("clear ambient capabilities: %w", err)
	}
	if err := neverType(); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	none := [2]unix.CapUserData{}
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("give capabilities up: %w", err)
	}
	return nil
}
