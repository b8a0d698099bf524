package jail

import "golang.org/x/sys/unix"

// refusal is a system call that fails in a jail.
type refusal struct {
	call   uint32
	errno  unix.Errno
	nested bool   // it is let through where the command may make namespaces of its own
	why    string // for people: docs/jail.md has the list
}

// refused are the calls that fail whatever their arguments are. ENOSYS is for those that
// programs do without when they do not exist.
var refused = []refusal{ //nolint:gochecknoglobals // a constant list
	{unix.SYS_IO_URING_SETUP, unix.ENOSYS, false, "it connects and sends without a system call that could be seen"},
	{unix.SYS_IO_URING_ENTER, unix.ENOSYS, false, "as io_uring_setup"},
	{unix.SYS_IO_URING_REGISTER, unix.ENOSYS, false, "as io_uring_setup"},

	{unix.SYS_CLONE3, unix.ENOSYS, true, "which namespaces it makes cannot be seen; programs go back to clone"},
	{unix.SYS_SETNS, unix.EPERM, true, "enters other namespaces"},
	{unix.SYS_MOUNT, unix.EPERM, true, "what is mounted decides what can be seen"},
	{unix.SYS_UMOUNT2, unix.EPERM, true, "as mount"},
	{unix.SYS_PIVOT_ROOT, unix.EPERM, true, "as mount"},
	{unix.SYS_CHROOT, unix.EPERM, true, "as mount"},
	{unix.SYS_FSOPEN, unix.EPERM, true, "as mount"},
	{unix.SYS_FSCONFIG, unix.EPERM, true, "as mount"},
	{unix.SYS_FSMOUNT, unix.EPERM, true, "as mount"},
	{unix.SYS_FSPICK, unix.EPERM, true, "as mount"},
	{unix.SYS_OPEN_TREE, unix.EPERM, true, "as mount"},
	{unix.SYS_MOVE_MOUNT, unix.EPERM, true, "as mount"},
	{unix.SYS_MOUNT_SETATTR, unix.EPERM, true, "as mount"},

	{unix.SYS_OPEN_BY_HANDLE_AT, unix.EPERM, false, "opens files past what is mounted over them"},
	{unix.SYS_BPF, unix.EPERM, false, "programs in the kernel"},
	{unix.SYS_PERF_EVENT_OPEN, unix.EPERM, false, "looks at other processes, and at the kernel"},
	{unix.SYS_USERFAULTFD, unix.EPERM, false, "stops the kernel in the middle of a copy, which attacks on it need"},
	{unix.SYS_FANOTIFY_INIT, unix.EPERM, false, "watches whole file systems"},
	{unix.SYS_KEYCTL, unix.ENOSYS, false, "keys of the user's session outside are in reach of it"},
	{unix.SYS_ADD_KEY, unix.ENOSYS, false, "as keyctl"},
	{unix.SYS_REQUEST_KEY, unix.ENOSYS, false, "as keyctl; it also starts a program outside"},
	{unix.SYS_SYSLOG, unix.EPERM, false, "the kernel's log"},
	{unix.SYS_KEXEC_LOAD, unix.EPERM, false, "another kernel"},
	{unix.SYS_KEXEC_FILE_LOAD, unix.EPERM, false, "another kernel"},
	{unix.SYS_INIT_MODULE, unix.EPERM, false, "code in the kernel"},
	{unix.SYS_FINIT_MODULE, unix.EPERM, false, "code in the kernel"},
	{unix.SYS_DELETE_MODULE, unix.EPERM, false, "code in the kernel"},
	{unix.SYS_REBOOT, unix.EPERM, false, "the machine is not the jail's"},
	{unix.SYS_SWAPON, unix.EPERM, false, "the machine is not the jail's"},
	{unix.SYS_SWAPOFF, unix.EPERM, false, "the machine is not the jail's"},
	{unix.SYS_ACCT, unix.EPERM, false, "the machine is not the jail's"},
	{unix.SYS_QUOTACTL, unix.EPERM, false, "the machine is not the jail's"},
	{unix.SYS_QUOTACTL_FD, unix.EPERM, false, "the machine is not the jail's"},
	{unix.SYS_SETTIMEOFDAY, unix.EPERM, false, "the machine is not the jail's"},
	{unix.SYS_CLOCK_SETTIME, unix.EPERM, false, "the machine is not the jail's"},
	{unix.SYS_CLOCK_ADJTIME, unix.EPERM, false, "the machine is not the jail's"},
	{unix.SYS_VHANGUP, unix.EPERM, false, "the terminal is not the jail's"},
}
