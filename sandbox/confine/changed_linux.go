package confine

import (
	"os"
	"syscall"
	"time"
)

// changed is when a file came to be what and where it is, which no program can set (inode(7)).
func changed(path string) time.Time {
	info, err := os.Lstat(path)
	if err != nil {
		return time.Time{}
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(stat.Ctim.Unix())
	}
	return info.ModTime()
}
