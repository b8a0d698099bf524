package jail

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"sallyport/sandbox/catch"
)

// connect makes a connection in the place of whoever asked, with the address as it was
// read here: what the process writes over it meanwhile does not count.
func (d *desk) connect(q *question) unix.Errno {
	raw, e := d.address(q, q.args[1], q.args[2])
	if e != 0 {
		return e
	}
	fd, e := descriptor(q.pid, int(q.args[0]&0xffffffff))
	if e != 0 {
		return e
	}
	defer leave(fd)
	done, ok := d.connecting(fd)
	if !ok {
		return unix.EINTR
	}
	defer done()
	if !d.waits(q) {
		return unix.EINTR
	}
	if binary.NativeEndian.Uint16(raw) == unix.AF_UNIX {
		return d.connectUnix(q, fd, raw)
	}
	file := program(q.pid)
	to, known := internet(raw)
	if known {
		d.process.programs.wanted(to, file)
	}
	e = connect(fd, raw)
	if known && (e == 0 || e == unix.EINPROGRESS) {
		if from, ok := localEnd(fd); ok {
			d.process.programs.opened(from, file)
		}
	}
	return e
}

// descriptor is one of another process (pidfd_getfd(2)).
func descriptor(thread uint32, number int) (int, unix.Errno) {
	pid := int(thread)
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil { // only the first thread of a process can be opened
		if pid = processOf(thread); pid == 0 {
			return -1, unix.ESRCH
		}
		if pidfd, err = unix.PidfdOpen(pid, 0); err != nil {
			return -1, unix.ESRCH
		}
	}
	defer leave(pidfd)
	fd, err := unix.PidfdGetfd(pidfd, number, 0)
	if err != nil {
		return -1, errnoOf(err)
	}
	return fd, 0
}

func processOf(thread uint32) int {
	data, err := os.ReadFile(process(thread, "status"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "Tgid:"); ok {
			pid, _ := strconv.Atoi(strings.TrimSpace(rest))
			return pid
		}
	}
	return 0
}

func connect(fd int, raw []byte) unix.Errno {
	_, _, e := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&raw[0])), uintptr(len(raw))) //nolint:gosec // bytes that stay where they are
	runtime.KeepAlive(raw)
	return e
}

func localEnd(fd int) (netip.AddrPort, bool) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, false
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), true //nolint:gosec // a port
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port)), true //nolint:gosec // a port
	}
	return netip.AddrPort{}, false
}

// connectUnix connects to a socket of the jail, and to none outside. Abstract names are
// those of the network namespace already. Paths are not: a socket that another program
// has left in a folder that the jail shares would lead out (unix(7)).
func (d *desk) connectUnix(q *question, fd int, raw []byte) unix.Errno {
	name, _, _ := bytes.Cut(raw[2:], []byte{0})
	if len(name) == 0 {
		return connect(fd, raw)
	}
	at, e := d.open(q, string(name))
	if e != 0 {
		return e
	}
	defer leave(at)
	var stat unix.Stat_t
	if err := unix.Fstat(at, &stat); err != nil {
		return errnoOf(err)
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return unix.ECONNREFUSED
	}
	if !d.process.ownMount(at) && !d.process.bound(stat.Dev, stat.Ino) {
		d.process.blocked(catch.Attempt{Protocol: "unix", Name: string(name), Program: program(q.pid), Reason: catch.ReasonOutside})
		return unix.ECONNREFUSED
	}
	direct := append(binary.NativeEndian.AppendUint16(nil, unix.AF_UNIX), "/proc/self/fd/"+strconv.Itoa(at)+"\x00"...)
	return connect(fd, direct)
}

// open finds a file by the path by which a process calls it, without leaving its root.
func (d *desk) open(q *question, name string) (int, unix.Errno) {
	if !path.IsAbs(name) {
		working, err := os.Readlink(process(q.pid, "cwd"))
		if err != nil {
			return -1, unix.ENOENT
		}
		name = path.Join(working, name)
	}
	root, err := unix.Open(process(q.pid, "root"), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, unix.EACCES
	}
	defer leave(root)
	if !d.waits(q) {
		return -1, unix.EINTR
	}
	fd, err := unix.Openat2(root, name, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return -1, errnoOf(err)
	}
	return fd, 0
}

// ownMount says whether a file lies in a mount that began empty with the jail, so that
// only the jail can have made it.
func (p *Process) ownMount(fd int) bool {
	var stat unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &stat); err != nil || stat.Mask&unix.STATX_MNT_ID == 0 {
		return false
	}
	return slices.Contains(p.mounts, stat.Mnt_id)
}

// bound says whether a socket of the jail is bound to this file (sock_diag(7)).
func (p *Process) bound(device, inode uint64) bool {
	p.diagnosing.Lock()
	defer p.diagnosing.Unlock()
	s := int(p.diagnosis.Fd())
	if err := unix.Sendto(s, unixSockets(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return false
	}
	buf := make([]byte, 64<<10)
	found := false
	for {
		n, _, err := unix.Recvfrom(s, buf, 0)
		if err != nil {
			return false
		}
		for rest := buf[:n]; len(rest) >= unix.NLMSG_HDRLEN; {
			length, kind := int(binary.NativeEndian.Uint32(rest)), binary.NativeEndian.Uint16(rest[4:])
			if kind == unix.NLMSG_DONE || kind == unix.NLMSG_ERROR {
				return found
			}
			if length < unix.NLMSG_HDRLEN || length > len(rest) {
				return false
			}
			found = found || isBound(rest[unix.NLMSG_HDRLEN:length], device, inode)
			rest = rest[min(len(rest), (length+3)&^3):]
		}
	}
}

const (
	sockDiagByFamily = 20
	diagShowVFS      = 2 // UDIAG_SHOW_VFS
	diagVFS          = 1 // UNIX_DIAG_VFS
	diagMessage      = 16
)

// unixSockets asks for all Unix sockets of the namespace: struct unix_diag_req.
func unixSockets() []byte {
	const length = unix.NLMSG_HDRLEN + 24
	b := binary.NativeEndian.AppendUint32(nil, length)
	b = binary.NativeEndian.AppendUint16(b, sockDiagByFamily)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	b = append(b, make([]byte, 8)...)
	b = append(b, unix.AF_UNIX, 0, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, ^uint32(0)) // in any state
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = binary.NativeEndian.AppendUint32(b, diagShowVFS)
	return append(b, make([]byte, 8)...)
}

// isBound looks through the attributes of struct unix_diag_msg for the file.
func isBound(message []byte, device, inode uint64) bool {
	if len(message) < diagMessage {
		return false
	}
	for rest := message[diagMessage:]; len(rest) >= 4; {
		length, kind := int(binary.NativeEndian.Uint16(rest)), binary.NativeEndian.Uint16(rest[2:])
		if length < 4 || length > len(rest) {
			return false
		}
		if kind == diagVFS && length >= 12 {
			ino, dev := binary.NativeEndian.Uint32(rest[4:]), binary.NativeEndian.Uint32(rest[8:])
			same := unix.Mkdev(dev>>20, dev&0xfffff) == device
			return same && uint64(ino) == inode&0xffffffff
		}
		rest = rest[min(len(rest), (length+3)&^3):]
	}
	return false
}
