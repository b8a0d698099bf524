package jail

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"sallyport/internal/hint"
	"sallyport/sandbox/veil"
)

// controlDescriptor is that of the socket to the process that called Start.
const controlDescriptor = 3

// Enter is the first process of a jail: it makes what is in it, starts the command, and
// is the parent of all that lose theirs. It returns when the command has ended, and with
// it the kernel ends whatever is left. So it is when the supervisor has gone.
func Enter() error {
	c, err := newControl(os.NewFile(controlDescriptor, "control"))
	if err != nil {
		return fmt.Errorf("only `sallyport run` starts this: %w", err)
	}
	writable, err := prepare(c)
	if err != nil {
		return errors.Join(err, c.send(answer{Error: err.Error(), Hint: hint.Of(err)}))
	}
	var asked command
	if _, err := c.receive(&asked); err != nil {
		return fmt.Errorf("there is to be no command: %w", err)
	}
	return c.supervise(asked, writable)
}

func prepare(c *control) (writable []string, err error) {
	var p preparation
	if _, err := c.receive(&p); err != nil {
		return nil, fmt.Errorf("only `sallyport run` starts this: %w", err)
	}
	if err := veil.Mark(p.Server); err != nil {
		return nil, err
	}
	if err := loopbackOnly(); err != nil {
		return nil, err
	}
	sockets, err := makeSockets(p.Ports)
	if err != nil {
		return nil, err
	}
	if err := closeOthers(); err != nil {
		return nil, err
	}
	// A program that the system starts with what a process leaves when it crashes is outside.
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1, Max: 1}); err != nil {
		return nil, fmt.Errorf("set RLIMIT_CORE: %w", err)
	}
	var s scene
	if err := s.build(p); err != nil {
		return nil, err
	}
	a := answer{Mounts: s.empty, Notes: s.notes}
	var files []int
	for _, m := range sockets {
		a.Names = append(a.Names, m.name)
		files = append(files, int(m.file.Fd()))
	}
	if err := c.send(a, files...); err != nil {
		return nil, err
	}
	for _, m := range sockets {
		_ = m.file.Close()
	}
	// The command has this process's user, and could look into it.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("set PR_SET_DUMPABLE: %w", err)
	}
	return s.writable, nil
}

// closeOthers has whatever was inherited closed when the command starts, and takes a folder
// away that is a standard stream: from an open folder all files could be reached as they
// were mounted before.
func closeOthers() error {
	if err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close what is open (it takes Linux 5.11): %w", err)
	}
	for fd := range 3 {
		var stat unix.Stat_t
		if unix.Fstat(fd, &stat) != nil {
			continue
		}
		if stat.Mode&unix.S_IFMT == unix.S_IFSOCK && leadsOut(fd) {
			return hint.With(errors.New("a standard stream is a network socket, which could be connected anew, past the jail"), "put a pipe between: ... | cat")
		}
		if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
			continue
		}
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			return fmt.Errorf("close what is open: %w", err)
		}
		if err := errors.Join(unix.Dup3(int(null.Fd()), fd, 0), null.Close()); err != nil {
			return fmt.Errorf("close what is open: %w", err)
		}
	}
	return nil
}

// leadsOut says whether a socket that was made outside can be made to reach something else
// than it does: all can but pairs and streams of Unix sockets.
func leadsOut(fd int) bool {
	domain, err1 := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	kind, err2 := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	return err1 != nil || err2 != nil || domain != unix.AF_UNIX || kind == unix.SOCK_DGRAM
}

// supervise starts the command and waits for it.
func (c *control) supervise(asked command, writable []string) error {
	// Of a terminal's signals this process must not end, and the command must not begin
	// with them ignored.
	caught := make(chan os.Signal, 16)
	for _, s := range []os.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGPIPE, syscall.SIGALRM,
	} {
		if !signal.Ignored(s) {
			signal.Notify(caught, s)
		}
	}
	pid, err := c.launch(asked, writable)
	if err != nil {
		return errors.Join(err, c.send(answer{Error: err.Error()}))
	}
	if err := c.send(answer{}); err != nil {
		return err
	}
	go func() {
		for {
			var n note
			if _, err := c.receive(&n); err != nil {
				os.Exit(1) //nolint:revive // the supervisor has gone, and the jail goes with it
			}
			_ = syscall.Kill(pid, syscall.Signal(n.Signal))
		}
	}()
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR), err == nil && ended != pid:
			continue
		case err != nil:
			return errors.Join(err, c.send(answer{Error: "wait for the command: " + err.Error()}))
		case status.Signaled():
			return c.send(answer{Ended: true, Signal: int(status.Signal())})
		}
		return c.send(answer{Ended: true, Code: status.ExitStatus()})
	}
}

// launch starts the command from a thread that gives up what the command must not have,
// and ends with that.
func (c *control) launch(asked command, writable []string) (pid int, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with this function
		var listener int
		if listener, err = giveUp(asked.Nested, writable); err != nil {
			return
		}
		if err = c.send(answer{Names: []string{socketAsked}}, listener); err != nil {
			return
		}
		_ = unix.Close(listener)
		if pid, err = syscall.ForkExec(asked.Path, asked.Args, &syscall.ProcAttr{Env: asked.Env, Files: []uintptr{0, 1, 2}}); err != nil {
			err = fmt.Errorf("start %s: %w", asked.Path, err)
		}
	}()
	<-done
	return pid, err
}

// giveUp gives this thread's privileges up for good (capabilities(7)), and puts it
// under the filter.
func giveUp(nested bool, writable []string) (listener int, err error) {
	for c := range uintptr(unix.CAP_LAST_CAP + 1) {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return -1, fmt.Errorf("give capabilities up: %w", err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, fmt.Errorf("set PR_SET_NO_NEW_PRIVS: %w", err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return -1, fmt.Errorf("clear ambient capabilities: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	none := [2]unix.CapUserData{}
	if err := unix.Capset(&header, &none[0]); err != nil {
		return -1, fmt.Errorf("give capabilities up: %w", err)
	}
	if !nested { // whoever is under Landlock mounts nothing, in no namespace
		if err := confine(writable); err != nil {
			return -1, err
		}
	}
	return install(nested)
}
