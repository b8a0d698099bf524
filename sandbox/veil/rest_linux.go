package veil

import (
	"errors"
	"os"
	"strconv"
	"syscall"
	"time"
)

// How long what the command left behind has to end: by itself, and then by force.
const (
	restGrace = 2 * time.Second
	restForce = 3 * time.Second
)

// EndRest ends what the command left behind when it ended, and returns what that was, by name
// and process number, and what could not be ended (another user's). All of it has come, or comes when
// its parents end, to this process, see [Start]. Only this process's own children are
// signalled: no other process takes their numbers before they are buried here.
func EndRest() (ended, left []string) {
	seen := map[int]string{}
	start := time.Now()
	for {
		children := unburied()
		for _, pid := range children {
			if _, known := seen[pid]; !known {
				seen[pid] = described(pid)
				_ = syscall.Kill(pid, syscall.SIGTERM)
				_ = syscall.Kill(pid, syscall.SIGCONT) // a stopped one could not end
			}
			if time.Since(start) > restGrace {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if len(children) == 0 || time.Since(start) > restGrace+restForce {
			for _, pid := range children {
				left = append(left, seen[pid])
				delete(seen, pid)
			}
			for _, one := range seen {
				ended = append(ended, one)
			}
			return ended, left
		}
		time.Sleep(5 * time.Millisecond) // their ends are many, and no call waits for one with a deadline
	}
}

// unburied buries the children that have ended, and returns the others.
func unburied() []int {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.ECHILD):
			return nil
		case errors.Is(err, syscall.EINTR):
		case err != nil || pid <= 0:
			return children()
		}
	}
}

func children() []int {
	var found []int
	for _, pid := range processes() {
		if _, parent, err := status(pid); err == nil && parent == os.Getpid() {
			found = append(found, pid)
		}
	}
	return found
}

func described(pid int) string {
	name, _, err := status(pid)
	if err != nil {
		name = "?"
	}
	return name + " (" + strconv.Itoa(pid) + ")"
}
