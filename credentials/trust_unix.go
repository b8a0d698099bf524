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
// theirs, and no folder writable by others unless it is sticky, as /tmp is. The members of
// the group count as this user.
func (g Group) trusted(path string) (resolved string, err error) {
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
				err = g.guarded(next, info)
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
		return "", &untrustedError{path, fmt.Sprintf("is a symlink of another user (uid %d)", owner), "run chown -h on it"}
	}
	return os.Readlink(path)
}

// guarded refuses a file or folder that others own or can write.
func (g Group) guarded(path string, info fs.FileInfo) error {
	if owner, ok := foreign(info); ok {
		return &untrustedError{path, fmt.Sprintf("belongs to another user (uid %d)", owner), "run chown on it"}
	}
	mode := info.Mode()
	open := mode.Perm() & g.others(info)
	// In a sticky folder only the owner of an entry can rename or remove it.
	if open&0o022 == 0 || mode.IsDir() && mode&fs.ModeSticky != 0 {
		return nil
	}
	e := &untrustedError{path, fmt.Sprintf("can be written by others (mode %04o)", mode.Perm()), "run chmod go-w on it"}
	if stat, known := info.Sys().(*syscall.Stat_t); known && open&0o002 == 0 {
		e.remedy += fmt.Sprintf("; or mount its volume read-only; or write trust_group: %d in sallyport.yaml, if every member of that group may change secrets, as where it is the fsGroup of one pod", stat.Gid)
	}
	return e
}

// Exclude takes every permission from the group on a file or folder of this user's that
// belongs to it, and nobody else may touch. It leaves symlinks alone.
func (g Group) Exclude(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	stat, known := info.Sys().(*syscall.Stat_t)
	ours := known && g.named && int64(stat.Gid) == g.id && int64(stat.Uid) == int64(os.Geteuid())
	perm := info.Mode().Perm()
	if !ours || info.Mode()&fs.ModeSymlink != 0 || perm&0o070 == 0 || perm&0o007 != 0 {
		return nil
	}
	return os.Chmod(path, perm&0o700)
}

// others are the permissions by which users other than this one and the members of the
// group may do something.
func (g Group) others(info fs.FileInfo) fs.FileMode {
	stat, known := info.Sys().(*syscall.Stat_t)
	if known && g.named && int64(stat.Gid) == g.id {
		return 0o007
	}
	return 0o077
}

// foreign reports whether the entry belongs to neither this user nor root.
func foreign(info fs.FileInfo) (owner uint32, ok bool) {
	stat, known := info.Sys().(*syscall.Stat_t)
	if !known {
		return 0, true // fail closed: whose it is cannot be told
	}
	return stat.Uid, stat.Uid != 0 && int64(stat.Uid) != int64(os.Geteuid())
}

func (g Group) readableByOthers(info fs.FileInfo) bool {
	return info.Mode().Perm()&g.others(info)&0o044 != 0
}
