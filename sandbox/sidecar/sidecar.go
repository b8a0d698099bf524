package sidecar

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"
)

// user is the user name that goes with the password.
const user = "agent"

// NewPassword makes a password with 128 bits of randomness that needs no escaping in a URL.
func NewPassword() string { return rand.Text() }

// Config is what a Sidecar needs.
type Config struct {
	Proxy    string        // host:port of Sallyport's listener
	Identity Source        // who calls, and who must answer
	Password string        // "" asks for none: only in a network namespace of its own, or with Callers
	Callers  Callers       // who may call, where the kernel tells it; nil asks nobody who they are
	Grace    time.Duration // how long open connections may go on once Serve is told to stop
	Log      *slog.Logger
}

// A Sidecar carries connections of one sandbox to the proxy.
type Sidecar struct {
	proxy    string
	name     string // host of proxy, for SNI
	identity Source
	expected []byte // user:password; nil asks for none
	callers  Callers
	grace    time.Duration
	log      *slog.Logger
	refused  *tally

	mu    sync.Mutex
	open  map[net.Conn]struct{} // guarded by mu
	cut   bool                  // no connection may be opened any more; guarded by mu
	state string                // of the proxy, as last logged; guarded by mu
}

// New checks the configuration. It dials nothing: the proxy may be down.
func New(c Config) (*Sidecar, error) {
	name, port, err := net.SplitHostPort(c.Proxy)
	if err != nil || name == "" {
		return nil, fmt.Errorf("proxy %q: write it as HOST:PORT", c.Proxy)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, fmt.Errorf("proxy %q: %q is not a port", c.Proxy, port)
	}
	if c.Identity == nil || c.Identity.Identity() == nil {
		return nil, errors.New("an identity is required")
	}
	s := &Sidecar{
		proxy: c.Proxy, name: name, identity: c.Identity, callers: c.Callers, grace: c.Grace, log: c.Log,
		open: map[net.Conn]struct{}{}, refused: newTally(),
	}
	if c.Password != "" {
		s.expected = []byte(user + ":" + c.Password)
	}
	return s, nil
}

// Serve accepts connections from l until ctx ends; then it gives open ones the
// configured grace, cuts what is left and returns nil once every goroutine is
// gone. It closes l.
func (s *Sidecar) Serve(ctx context.Context, l net.Listener) error {
	var connections sync.WaitGroup
	defer connections.Wait()
	accepting, stop := context.WithCancel(ctx)
	defer stop()
	unwatch := context.AfterFunc(accepting, func() { _ = l.Close() })
	defer unwatch()
	connections.Go(func() { s.account(accepting) })
	// Dialling must not end with ctx: an accepted connection has its grace, too.
	working, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	for delay := time.Duration(0); ; {
		conn, err := l.Accept()
		switch {
		case err == nil:
			delay = 0
			connections.Go(func() { s.serve(working, conn) })
			continue
		case accepting.Err() != nil:
			s.drain(&connections)
			s.tellRefused(working, lastTell)
			cut()
			s.cutAll()
			return nil
		case errors.Is(err, net.ErrClosed):
			cut()
			s.cutAll()
			return fmt.Errorf("accept: %w", err)
		}
		// Out of descriptors, for example: it passes when connections end.
		delay = min(max(2*delay, 5*time.Millisecond), time.Second)
		s.log.Warn("cannot accept a connection; trying again", "error", err, "delay", delay)
		select {
		case <-time.After(delay):
		case <-accepting.Done():
		}
	}
}

// drain waits for the connections, at most for the grace.
func (s *Sidecar) drain(connections *sync.WaitGroup) {
	done := make(chan struct{})
	go func() { connections.Wait(); close(done) }() // ends when Serve's own wait does
	select {
	case <-done:
	case <-time.After(s.grace):
	}
}

// register makes the connection known to cutAll. A late one is closed at once.
func (s *Sidecar) register(c net.Conn) (unregister func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cut {
		_ = c.Close()
	}
	s.open[c] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, c)
	}
}

func (s *Sidecar) cutAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = true
	for c := range s.open {
		_ = c.Close()
	}
}

// authorized compares in constant time; with no password it lets everyone in.
func (s *Sidecar) authorized(credentials []byte) bool {
	return s.expected == nil || subtle.ConstantTimeCompare(credentials, s.expected) == 1
}

// isDown says whether the proxy could not be reached the last time.
func (s *Sidecar) isDown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == unreachableState
}

// note logs a change of the proxy's state, not every connection that meets it.
func (s *Sidecar) note(state string, err error) {
	s.mu.Lock()
	changed := s.state != state
	s.state = state
	s.mu.Unlock()
	switch {
	case !changed:
	case err != nil:
		s.log.Warn("proxy cannot be used", "state", state, "proxy", s.proxy, "error", err)
	default:
		s.log.Info("proxy reached", "proxy", s.proxy)
	}
}
