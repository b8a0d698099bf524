package veil

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Process is a process that becomes the command. Whoever started it calls Exec
// and Wait, or Abandon.
type Process struct {
	*os.Process
	control *os.File
	from    *json.Decoder
	exposed error
	loose   []string
	became  bool // the command
}

// preparation is what the new process is told first.
type preparation struct {
	Hide, Freeze, Keep []string
	Hold               []string // folders that stay where they are
	Server             int
	Veil               bool // there is a mount namespace of its own
	Own                bool // and a user namespace
}

// command is what it is told then.
type command struct {
	Path      string
	Args, Env []string
}

// answer says what did not work; nothing if all did.
type answer struct {
	Error string `json:",omitempty"`
}

// Start makes the process and hides what it is told to. The calling process
// becomes the parent of every orphan that the command leaves (prctl(2),
// PR_SET_CHILD_SUBREAPER), so that descent tells what belongs to a run, and takes
// the name by which that is seen.
func Start(c Config) (*Process, error) {
	if err := Supervise(); err != nil {
		return nil, err
	}
	ways := slices.Concat(c.Hide, c.Freeze)
	c.Hide, c.Freeze = Resolve(c.Hide), Resolve(c.Freeze)
	hold, links := changeable(ways, slices.Concat(c.Hide, c.Freeze))
	exposed := c.Show
	if exposed == nil {
		p, err := c.start(namespaces(), hold)
		if err == nil {
			p.loose = links
			return p, nil
		}
		exposed = err
	}
	p, err := c.start(&syscall.SysProcAttr{}, nil)
	if err != nil {
		return nil, err
	}
	p.exposed = exposed
	return p, nil
}

// Supervise makes this process one by whose descent the commands of a run are known.
func Supervise() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set PR_SET_CHILD_SUBREAPER: %w", err)
	}
	// Descent is told by this name. Where it cannot be set, only the mark tells.
	_ = os.WriteFile("/proc/self/comm", []byte(ancestor), 0)
	return nil
}

// namespaces are those in which mounts can be made that nobody else sees. Root
// needs no user namespace, and keeps its rights without one.
func namespaces() *syscall.SysProcAttr {
	if os.Geteuid() == 0 {
		return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	}
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}},
		// To make mounts; given up before the process becomes the command.
		AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN},
	}
}

func (c Config) start(attributes *syscall.SysProcAttr, hold []string) (*Process, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket pair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "control"), os.NewFile(uintptr(pair[1]), "control")
	defer theirs.Close()
	// The very file that runs now, even if another one has taken its name meanwhile.
	cmd := exec.Command("/proc/self/exe", c.Helper...) //nolint:noctx // the user's command; signals end it, not a context
	cmd.Args[0] = filepath.Base(os.Args[0])
	cmd.Env = []string{} // the command's comes with the command
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, c.Stdout, c.Stderr
	cmd.ExtraFiles, cmd.SysProcAttr = []*os.File{theirs}, attributes
	if err := cmd.Start(); err != nil {
		_ = ours.Close()
		return nil, explain(err)
	}
	p := &Process{Process: cmd.Process, control: ours, from: json.NewDecoder(ours)}
	err = p.tell(preparation{
		Hide: c.Hide, Freeze: c.Freeze, Keep: c.Keep, Hold: hold, Server: c.Server,
		Veil: attributes.Cloneflags != 0, Own: attributes.Cloneflags&syscall.CLONE_NEWUSER != 0,
	})
	if err == nil {
		err = p.answered()
	}
	if err != nil {
		p.Abandon()
		return nil, err
	}
	return p, nil
}

// explain says what an error of clone(2) means here.
func explain(err error) error {
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.EUSERS):
		errno, _ := errors.AsType[syscall.Errno](err)
		return fmt.Errorf("this system forbids namespaces (%w)", errno)
	}
	return err
}

// Exposed says why the command sees what should be hidden; nil if it does not.
func (p *Process) Exposed() error { return p.exposed }

// Loose are the links on the way to what is hidden or frozen which the command may
// replace by others, so that whoever follows them then comes to other files.
func (p *Process) Loose() []string { return p.loose }

// Own says whether the command lives in a user namespace of its own, in which no
// program changes its user.
func (p *Process) Own() bool { return p.exposed == nil && os.Geteuid() != 0 }

// Exec becomes the command: nil when it runs.
func (p *Process) Exec(path string, args, env []string) error {
	if err := p.tell(command{Path: path, Args: args, Env: env}); err != nil {
		return err
	}
	if err := p.answered(); !errors.Is(err, io.EOF) {
		return err
	}
	p.became = true
	return p.control.Close() // the new program has closed its end
}

func (p *Process) tell(v any) error {
	if err := json.NewEncoder(p.control).Encode(v); err != nil {
		return fmt.Errorf("speak to the process that shall be the command: %w", err)
	}
	return nil
}

func (p *Process) answered() error {
	var a answer
	switch err := p.from.Decode(&a); {
	case err != nil:
		return err
	case a.Error != "":
		return errors.New(a.Error)
	}
	return nil
}

// Abandon ends a process that did not become the command.
func (p *Process) Abandon() {
	if p.became {
		return
	}
	_ = p.control.Close()
	_ = p.Kill()
	_, _ = p.Process.Wait()
}

// Wait waits for the command, and buries the orphans that come meanwhile.
func (p *Process) Wait() (Ended, error) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return Ended{}, fmt.Errorf("wait for the command: %w", err)
		case pid != p.Pid:
		case status.Signaled():
			return Ended{Signal: int(status.Signal())}, p.Release()
		default:
			return Ended{Code: status.ExitStatus()}, p.Release()
		}
	}
}
