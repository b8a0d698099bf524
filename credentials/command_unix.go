//go:build unix

package credentials

import (
	"os/exec"
	"syscall"
)

// ownGroup makes the process and all it starts one group, killed as one.
func ownGroup(process *exec.Cmd) {
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	process.Cancel = func() error { return syscall.Kill(-process.Process.Pid, syscall.SIGKILL) }
}

// killGroup ends what a finished run has left of its group. The group's id cannot
// have been taken by others while a member lives; with none left there is nothing to
// signal, and a process id is not used again that soon.
func killGroup(process *exec.Cmd) {
	if process.Process != nil {
		_ = syscall.Kill(-process.Process.Pid, syscall.SIGKILL)
	}
}
