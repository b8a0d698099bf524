package jail

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"sallyport/internal/hint"
	"sallyport/sandbox/veil"
)

// bare is how what we mount ourselves is mounted, unless programs are run from it.
const bare = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// cover hides and freezes.
func (s *scene) cover(p preparation, hide []string) error {
	for _, path := range p.Freeze {
		real, err := filepath.EvalSymlinks(path)
		if err != nil || veil.Within(real, hide) {
			continue
		}
		if err := freeze(real, p.Write); err != nil {
			return err
		}
	}
	for _, path := range hide {
		if err := cover(path); err != nil {
			return err
		}
	}
	return nil
}

// freeze makes a file or folder one that cannot be changed by its path: neither itself,
// nor by another one in the place of a folder on the way to it. What lies in no folder
// that may be written cannot be changed anyway.
func freeze(path string, writable []string) error {
	if !veil.Within(path, writable) {
		return nil
	}
	for dir := filepath.Dir(path); veil.Within(dir, writable) && !slices.Contains(writable, dir); dir = filepath.Dir(dir) {
		if mounted(dir) {
			continue
		}
		// What is mounted on cannot be renamed or removed.
		if err := unix.Mount(dir, dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return forbidden("hold", dir, err)
		}
	}
	if err := unix.Mount(path, path, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return forbidden("protect", path, err)
	}
	readOnly := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, path, unix.AT_RECURSIVE, &readOnly); err != nil {
		return forbidden("protect", path, err)
	}
	return nil
}

// mounted says whether something is mounted at path.
func mounted(path string) bool {
	var stat unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &stat)
	return err == nil && stat.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}

// cover puts an empty folder over a folder, and an empty file over a file.
func cover(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return nil //nolint:nilerr // it is not in the jail
	}
	if info.IsDir() {
		if err := unix.Mount("sallyport-jail", path, "tmpfs", bare|unix.MS_RDONLY, "mode=0555,size=4k"); err != nil {
			return forbidden("hide", path, err)
		}
		return nil
	}
	if err := unix.Mount(os.DevNull, path, "", unix.MS_BIND, ""); err != nil {
		return forbidden("hide", path, err)
	}
	return nil
}

// freshProc shows the processes of the jail. Some of the kernel's settings there, and in
// /sys, ask for no privilege but root's name.
func freshProc() error {
	flags := uintptr(bare)
	if os.Geteuid() == 0 {
		flags |= unix.MS_RDONLY
	}
	if err := unix.Mount("proc", "/proc", "proc", flags, ""); err != nil {
		err = fmt.Errorf("mount a /proc of the jail's own: %w", err)
		if errors.Is(err, unix.EPERM) {
			return hint.With(err, "parts of /proc are covered here, as they are in a container, and then the kernel gives no other: "+
				"docker run --security-opt systempaths=unconfined, podman run --security-opt unmask=ALL, procMount: Unmasked in Kubernetes")
		}
		return err
	}
	if os.Geteuid() != 0 {
		return nil
	}
	for _, path := range []string{"/sys/kernel/debug", "/sys/kernel/tracing", "/sys/fs/bpf", "/sys/firmware"} {
		if err := cover(path); err != nil {
			return err
		}
	}
	return nil
}

// forbidden says which step the system does not allow.
func forbidden(what, path string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s %s: %w", what, path, err)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return hint.With(err, "a security module or a container's seccomp filter forbids mounts: see the kernel's log (docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined)")
	}
	return err
}
