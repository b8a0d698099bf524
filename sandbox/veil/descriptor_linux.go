package veil

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// leaveFolders closes, when the command starts, the inherited descriptors that lead around
// the covers: through an open folder files are reached as they were mounted before, and a file
// that is open stays open whatever is mounted over its path. Other files, pipes and sockets
// stay open for the command, and so do its standard streams, unless one is a folder.
func leaveFolders(hide []string) error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("look at what is open: %w", err)
	}
	for _, entry := range entries {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil || fd == control {
			continue
		}
		if err := leave(fd, hide); err != nil {
			return fmt.Errorf("close what is open: %w", err)
		}
	}
	return nil
}

func leave(fd int, hide []string) error {
	var stat syscall.Stat_t
	if syscall.Fstat(fd, &stat) != nil {
		return nil // it is closed already, like the descriptor by which /proc/self/fd was listed
	}
	folder := stat.Mode&syscall.S_IFMT == syscall.S_IFDIR
	if fd > 2 {
		path, err := os.Readlink(descriptor(fd))
		if folder || err != nil || Within(path, hide) {
			syscall.CloseOnExec(fd)
		}
		return nil
	}
	if !folder {
		return nil
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	return syscall.Dup3(int(null.Fd()), fd, 0)
}

func descriptor(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }
