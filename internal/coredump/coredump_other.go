//go:build !linux && !windows

// Package coredump keeps the memory of this process to itself: a core dump would
// hold every secret and key of it.
package coredump

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Forbid forbids core dumps.
func Forbid() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("set RLIMIT_CORE: %w", err)
	}
	return nil
}
