//go:build unix

package main

import (
	"io/fs"
	"os"
	"syscall"
)

// foreign says that a file belongs to neither this user nor root, and to whom.
func foreign(info fs.FileInfo) (owner uint32, yes bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, true // whose it is cannot be told
	}
	return stat.Uid, stat.Uid != 0 && int64(stat.Uid) != int64(os.Geteuid())
}
