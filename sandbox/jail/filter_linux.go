package jail

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newestCall is the newest system call that this list was written with in mind. What came
// to Linux later does not exist in a jail.
const newestCall = 466

// Kinds of namespaces (namespaces(7)). clone(2) has no room for that of time.
const (
	namespacesOfClone = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
		unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
	namespacesOfAll = namespacesOfClone | unix.CLONE_NEWTIME
)

// machine is how seccomp(2) calls the processor that this program was made for.
func machine() (uint32, error) {
	switch runtime.GOARCH {
	case "amd64":
		return unix.AUDIT_ARCH_X86_64, nil
	case "arm64":
		return unix.AUDIT_ARCH_AARCH64, nil
	case "riscv64":
		return unix.AUDIT_ARCH_RISCV64, nil
	case "loong64":
		return unix.AUDIT_ARCH_LOONGARCH64, nil
	}
	return 0, errors.New("there is no list of system calls for a jail on " + runtime.GOARCH)
}

// Where struct seccomp_data has what the filter looks at.
const (
	dataNumber  = 0
	dataMachine = 4
	dataArg     = 16
)

// low and high are where an argument is. All of these processors are little-endian.
func low(arg uint32) uint32  { return dataArg + 8*arg }
func high(arg uint32) uint32 { return dataArg + 8*arg + 4 }

// filter is a program for seccomp(2) in the making.
type filter []unix.SockFilter

func (f *filter) load(at uint32) {
	*f = append(*f, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at})
}

func (f *filter) and(mask uint32) {
	*f = append(*f, unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: mask})
}

func (f *filter) answer(what uint32) {
	*f = append(*f, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: what})
}

// when has block run if what was loaded is k. Every block ends with an answer.
func (f *filter) when(k uint32, block func(*filter)) { f.jump(unix.BPF_JEQ, k, block) }

func (f *filter) jump(test uint16, k uint32, block func(*filter)) {
	var inner filter
	block(&inner)
	*f = append(*f, unix.SockFilter{Code: unix.BPF_JMP | test | unix.BPF_K, K: k, Jf: uint8(len(inner))}) //nolint:gosec // some ten instructions
	*f = append(*f, inner...)
}

func errno(e unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(e) }

// whole is the program of a jail.
func whole(arch uint32, nested bool) filter {
	var f filter
	f.load(dataMachine)
	// Programs for another processor than the machine's own have other numbers.
	f = append(f, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: arch, Jt: 1})
	f.answer(errno(unix.ENOSYS))
	f.load(dataNumber)
	f.jump(unix.BPF_JGT, newestCall, func(b *filter) { b.answer(errno(unix.ENOSYS)) })
	for _, r := range refused {
		if !nested || !r.nested {
			f.when(r.call, func(b *filter) { b.answer(errno(r.errno)) })
		}
	}
	if !nested {
		f.namespaces()
	}
	f.sockets()
	f.when(unix.SYS_IOCTL, func(b *filter) {
		b.load(low(1))
		for _, command := range typing {
			b.when(command, func(b *filter) { b.answer(errno(unix.EPERM)) })
		}
		b.answer(unix.SECCOMP_RET_ALLOW)
	})
	f.answer(unix.SECCOMP_RET_ALLOW)
	return f
}

// typing is what puts characters into a terminal's input, as if its user had typed them, or
// changes what its keys or its line mean: ioctl_tty(2), ioctl_console(2).
var typing = []uint32{ //nolint:gochecknoglobals // a constant list
	unix.TIOCSTI, unix.TIOCSETD,
	0x541c, // TIOCLINUX
	0x4b47, // KDSKBENT
	0x4b49, // KDSKBSENT
	0x4b4b, // KDSKBDIACR
	0x4bfb, // KDSKBDIACRUC
	0x4b4d, // KDSETKEYCODE
}

func (f *filter) namespaces() {
	for call, mask := range map[uint32]uint32{unix.SYS_CLONE: namespacesOfClone, unix.SYS_UNSHARE: namespacesOfAll} {
		f.when(call, func(b *filter) {
			b.load(low(0))
			b.and(mask)
			b.when(0, func(b *filter) { b.answer(unix.SECCOMP_RET_ALLOW) })
			b.answer(errno(unix.EPERM))
		})
	}
}

