package jail

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What Landlock knows of, by the version that it came with (landlock(7)).
const (
	landlockWrite   = unix.LANDLOCK_ACCESS_FS_WRITE_FILE
	landlockScopes  = 6     // the version that knows scopes
	scopeAll        = 1 | 2 // LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, LANDLOCK_SCOPE_SIGNAL
	landlockVersion = 1     // LANDLOCK_CREATE_RULESET_VERSION
)

// ruleset is struct landlock_ruleset_attr.
type ruleset struct{ files, network, scoped uint64 }

// confine puts this thread, and all that it starts, under rules that hold below those of
// mounts: nothing is opened for writing but in these folders, a pipe with a name in a
// read-only one neither, and no signal reaches a process outside, as one to the process
// group would. A kernel without Landlock has the mounts alone.
func confine(writable []string) error {
	version, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, landlockVersion)
	if e != 0 {
		return nil //nolint:nilerr // it is not there
	}
	rules, size := ruleset{files: landlockWrite}, unsafe.Sizeof(uint64(0))
	if version >= landlockScopes {
		rules.scoped, size = scopeAll, unsafe.Sizeof(rules)
	}
	set, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&rules)), size, 0) //nolint:gosec // the kernel's struct
	runtime.KeepAlive(&rules)
	if e != 0 {
		return fmt.Errorf("make a set of Landlock rules: %w", e)
	}
	defer leave(int(set))
	for _, path := range writable {
		if err := allow(int(set), path); err != nil {
			return err
		}
	}
	for fd := range 3 { // a standard stream may be opened by its number, as /dev/stderr
		if err := beneath(int(set), fd); err != nil && !errors.Is(err, unix.EBADFD) && !errors.Is(err, unix.EBADF) {
			return fmt.Errorf("let a standard stream be written: %w", err)
		}
	}
	if _, _, e := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, set, 0, 0); e != 0 {
		return fmt.Errorf("set Landlock rules: %w", e)
	}
	return nil
}

func allow(set int, path string) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("let %s be written: %w", path, err)
	}
	defer leave(fd)
	if err := beneath(set, fd); err != nil {
		return fmt.Errorf("let %s be written: %w", path, err)
	}
	return nil
}

// beneath adds what an open file stands for, and what lies in it.
func beneath(set, fd int) error {
	var rule [12]byte                                    // struct landlock_path_beneath_attr, which is packed
	*(*uint64)(unsafe.Pointer(&rule[0])) = landlockWrite //nolint:gosec // the kernel's struct
	*(*int32)(unsafe.Pointer(&rule[8])) = int32(fd)      //nolint:gosec // as above
	const pathBeneath = 1
	if _, _, e := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(set), pathBeneath, uintptr(unsafe.Pointer(&rule)), 0, 0, 0); e != 0 { //nolint:gosec // as above
		return e
	}
	runtime.KeepAlive(&rule)
	return nil
}
