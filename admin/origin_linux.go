package admin

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	"sallyport/audit"
)

// noLogin is the kernel's login uid of a process that no login has led to (proc_pid_loginuid).
const noLogin = 1<<32 - 1

// maxEnvironment bounds what is read of a process's variables.
const maxEnvironment = 1 << 20

// originOf is who is behind the process at the other end; nothing if that cannot be seen.
func originOf(conn *net.UnixConn) origin {
	pid, lives, err := peerProcess(conn)
	if err != nil {
		return origin{}
	}
	o := originOfProcess(pid)
	if lives() != nil { // else the number may have been another process's when it was looked at
		return origin{}
	}
	return o
}

func originOfProcess(pid int) (o origin) {
	if data, err := os.ReadFile(fmt.Sprintf("/proc/%d/loginuid", pid)); err == nil {
		if uid, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 32); err == nil && uid != noLogin {
			login := int(uid)
			o.LoginUID = &login
		}
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return o // another user's, who is root
	}
	defer func() { _ = f.Close() }()
	data, _ := io.ReadAll(io.LimitReader(f, maxEnvironment)) // after an error, what was read is looked at
	for variable := range bytes.SplitSeq(data, []byte{0}) {
		if name, ok := bytes.CutPrefix(variable, []byte("SUDO_USER=")); ok {
			o.SudoUser = audit.Cut(string(name))
		}
	}
	return o
}
