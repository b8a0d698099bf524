package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"sallyport/identity"
	"sallyport/internal/host"
)

// tunnel is one CONNECT: the agent's connection after it, fixed to one agent and
// one authority. As a net.Conn it carries the inner TLS.
type tunnel struct {
	net.Conn  // set by attach; reads and writes happen only after it
	peer      identity.Peer
	serial    string
	client    string
	authority host.Authority
	agent     *agent
	limit     string // that the agent was over when it was asked for
	onlyHTTP1 bool   // HTTP/2 is not offered inside
	begun     bool   // the first byte has been seen

	mu     sync.Mutex
	closed bool
	raw    net.Conn // the socket below the listener's TLS
	socket *guarded // around it; nil when there is no listener's TLS
}

var errNotTLS = errors.New("bytes in the tunnel are not TLS")

// attach gives the tunnel its connection, unless it has been cut meanwhile.
func (t *tunnel) attach(conn net.Conn) {
	t.Conn = conn
	t.mu.Lock()
	t.raw = rawConn(conn)
	t.socket = guardedConn(conn)
	closed := t.closed
	t.mu.Unlock()
	if closed {
		_ = t.raw.Close()
	}
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

func (t *tunnel) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	if t.begun || n == 0 {
		return n, err
	}
	t.begun = true
	if b[0] != tlsHandshake {
		return 0, errNotTLS
	}
	return n, err
}

// Write sends one record of the inner TLS. A full one is a few bytes longer than
// a record of the outer TLS can be: the two that it needs leave together.
func (t *tunnel) Write(b []byte) (int, error) {
	if len(b) <= maxPlaintext || t.socket == nil {
		return t.Conn.Write(b)
	}
	t.socket.cork.hold()
	n, err := t.Conn.Write(b)
	if flushed := t.socket.cork.release(t.socket.Conn); err == nil {
		err = flushed
	}
	return n, err
}

// Close ends the listener's TLS properly, since some clients report an error
// otherwise, closes the socket and takes the tunnel out of its agent's.
func (t *tunnel) Close() error {
	t.release()
	err := farewell(t.Conn, t.cut)
	_ = t.cut()
	return err
}

// farewellTime is how long the end of a TLS connection may take. crypto/tls waits
// five seconds for a peer that does not read.
const farewellTime = 500 * time.Millisecond

func farewell(conn io.Closer, cut func() error) error {
	timer := time.AfterFunc(farewellTime, func() { _ = cut() })
	defer timer.Stop()
	return conn.Close()
}

// cut closes the socket. It may be called from anywhere, at any time.
func (t *tunnel) cut() error {
	t.mu.Lock()
	raw, already := t.raw, t.closed
	t.closed = true
	t.mu.Unlock()
	if raw == nil || already {
		return nil
	}
	return raw.Close()
}

func (t *tunnel) release() {
	t.agent.mu.Lock()
	delete(t.agent.tunnels, t)
	t.agent.mu.Unlock()
}

// sniError is a handshake that names another host than CONNECT did.
type sniError struct{ sni, authority string }

func (e *sniError) Error() string {
	return fmt.Sprintf("The tunnel is for %s, but its TLS handshake names %q.", e.authority, e.sni)
}

// checkSNI holds the handshake to the CONNECT authority. No SNI is allowed: it
// cannot be sent for an address, and some clients never do.
func (t *tunnel) checkSNI(sni string) error {
	if sni == "" {
		return nil
	}
	name, err := host.ParseName(sni)
	if err != nil || name != t.authority.Name {
		return &sniError{sni: sni, authority: t.authority.String()}
	}
	return nil
}
