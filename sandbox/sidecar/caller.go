package sidecar

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// A Caller is who opened a connection, as the kernel tells it.
type Caller struct {
	UID    uint32
	Socket uint64 // the inode of its end (proc_pid_fd(5)); 0 for a Unix socket
	PID    int    // of who opened a Unix socket; 0 for TCP
}

// Callers says who may use the sidecar, in place of a password.
type Callers interface {
	// Admit returns why the caller may not, in words that it may read.
	Admit(c Caller) error
}

// User is the Callers that admits every process of one user, and nobody else.
type User uint32

// unknownUser stands for every user that has no number in this user namespace
// (user_namespaces(7)), so that nobody can be told by it.
const unknownUser = 65534

// Admit implements [Callers].
func (u User) Admit(c Caller) error {
	if c.UID == unknownUser || c.UID != uint32(u) {
		return errors.New("the sidecar serves one user of this host, and the caller is not that user")
	}
	return nil
}

// errUntold says that the kernel told nothing of use; what it was is for the log.
var errUntold = errors.New("this host does not tell who the caller is")

// admit asks who is at the other end, once per connection. Whoever cannot be told,
// because the connection has ended by now, say, is not admitted.
func (s *Sidecar) admit(client net.Conn) *refusal {
	if s.callers == nil {
		return nil
	}
	caller, err := callerOf(client)
	if err != nil {
		return stranger(errUntold, err.Error())
	}
	if err := s.callers.Admit(caller); err != nil {
		return stranger(err, fmt.Sprintf("uid %d: %v", caller.UID, err))
	}
	return nil
}

func stranger(why error, private string) *refusal {
	return &refusal{
		status: http.StatusForbidden, word: wordCaller, proxyStatus: "http_request_denied",
		title: "Not for this caller", detail: why.Error(), private: private,
		hint: "run the client as the sidecar's own user, or use a sidecar that asks for a password",
	}
}

// Tells says why this system does not tell who calls so that callers admits this very
// process; nil if it does. It calls itself over loopback and looks.
func Tells(ctx context.Context, callers Callers) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	l, err := Listen(ctx, "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	var dialer net.Dialer
	near, err := dialer.DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		return fmt.Errorf("connect to itself: %w", err)
	}
	defer near.Close()
	far, err := l.Accept()
	if err != nil {
		return fmt.Errorf("accept itself: %w", err)
	}
	defer far.Close()
	caller, err := callerOf(far)
	if err != nil {
		return err
	}
	if err := callers.Admit(caller); err != nil {
		return fmt.Errorf("uid %d, which the kernel tells of this process: %w", caller.UID, err)
	}
	return nil
}
