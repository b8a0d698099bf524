package veil

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// leaveFolders closes what was inherited and leads around the covers, when the
// command starts: by an open folder, whichever it is, files are reached as they
// were mounted before, and an open file is open whatever is put over its path.
// Other files, pipes and sockets are the command's. What is a standard stream was
// meant for it, unless it is a folder.
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
		return nil // it was closed since, as the one that lists them all is
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
