package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"sallyport/internal/host"
)

// Config is what a Server works with. Every field is required.
type Config struct {
	Certificate func() *tls.Certificate                   // the listener's, asked for in every handshake
	ClientCAs   *x509.CertPool                            // that verify who connects
	Leaf        func(host.Name) (*tls.Certificate, error) // for the inside of a tunnel to that name
	Gate        Gate
	Tunnels     Tunnels
	Handler     http.Handler // of every request but CONNECT; SessionOf says where it comes from
	Refused     func()       // is told of every handshake on the listener that comes to nothing
	Now         func() time.Time
	Log         *slog.Logger
}

// serving is what serves connections once their handshake is done.
type serving interface {
	Shutdown(ctx context.Context) error
	Close() error
}

// Server serves the connections of agents. It owns its listener and every connection on
// it; what its callers have open they account for themselves. It is safe for concurrent
// use.
//
// Its life is New, Serve, perhaps Ease, Drain, Close.
type Server struct {
	greeter *greeter
	front   *front // for CONNECT
	outer   *lanes
	inner   *lanes  // for HTTP/1.1 out of tunnels
	inner2  *served // the same, HTTP/2
	log     *slog.Logger
	failed  chan error // why accepting failed for good; holds one

	easing   atomic.Bool // another process accepts; see Ease
	mu       sync.Mutex
	listener net.Listener
	stopping bool
}

// New returns a Server. It fails if the configuration is not complete.
func New(c Config) (*Server, error) {
	if c.Certificate == nil || c.ClientCAs == nil || c.Leaf == nil || c.Gate == nil || c.Tunnels == nil ||
		c.Handler == nil || c.Refused == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("new server: a required field of Config is missing")
	}
	s := &Server{log: c.Log, failed: make(chan error, 1)}
	s.greeter = &greeter{
		config: listenerTLS(c), gate: c.Gate, failed: c.Refused, log: c.Log,
		loud: rate.NewLimiter(rate.Every(handshakeLogEvery), handshakeLogBurst),
	}
	s.inner = newLanes(c.Handler, c.Tunnels, tunnelIdle, c.Log)
	s.inner2 = newServed(c.Handler, c.Log)
	s.front = newFront(c.Tunnels, c.Leaf, s.inner, s.inner2)
	s.outer = newLanes(s.front.handler(c.Handler), c.Tunnels, listenerIdle, c.Log)
	return s, nil
}

// listenerTLS is the listener's. Only HTTP/1.1 is offered: clients that would
// negotiate HTTP/2 with a proxy still write their CONNECT in HTTP/1.1.
func listenerTLS(c Config) *tls.Config {
	return &tls.Config{
		Time:       c.Now,
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{protocolHTTP1},
		ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs:  c.ClientCAs,
		// It is called for every handshake, resumed sessions included, which
		// VerifyPeerCertificate is not.
		VerifyConnection: c.Gate.Verify,
		GetCertificate:   func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.Certificate(), nil },
	}
}

// Failed says, as soon as it happens, why accepting failed for good.
func (s *Server) Failed() <-chan error { return s.failed }

// Serve accepts agents on the listener, until Drain or Ease closes it or accepting fails
// for good. It returns once stopped is closed, which must be after Close: with nil, or
// with why accepting failed. After Drain it only closes the listener, and a second time it
// fails; in both cases at once.
func (s *Server) Serve(ln net.Listener, stopped <-chan struct{}) error {
	s.mu.Lock()
	if s.stopping || s.listener != nil {
		stopping := s.stopping
		s.mu.Unlock()
		if stopping {
			return ln.Close()
		}
		return errors.New("serve: the proxy is already serving")
	}
	s.listener = ln
	s.mu.Unlock()
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(s.inner2.run)
	err := s.accept(ctx, ln)
	if err != nil {
		s.failed <- err
	}
	<-stopped // an accept that fails for good still leaves open exchanges their time
	stop()
	s.greeter.pending.Wait()
	group.Wait()
	return err
}

// welcome serves a connection whose caller has entered.
func (s *Server) welcome(conn net.Conn, session *Session) {
	s.outer.push(conn, session)
}

func (s *Server) servers() []serving { return []serving{s.outer, s.inner, s.inner2} }

func (s *Server) accept(ctx context.Context, ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if err == nil {
			s.greeter.pending.Add(1)
			s.greeter.greeting.Add(1)
			go s.greeter.greet(ctx, conn, s.welcome)
			continue
		}
		if s.isStopping() || s.easing.Load() {
			return nil
		}
		if !isExhausted(err) {
			s.log.Error("accept failed for good", "error", err)
			return fmt.Errorf("accept: %w", err)
		}
		s.log.Warn("accept failed", "error", err)
		time.Sleep(acceptPause)
	}
}

// isExhausted reports whether the process or the host is out of descriptors or
// memory, which passes.
func isExhausted(err error) bool {
	for _, passing := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

func (s *Server) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// Address is where the server listens; false if it does not, or not at an address.
func (s *Server) Address() (netip.AddrPort, bool) {
	s.mu.Lock()
	ln := s.listener
	s.mu.Unlock()
	if ln == nil {
		return netip.AddrPort{}, false
	}
	a, err := netip.ParseAddrPort(ln.Addr().String())
	return a, err == nil
}

// Ease stops accepting, because another process accepts on the same socket from
// now on, and lets agents go over to it: whoever has connected is still served. It
// returns when nobody is connected any more, or when ctx ends, and does nothing if it was
// called before or Serve was not. Drain comes after it.
func (s *Server) Ease(ctx context.Context) {
	s.mu.Lock()
	ln := s.listener
	s.mu.Unlock()
	if ln == nil || s.easing.Swap(true) {
		return
	}
	_ = ln.Close()
	ticker := time.NewTicker(easePoll)
	defer ticker.Stop()
	for s.greeter.greeting.Load() > 0 || s.greeter.connected.Load() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Easing reports whether Ease was called: then connections should end with their next
// answer.
func (s *Server) Easing() bool { return s.easing.Load() }

// Drain stops accepting and lets requests end; when ctx ends it waits no longer. The
// connections of tunnels that were upgraded are not waited for. It reports whether there
// was something to drain: not if Serve was never called, or Drain was before. Close comes
// after it.
func (s *Server) Drain(ctx context.Context) (drained bool, err error) {
	s.mu.Lock()
	ln, again := s.listener, s.stopping
	s.stopping = true
	s.mu.Unlock()
	if ln == nil || again {
		return false, nil
	}
	err = ln.Close()
	if s.easing.Load() {
		err = nil // it is closed already
	}
	var draining sync.WaitGroup
	for _, one := range s.servers() {
		draining.Go(func() { _ = one.Shutdown(ctx) })
	}
	draining.Wait()
	return true, err
}

// Close breaks off what is left of the connections that are served. It is called after
// Drain.
func (s *Server) Close() {
	for _, one := range s.servers() {
		_ = one.Close()
	}
}
