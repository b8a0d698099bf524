package jail

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"sallyport/sandbox/catch"
)

// question is struct seccomp_notif: a call that waits for the supervisor.
type question struct {
	id   uint64
	pid  uint32 // of the thread, as the supervisor sees it
	_    uint32
	call int32
	_    uint32
	_    uint64
	args [6]uint64
}

// reply is struct seccomp_notif_resp.
type reply struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// mostAtOnce is how many calls are answered at a time. Others wait.
const mostAtOnce = 128

// desk answers the calls of a jail that its filter does not decide.
type desk struct {
	listener int
	process  *Process

	mu      sync.Mutex
	pending map[int]struct{} // sockets that are being connected; nil when the jail has ended
}

// leave closes a descriptor of ours; nothing is lost with it.
func leave(fd int) { _ = unix.Close(fd) }

func ioctl(fd int, command uintptr, p unsafe.Pointer) error {
	for {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), command, uintptr(p))
		if e == 0 {
			return nil
		}
		if !errors.Is(e, unix.EINTR) {
			return e
		}
	}
}

// serve answers until nobody is left in the jail.
func (d *desk) serve() {
	defer leave(d.listener)
	working := make(chan struct{}, mostAtOnce)
	for {
		poll := []unix.PollFd{{Fd: int32(d.listener), Events: unix.POLLIN}} //nolint:gosec // a descriptor
		if _, err := unix.Poll(poll, -1); err != nil && !errors.Is(err, unix.EINTR) {
			break
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			if poll[0].Revents != 0 {
				break
			}
			continue
		}
		q := &question{}
		if err := ioctl(d.listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(q)); err != nil { //nolint:gosec // the kernel's struct
			continue // it was killed meanwhile
		}
		working <- struct{}{}
		go func() {
			defer func() { <-working }()
			d.answer(q)
		}()
	}
	d.hangUp()
	for range mostAtOnce {
		working <- struct{}{}
	}
}

// hangUp ends connections that are still being made: nobody waits for them any more.
func (d *desk) hangUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for fd := range d.pending {
		_ = unix.Shutdown(fd, unix.SHUT_RDWR)
	}
	d.pending = nil
}

// connecting makes a socket known to hangUp until done; false if that was.
func (d *desk) connecting(fd int) (done func(), ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pending == nil {
		return nil, false
	}
	d.pending[fd] = struct{}{}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.pending, fd)
	}, true
}

// answer answers one call. Whatever is not understood fails.
func (d *desk) answer(q *question) {
	r := reply{id: q.id}
	switch int(q.call) {
	case unix.SYS_SOCKET:
		r.errno = -int32(d.socket(q))
	case unix.SYS_SOCKETPAIR:
		r.errno = -int32(d.pair(q))
	case unix.SYS_CONNECT:
		r.errno = -int32(d.connect(q))
	case unix.SYS_SENDTO:
		d.sendto(q)
		r.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
	default:
		r.errno = -int32(unix.ENOSYS)
	}
	_ = ioctl(d.listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r)) //nolint:gosec // the kernel's struct; whoever asked may be gone
	runtime.KeepAlive(q)
}

// waits says whether the call still waits: only then is what was read of its process its own.
func (d *desk) waits(q *question) bool {
	id := q.id
	return ioctl(d.listener, unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&id)) == nil //nolint:gosec // a number
}

// families are sockets that there are none of in a jail.
var families = map[uint64]string{ //nolint:gochecknoglobals // a constant list
	unix.AF_PACKET: "packet", unix.AF_VSOCK: "vsock", unix.AF_BLUETOOTH: "bluetooth", unix.AF_ALG: "alg", unix.AF_CAN: "can",
	unix.AF_TIPC: "tipc", unix.AF_XDP: "xdp", unix.AF_RDS: "rds", unix.AF_KEY: "key",
}