// sockets lets those be made that stay in the jail, and has the supervisor asked about
// the others, and about whoever is spoken to.
func (f *filter) sockets() {
	ask := uint32(unix.SECCOMP_RET_USER_NOTIF)
	f.when(unix.SYS_CONNECT, func(b *filter) { b.answer(ask) })
	f.when(unix.SYS_SENDTO, func(b *filter) { // with an address, not on what is connected
		b.load(low(4))
		b.when(0, func(b *filter) {
			b.load(high(4))
			b.when(0, func(b *filter) { b.answer(unix.SECCOMP_RET_ALLOW) })
			b.answer(ask)
		})
		b.answer(ask)
	})
	// A pair of datagram sockets could write to a third by its path, unseen.
	f.when(unix.SYS_SOCKETPAIR, func(b *filter) {
		b.kindOf(map[uint32]func(*filter){unix.SOCK_DGRAM: answers(ask), unix.SOCK_RAW: answers(ask)})
		b.answer(unix.SECCOMP_RET_ALLOW)
	})
	f.when(unix.SYS_SOCKET, func(b *filter) {
		b.load(low(0))
		b.when(unix.AF_UNIX, func(b *filter) {
			b.kindOf(map[uint32]func(*filter){unix.SOCK_STREAM: answers(unix.SECCOMP_RET_ALLOW), unix.SOCK_SEQPACKET: answers(unix.SECCOMP_RET_ALLOW)})
			b.answer(errno(unix.EPROTONOSUPPORT))
		})
		for _, family := range []uint32{unix.AF_INET, unix.AF_INET6} {
			b.when(family, func(b *filter) {
				b.kindOf(map[uint32]func(*filter){
					unix.SOCK_STREAM: onlyProtocols(unix.IPPROTO_IP, unix.IPPROTO_TCP, unix.IPPROTO_MPTCP),
					unix.SOCK_DGRAM:  onlyProtocols(unix.IPPROTO_IP, unix.IPPROTO_UDP),
				})
				b.answer(ask)
			})
		}
		b.when(unix.AF_NETLINK, func(b *filter) { // which interfaces there are, and nothing else
			b.load(low(2))
			b.when(unix.NETLINK_ROUTE, answers(unix.SECCOMP_RET_ALLOW))
			b.answer(errno(unix.EPROTONOSUPPORT))
		})
		b.answer(ask)
	})
}

func answers(what uint32) func(*filter) { return func(b *filter) { b.answer(what) } }

// kindOf looks at the kind of socket, without the flags that come with it.
func (f *filter) kindOf(blocks map[uint32]func(*filter)) {
	f.load(low(1))
	f.and(0xf)
	for kind, block := range blocks {
		f.when(kind, block)
	}
}

func onlyProtocols(protocols ...uint32) func(*filter) {
	return func(b *filter) {
		b.load(low(2))
		for _, p := range protocols {
			b.when(p, answers(unix.SECCOMP_RET_ALLOW))
		}
		b.answer(unix.SECCOMP_RET_USER_NOTIF)
	}
}

// install puts the program on this thread, for it and all that it starts, and returns
// where the supervisor is asked. It takes PR_SET_NO_NEW_PRIVS.
func install(nested bool) (listener int, err error) {
	arch, err := machine()
	if err != nil {
		return -1, err
	}
	program := whole(arch, nested)
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]} //nolint:gosec // some two hundred instructions
	// With the second flag, a call that is being answered is only ended by a signal that kills:
	// otherwise it would be made again, of which the supervisor knows nothing.
	for _, flags := range []uintptr{unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER} {
		fd, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog))) //nolint:gosec // the kernel's struct
		runtime.KeepAlive(program)
		switch {
		case e == 0:
			return int(fd), nil
		case !errors.Is(e, unix.EINVAL):
			return -1, fmt.Errorf("set a seccomp filter that asks: %w", e)
		}
	}
	return -1, errors.New("this kernel's seccomp does not ask (it takes Linux 5.7)")
}
