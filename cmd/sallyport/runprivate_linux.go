package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// hideMemory keeps the command, which runs as the same user, from reading the
// agent's key in this process's memory, and the key out of a core dump (prctl(2),
// PR_SET_DUMPABLE). Unlike a limit it is not inherited by the command.
func hideMemory() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("set PR_SET_DUMPABLE: %w", err)
	}
	return nil
}
