package jail

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"sallyport/internal/hint"
)

// explain turns what clone(2) says into the setting that has to be another.
func explain(err error) error {
	errno, ok := errors.AsType[syscall.Errno](err)
	if !ok {
		return err
	}
	if !slices.Contains([]syscall.Errno{syscall.EPERM, syscall.EACCES, syscall.ENOSPC, syscall.EINVAL, syscall.EUSERS, syscall.ENOSYS}, errno) {
		return err
	}
	return hint.With(fmt.Errorf("this system forbids the namespaces that a jail takes (%w)", errno), "%s", setting(errno))
}

// setting is what forbids user namespaces here, as far as that can be told.
func setting(errno syscall.Errno) string {
	for _, s := range []struct{ file, bad, say string }{
		{"/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces is 0: set it to 10000"},
		{"/proc/sys/user/max_net_namespaces", "0", "sysctl user.max_net_namespaces is 0: set it to 10000"},
		{"/proc/sys/user/max_pid_namespaces", "0", "sysctl user.max_pid_namespaces is 0: set it to 10000"},
		{"/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone is 0: set it to 1"},
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl kernel.apparmor_restrict_unprivileged_userns is 1: set it to 0, or give this program an AppArmor profile with `userns,`"},
	} {
		data, err := os.ReadFile(s.file)
		if err == nil && strings.TrimSpace(string(data)) == s.bad {
			return s.say
		}
	}
	switch {
	case errno == syscall.ENOSPC || errno == syscall.EUSERS:
		return "namespaces are nested too deeply, or there are more than sysctl user.max_user_namespaces allows"
	case errno == syscall.EINVAL || errno == syscall.ENOSYS:
		return "the kernel was built without CONFIG_USER_NS or CONFIG_NET_NS"
	case filtered():
		return "a seccomp filter forbids it, as containers have one: allow unshare, clone and mount (docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined)"
	}
	return "a chroot or a security module (SELinux, AppArmor) forbids it: see the kernel's log"
}

// filtered says whether this process is under a seccomp filter.
func filtered() bool {
	data, err := os.ReadFile("/proc/self/status")
	return err == nil && strings.Contains(string(data), "\nSeccomp:\t2\n")
}
