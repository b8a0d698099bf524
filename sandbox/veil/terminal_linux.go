package veil

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ioctls are the numbers of ioctl(2) for each kind of program that a machine may
// run, by the names that seccomp(2) has for them. Others may call what they want.
var ioctls = [][2]uint32{ //nolint:gochecknoglobals // a constant list
	{unix.AUDIT_ARCH_X86_64, 16},
	{unix.AUDIT_ARCH_X86_64, 514 | 1<<30}, // x32
	{unix.AUDIT_ARCH_I386, 54},
	{unix.AUDIT_ARCH_AARCH64, 29},
	{unix.AUDIT_ARCH_ARM, 54},
	{unix.AUDIT_ARCH_RISCV64, 29},
	{unix.AUDIT_ARCH_LOONGARCH64, 29},
}

// Where struct seccomp_data has what the filter looks at. The kernel reads 32
// bits of an ioctl's command.
const (
	dataNumber  = 0
	dataMachine = 4
	dataCommand = 24
)

// typing is what puts characters into a terminal's input, as if its user had
// typed them: ioctl_tty(2), ioctl_console(2).
var typing = []uint32{unix.TIOCSTI, 0x541c /* TIOCLINUX */} //nolint:gochecknoglobals // a constant list

// neverType keeps the command, which shares its terminal with the shell that
// called us, from typing there what that shell would run when the command has
// ended. It takes PR_SET_NO_NEW_PRIVS, and holds for this thread.
func neverType() error {
	program := typingFilter()
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]} //nolint:gosec // some forty instructions
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&filter)), 0, 0)
	runtime.KeepAlive(program)
	if err != nil {
		return fmt.Errorf("set a seccomp filter: %w", err)
	}
	return nil
}

func typingFilter() []unix.SockFilter {
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	equal := func(to uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: to, Jt: yes, Jf: no}
	}
	answer := func(what uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: what}
	}
	var program []unix.SockFilter
	const each = 5
	for i, c := range ioctls {
		rest := uint32(each * (len(ioctls) - 1 - i)) //nolint:gosec // a short list
		program = append(program,
			load(dataMachine), equal(c[0], 0, 3),
			load(dataNumber), equal(c[1], 0, 1),
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: rest + 1}) // past the answer for whatever is no ioctl
	}
	program = append(program, answer(unix.SECCOMP_RET_ALLOW), load(dataCommand))
	for i, command := range typing {
		program = append(program, equal(command, uint8(len(typing)-i), 0)) //nolint:gosec // a short list
	}
	return append(program, answer(unix.SECCOMP_RET_ALLOW), answer(unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM)))
}
