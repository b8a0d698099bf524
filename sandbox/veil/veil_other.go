//go:build !linux

package veil

import (
	"errors"
	"os"
	"os/exec"
)

var errSystem = errors.New("this system has no way to hide files from one command")

// Process is a command that is started as it is.
type Process struct {
	*os.Process
	config Config
	cmd    *exec.Cmd
}

// Start prepares nothing.
func Start(c Config) (*Process, error) { return &Process{config: c}, nil }

// Exposed says why the command sees what should be hidden.
func (p *Process) Exposed() error { return errSystem }

// Loose is empty: nothing is hidden.
func (p *Process) Loose() []string { return nil }

// Own is false: this system has no user namespaces.
func (p *Process) Own() bool { return false }

// Exec starts the command.
func (p *Process) Exec(path string, args, env []string) error {
	p.cmd = exec.Command(path) //nolint:noctx // the user's command; signals end it, not a context
	p.cmd.Args, p.cmd.Env = args, env
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = p.config.Stdin, p.config.Stdout, p.config.Stderr
	err := p.cmd.Start()
	p.Process = p.cmd.Process
	return err
}

// Abandon does nothing: before Exec there is no process.
func (p *Process) Abandon() {}

// Wait waits for the command.
func (p *Process) Wait() (Ended, error) {
	err := p.cmd.Wait()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return Ended{}, err
	}
	return ended(exit.ProcessState), nil
}

// Enter is never called: there is no process between.
func Enter() error { return errSystem }

// EndRest ends nothing: nothing tells what a command left behind.
func EndRest() (ended, left []string) { return nil, nil }

// Marks says whether commands are marked on this system.
const Marks = false

// Marked is false: nothing is marked.
func Marked(int) (bool, error) { return false, nil }

// Holds is false: nothing tells who holds a socket.
func Holds(uint64) bool { return false }
