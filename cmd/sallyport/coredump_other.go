//go:build !linux && !windows

package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func forbidCoreDumps() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("set RLIMIT_CORE: %w", err)
	}
	return nil
}
