package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// greeter performs the handshakes of the listener, and counts who is connected.
type greeter struct {
	config *tls.Config
	gate   Gate
	failed func() // is told of every handshake that is refused
	log    *slog.Logger
	loud   *rate.Limiter // of what is logged, because anybody can fail a handshake

	pending   sync.WaitGroup
	greeting  atomic.Int64 // handshakes under way
	connected atomic.Int64 // callers that have entered and not left
}

// greet performs one handshake, and hands the connection to welcome. The caller has counted
// it in pending and greeting.
func (g *greeter) greet(ctx context.Context, raw net.Conn, welcome func(net.Conn, *Session)) {
	defer g.pending.Done()
	defer g.greeting.Add(-1)
	socket := &Conn{Conn: raw}
	conn := tls.Server(&guarded{Conn: socket}, g.config)
	_ = raw.SetDeadline(time.Now().Add(headTimeout))
	if err := conn.HandshakeContext(ctx); err != nil {
		g.refuse(raw, err)
		return
	}
	_ = raw.SetDeadline(time.Time{})
	caller, err := g.gate.Caller(conn.ConnectionState())
	if err == nil {
		socket.left = func() {
			g.connected.Add(-1)
			caller.Leave()
		}
		g.connected.Add(1)
		if err = caller.Enter(socket); err != nil {
			g.connected.Add(-1)
		}
	}
	if err != nil {
		g.refuse(raw, err)
		return
	}
	welcome(conn, &Session{Caller: caller, Client: raw.RemoteAddr().String()})
}

func (g *greeter) refuse(raw net.Conn, err error) {
	g.failed()
	if g.loud.Allow() {
		g.log.Warn("TLS handshake refused", "client", raw.RemoteAddr().String(), "error", err)
	}
	_ = raw.Close()
}

// Conn is the socket of a connection on the listener. It may be closed from anywhere.
type Conn struct {
	net.Conn
	left func() // set before the connection enters; nil if it never did
	once sync.Once
}

// Close closes the socket, and has the connection's Caller leave.
func (c *Conn) Close() error {
	err := c.Conn.Close()
	if c.left != nil {
		c.once.Do(c.left)
	}
	return err
}

// CloseWrite ends our side first, so that the last answer is not lost to a reset while
// the client still sends.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// tlsHandshake is the type of the first record of a TLS connection (RFC 8446
// section 5.1).
const tlsHandshake = 0x16

const clearTextAnswer = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n" +
	"Proxy-Status: sallyport; error=http_request_error; details=\"malformed\"\r\nContent-Length: 219\r\n\r\n"

const clearTextBody = "This port speaks TLS with client certificates, and clear text arrived.\n" +
	"Run `sallyport sidecar` beside the client and use the proxy URL that it prints,\n" +
	"or configure the client with an https:// proxy and its certificate.\n"

// guarded answers clear text on a TLS port at once: many clients cannot speak
// TLS to a proxy, and would wait for an answer until their own time limit.
type guarded struct {
	net.Conn
	started bool
	cork    cork
}

func (g *guarded) Write(b []byte) (int, error) { return g.cork.write(g.Conn, b) }

var errClearText = errors.New("clear text instead of TLS")

func (g *guarded) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if g.started || n == 0 {
		return n, err
	}
	g.started = true
	if b[0] == tlsHandshake {
		return n, err
	}
	_ = g.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = g.Write([]byte(clearTextAnswer + clearTextBody))
	if half, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // so that the answer is not lost to a reset
	}
	return 0, errClearText
}
