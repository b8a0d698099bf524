package wire

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"sallyport/internal/host"
)

// Tunnels decides about CONNECT, and is told of what the servers refuse by themselves.
// Its methods are called from many goroutines at once. An answer that one returns is
// written as it is; its body must be in memory.
type Tunnels interface {
	// Open judges a CONNECT; fault is what is wrong with it as it was sent, nil if
	// nothing is. The tunnel is opened if refused is nil, and then closed is called
	// once when it is closed, even if nothing ever came of it.
	Open(t *Tunnel, r *http.Request, fault *Fault) (closed func(), refused *http.Response)
	// Broken is told why nothing came of a tunnel that was opened: ErrNotTLS, ErrSilent,
	// *SNIError and *DistrustError are the agent's doing, anything else is a connection that
	// broke. What it returns is written where it can be read, that is for ErrNotTLS and
	// ErrSilent; nil is no answer.
	Broken(t *Tunnel, why error) *http.Response
	// Unparsed is told of a request that no handler is given. What it returns is sent
	// in the place of the server's own answer over HTTP/1.1, and must not be nil;
	// over HTTP/2 the server's stands.
	Unparsed(s *Session, u Unparsed) *http.Response
}

// Unparsed is a request that a server refuses by itself.
type Unparsed struct {
	Method, Path string // as far as they can be told; without a query
	HTTP2        bool
	Why          string // part of a sentence
	Status       int    // of the server's answer; 0 if it only resets the stream
}

// Tunnel is one CONNECT: the agent's connection after it, fixed to one session and one
// authority. It is safe for concurrent use.
type Tunnel struct {
	Session   *Session       // that CONNECT came on
	Authority host.Authority // that it named; zero if it named none

	onlyHTTP1 bool // HTTP/2 is not offered inside

	mu     sync.Mutex
	closed bool
	raw    net.Conn // the socket below the listener's TLS
}

// ErrNotTLS is why nothing comes of a tunnel in which clear text is sent.
var ErrNotTLS = errors.New("bytes in the tunnel are not TLS")

// ErrSilent is why nothing comes of a tunnel through which nothing is sent: its client
// waits for the server to begin, perhaps.
var ErrSilent = errors.New("nothing was sent through the tunnel for " + headTimeout.String())

// DistrustError is a handshake that the client ended because it does not accept the
// certificate that it was shown.
type DistrustError struct{ Alert tls.AlertError }

func (e *DistrustError) Error() string {
	return "the client does not accept the certificate: " + e.Alert.Error()
}

// The alerts of a client that does not accept a certificate (RFC 8446, section 6.2).
const (
	AlertBadCertificate     = tls.AlertError(42)
	AlertUnsupported        = tls.AlertError(43)
	AlertCertificateExpired = tls.AlertError(45)
	AlertCertificateUnknown = tls.AlertError(46)
	AlertUnknownCA          = tls.AlertError(48)
)

// distrust finds the alert in the error of a handshake; nil if there is none of these.
// Outside QUIC, crypto/tls has a type of its own for alerts, which is not exported: only
// the text is the same.
func distrust(err error) error {
	remote, ok := errors.AsType[*net.OpError](err)
	if !ok || remote.Op != "remote error" {
		return nil
	}
	for _, alert := range []tls.AlertError{AlertBadCertificate, AlertUnsupported, AlertCertificateExpired, AlertCertificateUnknown, AlertUnknownCA} {
		if remote.Err.Error() == alert.Error() {
			return &DistrustError{alert}
		}
	}
	return nil
}

// SNIError is a handshake that names another host than CONNECT did. It may be told to
// the agent.
type SNIError struct{ sni, authority string }

func (e *SNIError) Error() string {
	return fmt.Sprintf("The tunnel is for %s, but its TLS handshake names %q.", e.authority, e.sni)
}

// checkSNI holds the handshake to the CONNECT authority. No SNI is allowed: it
// cannot be sent for an address, and some clients never do.
func (t *Tunnel) checkSNI(sni string) error {
	if sni == "" {
		return nil
	}
	name, err := host.ParseName(sni)
	if err != nil || name != t.Authority.Name {
		return &SNIError{sni: sni, authority: t.Authority.String()}
	}
	return nil
}

// Cut closes the socket, and so everything in the tunnel; the Caller leaves while it runs.
// It waits for nobody, and may be called from anywhere, at any time; after the first time
// it does nothing.
func (t *Tunnel) Cut() error {
	t.mu.Lock()
	raw, already := t.raw, t.closed
	t.closed = true
	t.mu.Unlock()
	if raw == nil || already {
		return nil
	}
	return raw.Close()
}

// carry makes conn the tunnel's, unless that has been cut meanwhile.
func (t *Tunnel) carry(conn net.Conn, closed func()) *carried {
	raw := rawConn(conn)
	t.mu.Lock()
	t.raw = raw
	cut := t.closed
	t.mu.Unlock()
	if cut {
		_ = raw.Close()
	}
	return &carried{Conn: conn, tunnel: t, socket: guardedConn(conn), closed: closed}
}

// carried is the connection in a tunnel: it carries the inner TLS.
type carried struct {
	net.Conn
	tunnel *Tunnel
	socket *guarded // around the socket; nil when there is no listener's TLS
	closed func()
	begun  bool // the first byte has been seen
}

// rawConn finds the socket. Closing it cannot block; ending TLS can, on a peer
// that does not read.
func rawConn(conn net.Conn) net.Conn {
	if g := guardedConn(conn); g != nil {
		return g.Conn
	}
	if r, ok := conn.(*replayed); ok {
		conn = r.Conn
	}
	if wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = wrapped.NetConn()
	}
	return conn
}

// guardedConn finds what the listener has put around the socket.
func guardedConn(conn net.Conn) *guarded {
	if r, ok := conn.(*replayed); ok {
		conn = r.Conn
	}
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	g, _ := conn.(*guarded)
	return g
}

// why is what a handshake's error means in this tunnel.
func (c *carried) why(err error) error {
	if !c.begun && errors.Is(err, os.ErrDeadlineExceeded) {
		return ErrSilent
	}
	if distrusts := distrust(err); distrusts != nil {
		return distrusts
	}
	return err
}

func (c *carried) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.begun || n == 0 {
		return n, err
	}
	c.begun = true
	if b[0] != tlsHandshake {
		return 0, ErrNotTLS
	}
	return n, err
}

// Write sends one record of the inner TLS. A full one is a few bytes longer than
// a record of the outer TLS can be: the two that it needs leave together.
func (c *carried) Write(b []byte) (int, error) {
	if len(b) <= maxPlaintext || c.socket == nil {
		return c.Conn.Write(b)
	}
	c.socket.cork.hold()
	n, err := c.Conn.Write(b)
	if flushed := c.socket.cork.release(c.socket.Conn); err == nil {
		err = flushed
	}
	return n, err
}

// Close ends the listener's TLS properly, since some clients report an error
// otherwise, and closes the socket.
func (c *carried) Close() error {
	c.closed()
	err := farewell(c.Conn, c.tunnel.Cut)
	_ = c.tunnel.Cut()
	return err
}

func farewell(conn io.Closer, cut func() error) error {
	timer := time.AfterFunc(farewellTime, func() { _ = cut() })
	defer timer.Stop()
	return conn.Close()
}
