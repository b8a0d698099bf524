package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// inherited are descriptors that lead out: sockets of a network, and folders.
func inherited() []Try {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil
	}
	var tries []Try
	for _, entry := range entries {
		fd, err := strconv.Atoi(entry.Name())
		var stat unix.Stat_t
		if err != nil || fd < 3 || unix.Fstat(fd, &stat) != nil {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			continue // it is our own: whatever was inherited came through an exec
		}
		target := "descriptor " + entry.Name()
		switch stat.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			tries = append(tries, Try{"descriptor", target, true, "it is an open folder"})
		case unix.S_IFSOCK:
			domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
			tries = append(tries, Try{"descriptor", target, err == nil && domain != unix.AF_UNIX, "it is a socket"})
		}
	}
	return tries
}

// inside says whether a process of this PID namespace, and not of the whole machine's,
// is at the other end.
func inside(conn net.Conn) bool {
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return false
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return false
	}
	seen := false
	_ = raw.Control(func(fd uintptr) {
		peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		seen = err == nil && peer.Pid != 0
	})
	return seen && ownProcesses()
}

// ownProcesses says whether this process lives in a PID namespace that is not the first one.
func ownProcesses() bool {
	const first = "pid:[4026531836]" // PROC_PID_INIT_INO
	link, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && link != first
}

// rawSockets are those that speak past TCP and UDP.
func rawSockets() map[string]func(context.Context, string) (bool, string) {
	open := func(family, kind, protocol int) func(context.Context, string) (bool, string) {
		return func(context.Context, string) (bool, string) {
			s, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
			if err != nil {
				return false, why(err)
			}
			defer unix.Close(s) //nolint:errcheck // nothing is lost with it
			if !connected() {
				return false, "it is to be had, and there is no network to use it on"
			}
			return true, "it is to be had"
		}
	}
	return map[string]func(context.Context, string) (bool, string){
		"ICMP, raw":   open(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP),
		"ICMPv6, raw": open(unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6),
		"ICMP":        pings,
		"packets":     open(unix.AF_PACKET, unix.SOCK_RAW, 0),
		"vsock":       speaksToHost,
	}
}

// connected says whether there is another interface than the loopback.
func connected() bool {
	interfaces, err := net.Interfaces()
	if err != nil {
		return true
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagUp != 0 {
			return true
		}
	}
	return false
}

// pings asks for an echo (RFC 792).
func pings(_ context.Context, _ string) (hole bool, result string) {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		return false, why(err)
	}
	defer unix.Close(s) //nolint:errcheck // nothing is lost with it
	_ = unix.SetsockoptTimeval(s, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: int64(wait.Seconds())})
	if err := unix.Sendto(s, []byte{8, 0, 0, 0, 0, 0, 0, 1}, 0, &unix.SockaddrInet4{Addr: [4]byte{1, 1, 1, 1}}); err != nil {
		return false, why(err)
	}
	if _, _, err := unix.Recvfrom(s, make([]byte, 64), 0); err != nil {
		return false, why(err)
	}
	return true, "1.1.1.1 answered"
}

// speaksToHost tries the way from a virtual machine to the one that it runs on (vsock(7)).
func speaksToHost(_ context.Context, _ string) (hole bool, result string) {
	s, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false, why(err)
	}
	defer unix.Close(s) //nolint:errcheck // nothing is lost with it
	_ = unix.SetsockoptTimeval(s, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: int64(wait.Seconds())})
	err = unix.Connect(s, &unix.SockaddrVM{CID: unix.VMADDR_CID_HOST, Port: 1024})
	switch {
	case err == nil:
		return true, "the host was connected"
	case errors.Is(err, unix.ECONNRESET):
		return true, "the host refused, so that it can be reached"
	}
	return false, fmt.Sprint(why(err))
}
