package upstream

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"sallyport/internal/host"
)

// Parent is a proxy through which upstreams are reached, as companies have them. It opens
// tunnels (CONNECT) and sees nothing of what is in one to port 443; it resolves names, so that
// where a name leads is for it to judge.
type Parent struct {
	Authority host.Authority
	TLS       bool           // it is spoken to over TLS, which proves its name
	Except    []host.Pattern // upstreams that are reached without it
	// Authorize puts Proxy-Authorization on a request to https://AUTHORITY; nil if the parent
	// wants none.
	Authorize func(connect *http.Request) error
}

// WithParent returns these settings, with a parent on the way to every upstream that resolve
// does not name.
func (s *Settings) WithParent(p *Parent) *Settings {
	with := *s
	with.parent = p
	return &with
}

// parentOf is the parent on the way to a; nil for none.
func (s *Settings) parentOf(a host.Authority) *Parent {
	if _, resolved := s.resolve[a]; s.parent == nil || resolved || matchesAny(s.parent.Except, a) {
		return nil
	}
	return s.parent
}

// ParentError is a parent that opened no tunnel.
type ParentError struct{ Status int } // of its answer

func (e *ParentError) Error() string {
	return fmt.Sprintf("the parent proxy answered %d", e.Status)
}

// maxParentAnswer bounds the head of a parent's answer.
const maxParentAnswer = 64 << 10

// through opens a tunnel to a. A literal address is judged as if it were dialled from here.
func (d *dialler) through(ctx context.Context, p *Parent, a host.Authority) (net.Conn, error) {
	if ip, literal := a.Name.Addr(); literal {
		if err := d.check(a, netip.AddrPortFrom(ip, a.Port).String(), netip.AddrPort{}); err != nil {
			return nil, err
		}
	}
	conn, err := d.open(ctx, p.Authority.String(), d.checkOwn)
	if err != nil {
		return nil, fmt.Errorf("dial the parent proxy %s: %w", p.Authority, err)
	}
	if p.TLS {
		secured, err := d.secure(ctx, conn, p.Authority, handshake{}.offering(protocolHTTP1))
		if err != nil {
			_ = conn.Close()
			return nil, err
		}
		conn = secured
	}
	opened, err := p.connect(ctx, conn, a)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("tunnel to %s: %w", a, err)
	}
	return opened, nil
}

// connect asks for the tunnel on a connection to the parent.
func (p *Parent) connect(ctx context.Context, conn net.Conn, a host.Authority) (net.Conn, error) {
	_ = conn.SetDeadline(time.Now().Add(dialTimeout))
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	head := "CONNECT " + a.String() + " HTTP/1.1\r\nHost: " + a.String() + "\r\n"
	if p.Authorize != nil {
		r := (&http.Request{Method: http.MethodConnect, URL: &url.URL{Scheme: "https", Host: p.Authority.String()}, Header: http.Header{}}).WithContext(ctx)
		if err := p.Authorize(r); err != nil {
			return nil, err
		}
		head += "Proxy-Authorization: " + r.Header.Get("Proxy-Authorization") + "\r\n"
	}
	if _, err := conn.Write([]byte(head + "\r\n")); err != nil {
		return nil, err
	}
	limited := &limitedConn{Conn: conn, left: maxParentAnswer}
	reader := bufio.NewReader(limited)
	response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, err
	}
	_ = response.Body.Close()
	if response.StatusCode/100 != 2 {
		return nil, &ParentError{Status: response.StatusCode}
	}
	if !stop() {
		return nil, context.Cause(ctx)
	}
	limited.left = -1
	_ = conn.SetDeadline(time.Time{})
	if reader.Buffered() == 0 {
		return conn, nil
	}
	return &tunnelled{Conn: conn, Reader: reader}, nil
}

// limitedConn bounds what is read of a connection; left below 0 is no bound.
type limitedConn struct {
	net.Conn
	left int
}

func (c *limitedConn) Read(b []byte) (int, error) {
	switch {
	case c.left < 0:
		return c.Conn.Read(b)
	case c.left == 0:
		return 0, fmt.Errorf("its answer is longer than %d bytes", maxParentAnswer)
	}
	n, err := c.Conn.Read(b[:min(len(b), c.left)])
	c.left -= n
	return n, err
}

// tunnelled is a tunnel of which some was read together with the parent's answer.
type tunnelled struct {
	net.Conn
	*bufio.Reader
}

func (t *tunnelled) Read(b []byte) (int, error) { return t.Reader.Read(b) }
