package sidecar

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

// headTimeout is how long a client may take to send a head.
const headTimeout = 10 * time.Second

// dialTimeout bounds reaching the proxy, TLS included.
const dialTimeout = 10 * time.Second

// heads is how many a client may send on one connection until one carries the
// password: libcurl and Java ask without it first and answer the 407 on the same connection.
const heads = 4

// serve carries one connection of a client to its end.
func (s *Sidecar) serve(ctx context.Context, conn net.Conn) {
	defer s.register(conn)()
	defer conn.Close()
	client, ok := conn.(local)
	if !ok {
		s.log.Error("connection has no half-close; give Serve a TCP or Unix listener")
		return
	}
	r, rest, err := s.receive(client)
	if err == nil {
		err = s.relay(ctx, client, r, rest)
	}
	if no, ok := errors.AsType[*refusal](err); ok {
		s.count(no)
		answer(client, no, r)
	}
}

// receive reads heads until one may pass. An error that is not a refusal means
// that there is nobody to answer.
func (s *Sidecar) receive(client local) (*request, []byte, error) {
	// Before anything is read: who has ended the connection by then cannot be told.
	foreign := s.admit(client)
	_ = client.SetReadDeadline(time.Now().Add(headTimeout))
	buf := make([]byte, smallBuffer)
	n, err := client.Read(buf)
	if n == 0 {
		return nil, nil, unread(err)
	}
	if buf = buf[:n]; buf[0] == socksVersion {
		return s.receiveSOCKS(&socks{client: client, early: buf}, foreign)
	}
	challenged := false
	for try := 1; ; try++ {
		head, rest, err := readHead(client, buf)
		if err != nil {
			if challenged {
				s.refused.add(wordPassword, unauthorized(false).detail)
			}
			return nil, nil, unread(err)
		}
		r, err := parseHead(head)
		if err != nil {
			return nil, nil, unread(err)
		}
		if foreign != nil {
			return r, nil, foreign
		}
		if s.authorized(r.credentials) {
			return r, rest, client.SetReadDeadline(time.Time{})
		}
		no := unauthorized(r.credentials != nil)
		if !r.connect || r.body || try == heads {
			return r, nil, no
		}
		if _, err := client.Write(no.response(true, false)); err != nil {
			return nil, nil, err
		}
		challenged = true
		buf = append(make([]byte, 0, smallBuffer), rest...)
	}
}

// unread turns what went wrong while reading a head into its answer.
func unread(err error) error {
	var bad *headError
	switch {
	case errors.As(err, &bad):
		return unreadable(bad)
	case errors.Is(err, errNotHTTP):
		return unreadable(&headError{http.StatusBadRequest, err.Error(), "write the proxy URL as http:// or socks5h://, not https:// or socks4://"})
	case errors.Is(err, errTooLong):
		return unreadable(&headError{http.StatusRequestHeaderFieldsTooLarge, err.Error(), "send less"})
	case timedOut(err):
		return unreadable(&headError{http.StatusRequestTimeout, "the request head did not arrive within " + headTimeout.String(), "try again"})
	}
	return err
}

// relay connects to the proxy, passes the head on and becomes a pipe.
func (s *Sidecar) relay(ctx context.Context, client local, r *request, rest []byte) error {
	identity := s.identity.Identity()
	proxy, raw, err := s.dial(ctx, identity)
	if err != nil {
		return err
	}
	defer s.register(raw)()
	defer raw.Close() // an orderly end was sent as close_notify, if there was one
	// The proxy verifies the agent's certificate after our side of the handshake is
	// done (RFC 8446, section 4.4.2.4), so its refusal may be waiting to be read even
	// if writing fails; the pipe's first read finds it.
	_ = proxy.SetWriteDeadline(time.Now().Add(dialTimeout))
	_, _ = proxy.Write(append(r.forward, rest...))
	_ = proxy.SetWriteDeadline(time.Time{})
	r.forward = nil // an idle tunnel should not hold it
	p := &pipe{client: client, proxy: proxy, raw: raw, connect: r.connect, answered: func() { s.note("reached", nil) }}
	if r.socks != nil {
		p.translate = s.translate
	}
	switch err := p.run(); {
	case err == nil:
		return nil
	case timedOut(err):
		s.note("silent", err)
		return silent(s.proxy)
	default:
		s.note("closes connections", err)
		return rejected(s.proxy, reason(identity, err))
	}
}

// dial opens the mutual TLS connection.
func (s *Sidecar) dial(ctx context.Context, identity *Identity) (*tls.Conn, *watched, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := s.connect(ctx)
	if err != nil {
		s.note(unreachableState, err)
		return nil, nil, unreachable(s.proxy, err)
	}
	raw := &watched{Conn: conn}
	config := identity.config.Clone()
	config.ServerName = s.name // for gateways in between; what the proxy is called is not verified
	if Loopback(conn.RemoteAddr()) {
		// The post-quantum half of the default key exchange protects what is recorded on a
		// network today; on one host it is a third of a new tunnel's cost.
		config.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
	}
	proxy := tls.Client(raw, config)
	if err := proxy.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		if wrong, ok := errors.AsType[*verification](err); ok {
			s.note("untrusted", err)
			return nil, nil, untrusted(s.proxy, wrong)
		}
		s.note(unreachableState, err)
		return nil, nil, unreachable(s.proxy, fmt.Errorf("TLS: %w", err))
	}
	return proxy, raw, nil
}

// unreachableState is that of a proxy to which there is no way.
const unreachableState = "unreachable"

// startTime is how long the first connection waits for a proxy that does not listen: one that
// is being started, or started again.
const startTime = 3 * time.Second

// connect reaches the proxy. Nobody waits for one that is known to be down.
func (s *Sidecar) connect(ctx context.Context) (net.Conn, error) {
	var dialer net.Dialer
	for deadline := time.Now().Add(startTime); ; {
		conn, err := dialer.DialContext(ctx, "tcp", s.proxy)
		if err == nil || !errors.Is(err, syscall.ECONNREFUSED) || s.isDown() || time.Now().After(deadline) {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// reason says why the proxy hung up, and what the certificate itself tells of it.
func reason(identity *Identity, err error) string {
	why := "it closed the connection"
	if !errors.Is(err, io.EOF) {
		why = err.Error()
	}
	now := time.Now()
	if now.Before(identity.NotBefore()) {
		why += fmt.Sprintf(" (this machine's clock says %s, which is before this identity's certificate was made)", now.UTC().Format(time.RFC3339))
	}
	if now.After(identity.NotAfter()) {
		why += fmt.Sprintf(" (this identity's certificate expired at %s)", identity.NotAfter().UTC().Format(time.RFC3339))
	}
	return why
}

// answer sends a refusal and lets the client read it: closing while its bytes
// are unread would reset the connection and lose the answer.
func answer(client local, no *refusal, r *request) {
	_ = client.SetDeadline(time.Now().Add(time.Second))
	var text []byte
	if r != nil && r.socks != nil {
		text = r.socks.reply(no)
	} else {
		text = no.response(false, r != nil && r.method == http.MethodHead)
	}
	if _, err := client.Write(text); err != nil {
		return
	}
	_ = client.CloseWrite()
	_, _ = io.CopyN(io.Discard, client, 1<<20)
}
