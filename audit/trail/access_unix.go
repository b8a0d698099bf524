//go:build unix

package trail

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// writable reports why a process that starts now could not write the trail. One
// that has the files open already goes on writing them, whatever their modes say;
// but nobody may rely on a trail that the next start cannot open.
func writable(path string) error {
	for _, name := range []string{path, path + "-wal", filepath.Dir(path)} {
		if err := unix.Faccessat(unix.AT_FDCWD, name, unix.W_OK, unix.AT_EACCESS); err != nil {
			return fmt.Errorf("%s cannot be written: %w", name, err)
		}
	}
	return nil
}
