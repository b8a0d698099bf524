//go:build unix && !linux

package veil

import (
	"os"
	"syscall"
)

func ended(state *os.ProcessState) Ended {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return Ended{Signal: int(status.Signal())}
	}
	return Ended{Code: state.ExitCode()}
}
