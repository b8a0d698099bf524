//go:build unix

package config

import (
	"errors"
	"syscall"
)

// readOnly says that nobody writes to a folder, because of how it is mounted:
// volumes of ConfigMaps have mode 0777.
func readOnly(dir string) bool {
	const writable = 2 // W_OK of access(2)
	return errors.Is(syscall.Access(dir, writable), syscall.EROFS)
}
