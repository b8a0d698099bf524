package admin

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"sallyport/sandbox/veil"
)

// barred says why the peer may administer nothing: it belongs to a command of
// `sallyport run`, or this process cannot see whether it does. Such a command runs as
// the user who may use the socket, and must not be able to give itself another policy.
func barred(conn *net.UnixConn) error {
	pid, lives, err := peerProcess(conn)
	if err != nil {
		return unseen(err)
	}
	marked, err := veil.Marked(pid)
	if err == nil {
		err = lives() // else the number may have been another process's when it was looked at
	}
	switch {
	case err != nil:
		return unseen(err)
	case marked:
		return &Error{
			Kind: Barred, Msg: "a command of `sallyport run` cannot administer the server that it works under",
			Try: "do this outside of the run",
		}
	}
	return nil
}

func unseen(err error) error {
	return &Error{
		Kind: Barred, Msg: fmt.Sprintf("the server cannot see whether a run has started the process that asks: %v", err),
		Try: "ask from the PID namespace that the server is in, with a process that stays until it has its answer",
	}
}

// peerProcess asks the kernel which process connected (unix(7), SO_PEERCRED). lives
// fails once it has ended, on kernels that can tell (SO_PEERPIDFD, since 6.5).
func peerProcess(conn *net.UnixConn) (pid int, lives func() error, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, nil, fmt.Errorf("look at the peer: %w", err)
	}
	var cred *unix.Ucred
	var asked, handled error
	handle := -1
	err = raw.Control(func(fd uintptr) {
		cred, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		handle, handled = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	})
	switch {
	case err != nil || asked != nil:
		return 0, nil, fmt.Errorf("ask for the peer's process: %w", errors.Join(err, asked))
	case cred.Pid == 0:
		return 0, nil, errors.New("it is in another PID namespace")
	case errors.Is(handled, unix.ENOPROTOOPT):
		return int(cred.Pid), func() error { return nil }, nil
	case handled != nil:
		return 0, nil, fmt.Errorf("it has ended: %w", handled)
	}
	return int(cred.Pid), func() error { return stillLives(handle) }, nil
}

// stillLives closes the descriptor of a process when it has looked.
func stillLives(handle int) error {
	defer func() { _ = unix.Close(handle) }()
	ready, err := unix.Poll([]unix.PollFd{{Fd: int32(handle), Events: unix.POLLIN}}, 0)
	switch {
	case err != nil:
		return fmt.Errorf("ask whether it lives: %w", err)
	case ready > 0:
		return errors.New("it has ended")
	}
	return nil
}
