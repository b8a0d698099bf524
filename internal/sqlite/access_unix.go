//go:build unix

package sqlite

import "golang.org/x/sys/unix"

// readable reports why this process cannot read a file, which it does not open: to close it
// again would drop the locks that a connection of this process holds on it.
func readable(path string) error {
	return unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK, unix.AT_EACCESS)
}
