// Package coredump keeps the memory of this process to itself: a core dump would
// hold every secret and key of it.
package coredump

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Forbid also keeps other processes of the same user from attaching to
// this one and reading its memory (prctl(2), PR_SET_DUMPABLE).
func Forbid() error {
	return errors.Join(
		wrapped("set RLIMIT_CORE", unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})),
		wrapped("set PR_SET_DUMPABLE", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)),
	)
}

func wrapped(step string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", step, err)
}
