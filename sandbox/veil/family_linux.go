package veil

import (
	"os"
	"path/filepath"
	"strconv"
)

// Holds says whether the socket with that inode (proc_pid_fd(5)) is open in this process
// or one that descends from it: what a command leaves behind stays among them, see [Start].
// A process that cannot be looked into holds nothing.
func Holds(socket uint64) bool {
	link := "socket:[" + strconv.FormatUint(socket, 10) + "]"
	// A connection may be handed on while the family is looked through, to a child that was
	// not there yet.
	const tries = 3
	for range tries {
		for _, pid := range family() {
			if isOpen(pid, link) {
				return true
			}
		}
	}
	return false
}

func isOpen(pid int, link string) bool {
	dir := process(pid, "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, entry := range entries {
		if target, err := os.Readlink(filepath.Join(dir, entry.Name())); err == nil && target == link {
			return true
		}
	}
	return false
}

// family is this process and all that descend from it, elders first.
func family() []int {
	children := map[int][]int{}
	for _, pid := range processes() {
		if _, parent, err := status(pid); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	found := []int{os.Getpid()}
	for n := 0; n < len(found); n++ {
		found = append(found, children[found[n]]...)
	}
	return found
}

// processes are those that can be seen.
func processes() []int {
	var found []int
	entries, _ := os.ReadDir("/proc") // without it nobody is of the family
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			found = append(found, pid)
		}
	}
	return found
}
