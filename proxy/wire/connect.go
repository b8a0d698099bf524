package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/elazarl/goproxy"

	"sallyport/internal/host"
)

// front is what takes CONNECT: it opens tunnels, ends the TLS in them, and hands over
// what comes out.
type front struct {
	tunnels  Tunnels
	secured  *tls.Config // the inside of a tunnel
	secured1 *tls.Config // without HTTP/2
	inner    *lanes      // for HTTP/1.1
	inner2   *served     // for HTTP/2
}

func newFront(tunnels Tunnels, leaf func(host.Name) (*tls.Certificate, error), inner *lanes, inner2 *served) *front {
	return &front{
		tunnels: tunnels, secured: tunnelTLS(leaf, protocolHTTP2, protocolHTTP1), secured1: tunnelTLS(leaf, protocolHTTP1),
		inner: inner, inner2: inner2,
	}
}

// handler sets goproxy up as the door for CONNECT and for nothing else: none of
// its defaults (an upstream transport, interception with a CA of its own, the
// environment's proxies) is within reach.
func (f *front) handler(other http.Handler) http.Handler {
	door := goproxy.NewProxyHttpServer()
	door.Logger = log.New(io.Discard, "", 0)
	door.Tr = &http.Transport{DialContext: refuseDial}
	door.ConnectDial = func(string, string) (net.Conn, error) { return refuseDial(context.Background(), "", "") }
	door.NonproxyHandler = http.NotFoundHandler()
	door.OnRequest().HandleConnectFunc(f.connect)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			other.ServeHTTP(w, r)
			return
		}
		door.ServeHTTP(w, r) // which hijacks it, and is given what came right behind the CONNECT too
	})
}

func refuseDial(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("only the exchange may dial")
}

// replay returns conn with early put back in front.
func replay(conn net.Conn, early []byte) net.Conn {
	if len(early) == 0 {
		return conn
	}
	return &replayed{Conn: conn, early: bytes.NewReader(early)}
}

type replayed struct {
	net.Conn
	early *bytes.Reader
}

func (r *replayed) Read(b []byte) (int, error) {
	if r.early.Len() > 0 {
		return r.early.Read(b)
	}
	return r.Conn.Read(b)
}

// connect has a CONNECT judged, and opens its tunnel or hands the refusal back.
func (f *front) connect(_ string, c *goproxy.ProxyCtx) (*goproxy.ConnectAction, string) {
	t, fault := readConnect(c.Req)
	closed, refused := f.tunnels.Open(t, c.Req, fault) //nolint:bodyclose // goproxy writes it; its body is in memory
	if refused != nil {
		c.Resp = refused
		return &goproxy.ConnectAction{Action: goproxy.ConnectReject}, ""
	}
	take := func(_ *http.Request, conn net.Conn, _ *goproxy.ProxyCtx) {
		f.take(t.carry(conn, sync.OnceFunc(closed)))
	}
	return &goproxy.ConnectAction{Action: goproxy.ConnectHijack, Hijack: take}, ""
}

// readConnect reads what a CONNECT asks for.
func readConnect(r *http.Request) (*Tunnel, *Fault) {
	t := &Tunnel{Session: SessionOf(r), onlyHTTP1: isGit(r.Header)}
	fault := t.Session.Framing(r).fault()
	authority, err := ParseAuthority(r.RequestURI, 0)
	switch {
	case fault != nil:
		return t, fault
	case err != nil:
		return t, &Fault{Detail: "CONNECT needs a host and a port, as in CONNECT api.example.com:443.", Cause: err}
	case r.ContentLength > 0 || len(r.TransferEncoding) > 0:
		return t, &Fault{Detail: "CONNECT has no body."}
	}
	t.Authority = authority
	return t, nil
}

// isGit reports whether git opens the tunnel. It is not offered HTTP/2: with a libcurl
// before 8.5 git waits for ever at the end of an upload of which the window left less
// than 2 KiB over, for libcurl then asks it for more after its end
// (https://github.com/git/git/pull/1608). git makes one request at a time, so that
// HTTP/2 would gain it nothing.
func isGit(h http.Header) bool { return strings.HasPrefix(h.Get("User-Agent"), "git/") }

// take answers CONNECT and ends the TLS inside with a leaf for its authority.
func (f *front) take(conn *carried) {
	_ = conn.SetDeadline(time.Now().Add(headTimeout))
	if _, err := io.WriteString(conn.Conn, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		_ = conn.Close()
		return
	}
	t, config := conn.tunnel, f.secured
	if t.onlyHTTP1 {
		config = f.secured1
	}
	inner := tls.Server(conn, config)
	if err := inner.HandshakeContext(context.Background()); err != nil {
		err = conn.why(err)
		answer := f.tunnels.Broken(t, err) //nolint:bodyclose // its body is in memory
		if answer != nil && (errors.Is(err, ErrNotTLS) || errors.Is(err, ErrSilent)) {
			_ = conn.SetWriteDeadline(time.Now().Add(farewellTime))
			_ = answer.Write(conn.Conn)
		}
		_ = conn.Close()
		return
	}
	_ = conn.SetDeadline(time.Time{})
	s := &Session{Caller: t.Session.Caller, Client: t.Session.Client, Tunnel: t}
	if inner.ConnectionState().NegotiatedProtocol == protocolHTTP2 {
		f.inner2.push(newSectionReader(inner, s, f.tunnels))
		return
	}
	f.inner.push(inner, s)
}

// tunnelTLS ends the TLS of a tunnel. Both hooks run on resumed sessions too, so a
// ticket for one host opens no tunnel to another.
func tunnelTLS(leaf func(host.Name) (*tls.Certificate, error), protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: protocols,
		// The tunnel is inside the listener's TLS, which has the post-quantum
		// exchange already; here it would cost CPU and protect nothing more.
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384},
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			return nil, hello.Conn.(*carried).tunnel.checkSNI(hello.ServerName)
		},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return leaf(hello.Conn.(*carried).tunnel.Authority.Name)
		},
	}
}
