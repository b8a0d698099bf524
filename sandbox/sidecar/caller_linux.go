package sidecar

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// callerOf asks the kernel who is at the other end of an accepted connection.
func callerOf(conn net.Conn) (Caller, error) {
	switch conn := conn.(type) {
	case *net.UnixConn:
		return unixCaller(conn)
	case *net.TCPConn:
		near, err1 := netip.ParseAddrPort(conn.LocalAddr().String())
		far, err2 := netip.ParseAddrPort(conn.RemoteAddr().String())
		if err := errors.Join(err1, err2); err != nil {
			return Caller{}, fmt.Errorf("read the addresses: %w", err)
		}
		return tcpCaller(unmap(far), unmap(near))
	}
	return Caller{}, fmt.Errorf("%T is neither TCP nor a Unix socket", conn)
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// unixCaller: unix(7), SO_PEERCRED.
func unixCaller(conn *net.UnixConn) (Caller, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return Caller{}, fmt.Errorf("look at the socket: %w", err)
	}
	var credentials *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		credentials, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, failed); err != nil {
		return Caller{}, fmt.Errorf("read SO_PEERCRED: %w", err)
	}
	return Caller{UID: credentials.Uid, PID: int(credentials.Pid)}, nil
}

// The messages of sock_diag(7), linux/inet_diag.h, as offsets and lengths.
const (
	messageHeader = 16 // struct nlmsghdr
	socketID      = 48 // struct inet_diag_sockid
	requestLength = 8 + socketID
	answerLength  = 4 + socketID + 20 // struct inet_diag_msg: expires, rqueue, wqueue, uid, inode
	established   = 1                 // TCP_ESTABLISHED
)

// tcpCaller asks for the socket whose own address is local and whose other end is
// remote. Only one that is connected and somebody's counts: of one that was closed
// the kernel tells uid 0 and no inode.
func tcpCaller(local, remote netip.AddrPort) (Caller, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return Caller{}, fmt.Errorf("open sock_diag: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	timeout := unix.Timeval{Sec: 1}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return Caller{}, fmt.Errorf("set up sock_diag: %w", err)
	}
	if err := unix.Sendto(fd, diagRequest(local, remote), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return Caller{}, fmt.Errorf("ask sock_diag: %w", err)
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return Caller{}, fmt.Errorf("read sock_diag: %w", err)
	}
	return diagAnswer(answer[:n], local, remote)
}

// diagRequest is an inet_diag_req_v2 for one socket.
func diagRequest(local, remote netip.AddrPort) []byte {
	b := make([]byte, messageHeader+requestLength)
	native := binary.NativeEndian
	native.PutUint32(b, uint32(len(b)))
	native.PutUint16(b[4:], unix.SOCK_DIAG_BY_FAMILY)
	native.PutUint16(b[6:], unix.NLM_F_REQUEST)
	body := b[messageHeader:]
	body[0], body[1] = unix.AF_INET6, unix.IPPROTO_TCP
	if local.Addr().Is4() {
		body[0] = unix.AF_INET
	}
	native.PutUint32(body[4:], 1<<established)
	id := body[8:]
	binary.BigEndian.PutUint16(id, local.Port())
	binary.BigEndian.PutUint16(id[2:], remote.Port())
	copy(id[4:20], local.Addr().AsSlice())
	copy(id[20:36], remote.Addr().AsSlice())
	for n := range 8 { // INET_DIAG_NOCOOKIE
		id[40+n] = 0xff
	}
	return b
}

// diagAnswer reads an inet_diag_msg, and believes it only if it is of the socket
// that was asked for: in place of one that is gone the kernel tells of a listener.
func diagAnswer(b []byte, local, remote netip.AddrPort) (Caller, error) {
	native := binary.NativeEndian
	if len(b) < messageHeader+4 {
		return Caller{}, errors.New("sock_diag answers too little")
	}
	if native.Uint16(b[4:]) == unix.NLMSG_ERROR {
		return Caller{}, fmt.Errorf("sock_diag: %w", unix.Errno(-int32(native.Uint32(b[messageHeader:]))))
	}
	body := b[messageHeader:]
	if native.Uint16(b[4:]) != unix.SOCK_DIAG_BY_FAMILY || len(body) < answerLength {
		return Caller{}, errors.New("sock_diag answers something else")
	}
	family, state, id, rest := body[0], body[1], body[4:4+socketID], body[4+socketID:]
	caller := Caller{UID: native.Uint32(rest[12:]), Socket: uint64(native.Uint32(rest[16:]))}
	switch {
	case state != established:
		return Caller{}, errors.New("the connection is not established any more")
	case caller.Socket == 0:
		return Caller{}, errors.New("nobody holds the connection any more")
	case end(family, id[4:20], id) != local, end(family, id[20:36], id[2:]) != remote:
		return Caller{}, errors.New("sock_diag answers of another connection")
	}
	return caller, nil
}

// end is an address of the answer. A client may speak IPv4 by an IPv6 socket.
func end(family byte, address, port []byte) netip.AddrPort {
	if family == unix.AF_INET {
		address = address[:4]
	}
	ip, _ := netip.AddrFromSlice(address)
	return unmap(netip.AddrPortFrom(ip, binary.BigEndian.Uint16(port)))
}
