//go:build !linux

package jail

import (
	"errors"
	"net/netip"
	"os"
)

var errSystem = errors.New("a jail takes Linux: this system has no network namespaces")

// Process is none: there are no jails on this system.
type Process struct{}

// Start says so.
func Start(Config) (*Process, error) { return nil, errSystem }

// Enter is never called.
func Enter() error { return errSystem }

// Sockets are none.
func (p *Process) Sockets() Sockets { return Sockets{} }

// Notes are none.
func (p *Process) Notes() []string { return nil }

// Program is none.
func (p *Process) Program(netip.AddrPort) string { return "" }

// Exec starts nothing.
func (p *Process) Exec(string, []string, []string) error { return errSystem }

// Signal reaches nobody.
func (p *Process) Signal(os.Signal) error { return errSystem }

// Wait waits for nobody.
func (p *Process) Wait() (Ended, error) { return Ended{}, errSystem }

// Abandon has nothing to end.
func (p *Process) Abandon() {}
