//go:build unix

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"sallyport/internal/hint"
)

// foreign says that a file belongs to neither this user nor root, and to whom.
func foreign(info fs.FileInfo) (owner uint32, yes bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, true // whose it is cannot be told
	}
	return stat.Uid, stat.Uid != 0 && int64(stat.Uid) != int64(os.Geteuid())
}

// checkClosed refuses a folder that is there and in which anybody could put other files
// in the place of those that are about to be made. Whose it is, is left alone: it may be
// that of the user who will serve.
func checkClosed(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look at HOME: %w", err)
	case info.Mode()&0o002 != 0:
		return hint.With(fmt.Errorf("%s: anyone may write it (mode %04o)", dir, info.Mode().Perm()), "run chmod o-w on it")
	}
	return nil
}
