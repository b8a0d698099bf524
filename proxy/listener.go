package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/identity"
)

// handed is a listener whose connections are handed to it after their TLS
// handshake, so that an http.Server serves what is already authenticated.
type handed struct {
	address net.Addr
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func newHanded(address net.Addr) *handed {
	return &handed{address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (h *handed) push(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.closed:
		_ = c.Close()
	}
}

func (h *handed) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *handed) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

func (h *handed) Addr() net.Addr { return h.address }

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
	lingerClose(g.Conn)
	return 0, errClearText
}

// counted is an agent's connection on the listener, which counts against its
// limits until it is closed.
type counted struct {
	net.Conn
	agent  *agent // nil while nobody knows whose it is
	serial string // of its certificate
	once   sync.Once
	doomed atomic.Bool // it is about to be closed
}

func (c *counted) Close() error {
	err := c.Conn.Close()
	if c.agent != nil {
		c.once.Do(func() { c.agent.disconnect(c) })
	}
	return err
}

// CloseWrite is what lingerClose looks for.
func (c *counted) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// lingerClose ends our side first, so that the answer is not lost to a reset
// while the client still sends.
func lingerClose(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// authenticate performs the handshake of a connection on the listener and hands
// it to the server.
func (p *Proxy) authenticate(ctx context.Context, raw net.Conn) {
	defer p.handshakes.Done()
	defer p.greeted.Add(-1)
	socket := &counted{Conn: raw}
	conn := tls.Server(&guarded{Conn: socket}, p.outerTLS)
	_ = raw.SetDeadline(time.Now().Add(headTimeout))
	if err := conn.HandshakeContext(ctx); err != nil {
		p.refusedHandshake(raw, err)
		_ = raw.Close()
		return
	}
	_ = raw.SetDeadline(time.Time{})
	peer, err := p.peerOf(conn.ConnectionState())
	if err != nil { // VerifyConnection has said yes a moment ago
		_ = raw.Close()
		return
	}
	if !p.agents.connect(socket, peer, p.generation().Limits) {
		p.refusedHandshake(raw, fmt.Errorf("agent %s has too many connections open", peer.Agent))
		_ = raw.Close()
		return
	}
	s := &session{peer: peer, client: raw.RemoteAddr().String()}
	h := newHeadReader(conn, s)
	h.refuse = p.refuseUnparsed
	p.outerConns.push(h)
}

// refusedHandshake logs, at a limited rate, because anybody can fail one.
func (p *Proxy) refusedHandshake(raw net.Conn, err error) {
	p.metrics.HandshakeFailed()
	if p.handshakeLog.Allow() {
		p.log.Warn("TLS handshake refused", "client", raw.RemoteAddr().String(), "error", err)
	}
}

// verifyPeer is called for every handshake, resumed sessions included, which
// VerifyPeerCertificate is not.
func (p *Proxy) verifyPeer(state tls.ConnectionState) error {
	peer, err := p.peerOf(state)
	if err != nil {
		return err
	}
	agent, found := p.registry.Lookup(peer.Agent)
	switch {
	case !found:
		return fmt.Errorf("no agent %s is registered here", peer.Agent)
	case agent.Status == identity.Revoked:
		return fmt.Errorf("agent %s is revoked", peer.Agent)
	case p.registry.CertificateRevoked(peer.Serial):
		return fmt.Errorf("certificate %s of agent %s is revoked or unknown", peer.Serial, peer.Agent)
	}
	// A suspended or expired agent may connect, and is told so on its first
	// CONNECT, which has a row.
	return nil
}

func (p *Proxy) peerOf(state tls.ConnectionState) (identity.Peer, error) {
	if len(state.PeerCertificates) == 0 {
		return identity.Peer{}, errors.New("no client certificate")
	}
	return identity.ParsePeer(state.PeerCertificates[0], p.generation().TrustDomain)
}