// socket tells of a socket that is not to be had. Nothing that its arguments point to
// decides: they are numbers.
func (d *desk) socket(q *question) unix.Errno {
	family, kind, protocol := q.args[0]&0xffffffff, q.args[1]&0xf, q.args[2]&0xffffffff
	a := catch.Attempt{Program: program(q.pid), Reason: catch.ReasonSocket}
	code := unix.EPROTONOSUPPORT
	switch {
	case family == unix.AF_INET || family == unix.AF_INET6:
		switch {
		case protocol == unix.IPPROTO_ICMP || protocol == unix.IPPROTO_ICMPV6:
			a.Protocol, code = "icmp", unix.EPERM
		case kind == unix.SOCK_RAW:
			a.Protocol, code = fmt.Sprintf("raw ip protocol %d", protocol), unix.EPERM
		default:
			a.Protocol = fmt.Sprintf("ip protocol %d", protocol)
		}
	case families[family] != "":
		a.Protocol, code = families[family], unix.EAFNOSUPPORT
	default:
		a.Protocol, code = fmt.Sprintf("socket family %d", family), unix.EAFNOSUPPORT
	}
	d.process.blocked(a)
	return code
}

// pair makes a pair of sockets that keeps messages apart, as a pair of datagram sockets
// does, and has no way to write to a third.
func (d *desk) pair(q *question) unix.Errno {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|int(q.args[1])&unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return errnoOf(err)
	}
	defer leave(fds[0])
	defer leave(fds[1])
	var theirs [8]byte
	for i, fd := range fds {
		add := struct {
			id              uint64
			flags, from, to uint32
			newFlags        uint32
		}{id: q.id, from: uint32(fd), newFlags: uint32(q.args[1]) & unix.SOCK_CLOEXEC} //nolint:gosec // descriptors
		n, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(d.listener), unix.SECCOMP_IOCTL_NOTIF_ADDFD, uintptr(unsafe.Pointer(&add))) //nolint:gosec // the kernel's struct
		if e != 0 {
			return e
		}
		binary.NativeEndian.PutUint32(theirs[4*i:], uint32(n)) //nolint:gosec // a descriptor
	}
	mem, err := os.OpenFile(process(q.pid, "mem"), os.O_WRONLY, 0)
	if err != nil {
		return unix.EFAULT
	}
	defer mem.Close()
	if !d.waits(q) {
		return unix.EINTR
	}
	if _, err := mem.WriteAt(theirs[:], int64(q.args[3])); err != nil { //nolint:gosec // an address
		return unix.EFAULT
	}
	return 0
}

// sendto notes who sends, before the kernel does as it was asked: what leaves by it
// leaves the jail no more than anything else.
func (d *desk) sendto(q *question) {
	raw, e := d.address(q, q.args[4], q.args[5])
	if e != 0 {
		return
	}
	if to, ok := internet(raw); ok {
		d.process.programs.wanted(to, program(q.pid))
	}
}

// address reads the socket address that a call points to.
func (d *desk) address(q *question, at, length uint64) ([]byte, unix.Errno) {
	const longest = 128 // struct sockaddr_storage
	if length&0xffffffff > longest || length&0xffffffff < 2 {
		return nil, unix.EINVAL
	}
	mem, err := os.Open(process(q.pid, "mem"))
	if err != nil {
		return nil, unix.EFAULT
	}
	defer mem.Close()
	raw := make([]byte, length&0xffffffff)
	if _, err := mem.ReadAt(raw, int64(at)); err != nil { //nolint:gosec // an address
		return nil, unix.EFAULT
	}
	if !d.waits(q) {
		return nil, unix.EINTR
	}
	return raw, 0
}

// internet reads struct sockaddr_in and sockaddr_in6 (ip(7), ipv6(7)).
func internet(raw []byte) (netip.AddrPort, bool) {
	switch family := binary.NativeEndian.Uint16(raw); {
	case family == unix.AF_INET && len(raw) >= 8:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw[4:])), binary.BigEndian.Uint16(raw[2:])), true
	case family == unix.AF_INET6 && len(raw) >= 24:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(raw[8:])).Unmap(), binary.BigEndian.Uint16(raw[2:])), true
	}
	return netip.AddrPort{}, false
}

// program is the file of the program that runs in a process.
func program(pid uint32) string {
	file, err := os.Readlink(process(pid, "exe"))
	if err != nil {
		return ""
	}
	return file
}

func process(pid uint32, file string) string { return fmt.Sprintf("/proc/%d/%s", pid, file) }

func errnoOf(err error) unix.Errno {
	if e, ok := errors.AsType[unix.Errno](err); ok {
		return e
	}
	return unix.EIO
}
