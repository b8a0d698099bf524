package jail

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"sallyport/internal/hint"
	"sallyport/sandbox/catch"
	"sallyport/sandbox/veil"
)

// Process is a jail with the command in it. Whoever started it calls Exec and Wait, or Abandon.
type Process struct {
	cmd      *exec.Cmd
	control  *control
	sockets  Sockets
	mounts   []uint64 // that began empty
	notes    []string
	nested   bool
	names    *catch.Names
	blocked  func(catch.Attempt)
	programs programs
	serving  sync.WaitGroup
	packets  *os.File

	diagnosing sync.Mutex
	diagnosis  *os.File // guarded by diagnosing
}

// Start makes the jail. The command is not in it yet.
func Start(c Config) (*Process, error) {
	if err := veil.Supervise(); err != nil {
		return nil, err
	}
	if _, err := machine(); err != nil {
		return nil, err
	}
	working, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find the working folder: %w", err)
	}
	p, err := c.start()
	if err != nil {
		return nil, err
	}
	err = p.control.send(preparation{
		Server: c.Server, Hide: veil.Resolve(c.Hide), Freeze: c.Freeze, Home: c.Home, Fresh: c.Fresh,
		Write: veil.Resolve(c.Write), Read: veil.Resolve(c.Read), Working: working, Ports: c.Ports, Instead: c.Instead,
	})
	if err == nil {
		err = p.made()
	}
	if err != nil {
		p.Abandon()
		return nil, err
	}
	p.serving.Go(func() { p.watch(p.packets) })
	return p, nil
}

// start starts the first process in namespaces of its own.
func (c Config) start() (*Process, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket pair: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "control")
	defer theirs.Close()
	ours, err := newControl(os.NewFile(uintptr(pair[0]), "control"))
	if err != nil {
		return nil, err
	}
	// The file that runs now, also when its name has been given to another one since.
	cmd := exec.Command("/proc/self/exe", c.Helper...) //nolint:noctx // the user's command; signals end it, not a context
	cmd.Args[0] = filepath.Base(os.Args[0])
	cmd.Env = []string{} // the command's comes with the command
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Streams.In, c.Streams.Out, c.Streams.Err
	cmd.ExtraFiles, cmd.SysProcAttr = []*os.File{theirs}, namespaces()
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(explain(err), ours.Close())
	}
	return &Process{cmd: cmd, control: ours, names: c.Names, blocked: c.Blocked, nested: c.Nested}, nil
}

// namespaces are those of a jail. The user namespace is there for root too: what the
// command may do as root it may then do to nothing outside.
func namespaces() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET |
			syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}},
		// For the first process alone: the command has none.
		AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_NET_BIND_SERVICE, unix.CAP_SETPCAP, unix.CAP_DAC_OVERRIDE},
	}
}

// made receives what the first process has made.
func (p *Process) made() error {
	a, files, err := p.hear()
	if err != nil {
		return err
	}
	if len(files) != len(a.Names) {
		return errors.New("the jail handed over other files than it says")
	}
	p.mounts, p.notes = a.Mounts, a.Notes
	for i, name := range a.Names {
		if err := p.take(name, files[i]); err != nil {
			return fmt.Errorf("take over a socket of the jail: %w", err)
		}
	}
	return nil
}

func (p *Process) take(name string, f *os.File) error {
	switch name {
	case socketPackets:
		// The descriptor is non-blocking; a file that is made anew is waited for without a thread.
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := unix.SetNonblock(fd, true); err != nil {
			return err
		}
		p.packets = os.NewFile(uintptr(fd), socketPackets)
		return f.Close()
	case socketUnix:
		p.diagnosis = f
		return nil
	}
	defer f.Close()
	if name == socketNames {
		conn, err := net.FilePacketConn(f)
		p.sockets.Names = append(p.sockets.Names, conn)
		return err
	}
	l, err := net.FileListener(f)
	if err != nil {
		return err
	}
	switch tcp, ok := l.(*net.TCPListener); {
	case name == socketCatch && ok:
		p.sockets.Catch = append(p.sockets.Catch, tcp)
	case name == socketNamesIn:
		p.sockets.NamesIn = append(p.sockets.NamesIn, l)
	case name == socketProxy:
		p.sockets.Proxy = l
	}
	return nil
}

// hear waits for the next answer.
func (p *Process) hear() (answer, []*os.File, error) {
	var a answer
	files, err := p.control.receive(&a)
	switch {
	case errors.Is(err, io.EOF):
		return a, nil, errors.New("the first process of the jail ended")
	case err != nil:
		return a, nil, err
	case a.Hint != "":
		return a, nil, hint.With(errors.New(a.Error), "%s", a.Hint)
	case a.Error != "":
		return a, nil, errors.New(a.Error)
	}
	return a, files, nil
}

// Sockets are those that were made in the jail.
func (p *Process) Sockets() Sockets { return p.sockets }

// Notes say what is not as it was asked for.
func (p *Process) Notes() []string { return p.notes }

// Program tells which program is at the other end of a connection that was caught.
func (p *Process) Program(client netip.AddrPort) string { return p.programs.of(client) }

// Exec starts the command: nil when it runs.
func (p *Process) Exec(path string, args, env []string) error {
	if err := p.control.send(command{Path: path, Args: args, Env: env, Nested: p.nested}); err != nil {
		return err
	}
	_, files, err := p.hear()
	if err != nil {
		return err
	}
	if len(files) != 1 {
		return errors.New("the jail handed over other files than it says")
	}
	listener, err := unix.FcntlInt(files[0].Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("take over a descriptor of the jail: %w", err)
	}
	_ = files[0].Close()
	p.serving.Go(func() { (&desk{listener: listener, process: p, pending: map[int]struct{}{}}).serve() })
	_, _, err = p.hear()
	return err
}

// Signal sends the command a signal.
func (p *Process) Signal(s os.Signal) error {
	number, ok := s.(syscall.Signal)
	if !ok {
		return fmt.Errorf("%v is no signal of this system", s)
	}
	return p.control.send(note{Signal: int(number)})
}

// Wait waits for the command. Nothing of it is left then.
func (p *Process) Wait() (Ended, error) {
	a, _, err := p.hear()
	p.Abandon()
	if err != nil {
		return Ended{}, err
	}
	return Ended{Code: a.Code, Signal: a.Signal}, nil
}

// Abandon ends the jail with all that is in it.
func (p *Process) Abandon() {
	if p.cmd == nil {
		return
	}
	_ = p.control.Close()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.cmd = nil
	if p.packets != nil {
		_ = p.packets.Close()
	}
	p.serving.Wait()
	if p.diagnosis != nil {
		_ = p.diagnosis.Close()
	}
}
