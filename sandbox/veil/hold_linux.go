package veil

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// maxLinks is the number of links followed before a path counts as a loop.
const maxLinks = 40

// changeable lists what the user could move or replace on the way to paths: who
// moves a folder and makes another one in its place has changed all that is in
// it, for whoever goes there by its name. What lies in covered, where nothing can
// be changed, is left out. Root could undo whatever is done about it.
//
// A folder can be held where it is, a link cannot.
func changeable(paths, covered []string) (folders, links []string) {
	if os.Geteuid() == 0 {
		return nil, nil
	}
	for _, path := range paths {
		if path, err := filepath.Abs(path); err == nil {
			folders, links = walk(path, covered, folders, links)
		}
	}
	for _, list := range []*[]string{&folders, &links} {
		slices.Sort(*list) // outer folders before inner ones
		*list = slices.Compact(*list)
	}
	return folders, links
}

// walk goes along a path as the kernel does (path_resolution(7)).
func walk(path string, covered, folders, links []string) (foundFolders, foundLinks []string) {
	current, rest, followed := "/", split(path), 0
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
			break // nothing is there that could be seen
		}
		held := Within(current, covered) || !replaceable(current, info)
		if info.Mode()&fs.ModeSymlink == 0 {
			if info.IsDir() && !held && !Within(next, covered) {
				folders = append(folders, next)
			}
			current = next
			continue
		}
		if !held {
			links = append(links, next)
		}
		target, err := os.Readlink(next)
		if followed++; err != nil || followed > maxLinks {
			break
		}
		if filepath.IsAbs(target) {
			current = "/"
		}
		rest = append(split(target), rest...)
	}
	return folders, links
}

func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// writable is W_OK of access(2), which package syscall does not name.
const writable = 2

// replaceable says whether this user can rename or remove an entry of a folder,
// or give themselves the right to: unlink(2), sticky folders included.
func replaceable(folder string, entry fs.FileInfo) bool {
	info, err := os.Stat(folder)
	if err != nil || owns(info) {
		return true
	}
	if syscall.Access(folder, writable) != nil {
		return false
	}
	return info.Mode()&fs.ModeSticky == 0 || owns(entry)
}

func owns(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return !ok || int64(stat.Uid) == int64(os.Geteuid())
}

// hold keeps a folder where it is: what is mounted on cannot be renamed or removed.
func hold(folder string) error {
	return step("hold", folder, syscall.Mount(folder, folder, "", syscall.MS_BIND|syscall.MS_REC, ""))
}
