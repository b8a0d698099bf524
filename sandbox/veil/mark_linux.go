package veil

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ancestor is the name of a process that started a command (proc_pid_comm(5)),
// which the command cannot change.
const ancestor = "sallyport-run"

// Marks says whether commands are marked on this system.
const Marks = true

// limitRTTime is RLIMIT_RTTIME, which package syscall does not name.
const limitRTTime = 15

// Mark lowers the hard limit on real-time processor time by one microsecond, or to below the
// server's limit if that is less. The limit is half a million years, so that no program notices.
// Whatever the command starts inherits it, and raising it again takes a privilege (getrlimit(2)).
// The server therefore refuses administration to a process with a lower limit than its own.
func Mark(server int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(limitRTTime, &limit); err != nil {
		return fmt.Errorf("read RLIMIT_RTTIME: %w", err)
	}
	if server != 0 {
		// A server that cannot be seen has ended, or is in another PID namespace and lets nobody in.
		if theirs, err := limitOf(server); err == nil {
			limit.Max = min(limit.Max, theirs)
		}
	}
	if limit.Max == 0 {
		return errors.New("the server's RLIMIT_RTTIME is 0, and a command could have none below it")
	}
	limit.Max--
	limit.Cur = min(limit.Cur, limit.Max)
	if err := syscall.Setrlimit(limitRTTime, &limit); err != nil {
		return fmt.Errorf("set RLIMIT_RTTIME: %w", err)
	}
	return nil
}

// Marked says whether a process belongs to a command that was started behind a veil and this
// process does not. It goes by the mark and by descent: root can raise its limit, and has more
// trouble to change its ancestors. An error says that one of them cannot be seen.
func Marked(pid int) (bool, error) {
	theirs, err := limitOf(pid)
	if err != nil {
		return false, err
	}
	ours, err := limitOf(os.Getpid())
	if err != nil {
		return false, err
	}
	if theirs < ours {
		return true, nil
	}
	return descends(pid)
}

// limitOf reads the hard limit of another process, which prlimit(2) would not
// tell of another user's.
func limitOf(pid int) (uint64, error) {
	data, err := os.ReadFile(process(pid, "limits"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		rest, ok := strings.CutPrefix(line, "Max realtime timeout")
		fields := strings.Fields(rest)
		switch {
		case !ok:
		case len(fields) < 2:
			return 0, errors.New("the system does not tell a process's limits")
		case fields[1] == "unlimited":
			return ^uint64(0), nil
		default:
			return strconv.ParseUint(fields[1], 10, 64)
		}
	}
	return 0, errors.New("the system does not tell a process's limits")
}

// descends says whether an ancestor of the process started it as a command, and
// is not also this process's own. A double fork does not help: orphans come to
// the ancestor.
func descends(pid int) (bool, error) {
	ours, err := starters(os.Getpid())
	if err != nil {
		return false, err
	}
	theirs, err := starters(pid)
	if err != nil {
		return false, err
	}
	for starter := range theirs {
		if !ours[starter] {
			return true, nil
		}
	}
	return false, nil
}

// starters are the ancestors of pid that have started a command.
func starters(pid int) (map[int]bool, error) {
	const tries = 20
	for range tries {
		found, whole, err := climb(pid)
		if err != nil || whole {
			return found, err
		}
	}
	return nil, errors.New("its ancestors change faster than they can be read")
}

// climb follows parents. A parent that ends meanwhile leaves its children to
// another one: then whole is false.
func climb(pid int) (found map[int]bool, whole bool, err error) {
	found = map[int]bool{}
	_, parent, err := status(pid)
	if err != nil {
		return nil, false, err
	}
	for child := pid; parent > 0; {
		name, next, err := status(parent)
		if err != nil {
			_, again, err := status(child)
			switch {
			case err != nil && child == pid:
				return nil, false, err
			case err != nil || again != parent:
				return nil, false, nil //nolint:nilerr // it ended meanwhile, which is no error
			}
			return found, true, nil // the system hides other users' processes; a starter is this one's or root's
		}
		if name == ancestor {
			found[parent] = true
		}
		child, parent = parent, next
	}
	return found, true, nil
}

// status reads a process's name and parent (proc_pid_stat(5)).
func status(pid int) (name string, parent int, err error) {
	data, err := os.ReadFile(process(pid, "stat"))
	if err != nil {
		return "", 0, err
	}
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 0 || end < open {
		return "", 0, errors.New("the system does not tell a process's parent")
	}
	fields := strings.Fields(string(data[end+1:]))
	if len(fields) < 2 {
		return "", 0, errors.New("the system does not tell a process's parent")
	}
	parent, err = strconv.Atoi(fields[1])
	return string(data[open+1 : end]), parent, err
}

func process(pid int, file string) string { return filepath.Join("/proc", strconv.Itoa(pid), file) }
