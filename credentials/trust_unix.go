//go:build unix

package credentials

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks is the number of symlinks followed before a path counts as a loop.
const maxLinks = 40

// trusted resolves path, symlinks and all, and refuses it if anybody but this user
// and root could change what it names: every folder and symlink on the way must be
// theirs, and no folder writable by others unless it is sticky, as /tmp is.
func trusted(path string) (resolved string, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return "", err
	}
	current, rest, links := "/", split(path), 0
	for len(rest) > 0 {
		var name string
		name, rest = rest[0], rest[1:]
		if name == ".." {
			current = filepath.Dir(current)
			continue
		}
		next := filepath.Join(current, name)
		info, err := os.Lstat(next)
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			if len(rest) > 0 {
				err = guarded(next, info)
			}
			if err != nil {
				return "", err
			}
			current = next
			continue
		}
		if links++; links > maxLinks {
			return "", errors.New("too many symlinks")
		}
		target, err := link(next, info)
		if err != nil {
			return "", err
		}
		if filepath.IsAbs(target) {
			current = "/"
		}
		rest = append(split(target), rest...)
	}
	return current, nil
}

func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

func link(path string, info fs.FileInfo) (string, error) {
	if owner, ok := foreign(info); ok {
		return "", &untrustedError{path, fmt.Sprintf("is a symlink of another user (uid %d)", owner), "chown -h on it"}
	}
	return os.Readlink(path)
}

// guarded refuses a file or folder that others own or can write.
func guarded(path string, info fs.FileInfo) error {
	if owner, ok := foreign(info); ok {
		return &untrustedError{path, fmt.Sprintf("belongs to another user (uid %d)", owner), "chown on it"}
	}
	mode := info.Mode()
	// In a sticky folder only the owner of an entry can rename or remove it.
	if mode.Perm()&0o022 != 0 && (!mode.IsDir() || mode&fs.ModeSticky == 0) {
		return &untrustedError{path, fmt.Sprintf("can be written by others (mode %04o)", mode.Perm()), "chmod go-w on it"}
	}
	return nil
}

// foreign reports whether the entry belongs to neither this user nor root.
func foreign(info fs.FileInfo) (owner uint32, ok bool) {
	stat, known := info.Sys().(*syscall.Stat_t)
	if !known {
		return 0, true // fail closed: whose it is cannot be told
	}
	return stat.Uid, stat.Uid != 0 && int64(stat.Uid) != int64(os.Geteuid())
}

func readableByOthers(info fs.FileInfo) bool { return info.Mode().Perm()&0o044 != 0 }
