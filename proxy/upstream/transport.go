package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"sync"
	"time"

	"sallyport/internal/fieldname"
	"sallyport/internal/host"
	"sallyport/internal/http1"
)

// Bounds of an agent's upstream connections.
const (
	maxIdleConns           = 256
	maxIdleConnsPerHost    = 64
	idleConnTimeout        = 90 * time.Second
	expectContinueTimeout  = time.Second
	maxResponseHeaderBytes = 1 << 20
	tlsSessions            = 64
)

// Windows of HTTP/2 connections: the connection's is far larger
// than a stream's, so that stalled uploads do not block the others beside them.
const (
	http2StreamWindow     = 256 << 10
	http2ConnectionWindow = 4 << 20
)

// In ALPN (RFC 7301, RFC 9113 section 3.2).
const (
	protocolHTTP1 = "http/1.1"
	protocolHTTP2 = "h2"
)

// Watcher hears of a request on its way to an answer. For a request that leaves over
// HTTP/1.1 its methods are called by the goroutine that called RoundTrip, before it
// returns. For one over HTTP/2 they are called by a goroutine of the transport, possibly
// after RoundTrip has returned.
type Watcher interface {
	// Names is how the names of the request's fields are written over HTTP/1.1.
	Names() fieldname.Names
	// Named tells how those of an answer over HTTP/1.1 are written, before anything else
	// is told of it but its first byte.
	Named(names fieldname.Names)
	// Connected tells which address it leaves for, and how long it waited for the
	// connection.
	Connected(address string, took time.Duration)
	// FirstByte tells that the first byte of an answer is there.
	FirstByte()
	// Informational is given every 1xx answer but 101; an error ends the request.
	// How many there may be is for it to say.
	Informational(code int, header textproto.MIMEHeader) error
}

// Transport is the upstream side of one agent. An HTTP/2 connection has
// one flow-control window for all its streams, so a connection that two agents
// share lets a stalled upload of one block the other.
//
// A request leaves in the protocol it came in, where the upstream speaks it: what
// an agent's HTTP/1.1 connections keep apart stays apart, and costs less.
//
// It is safe for concurrent use. What is idle in it is released by CloseIdle, what is in
// use by the bodies of its answers.
type Transport struct {
	http1 *http1.Transport
	http2 *http.Transport
	only2 sync.Map // upstreams (host.Authority as URL host) that refuse HTTP/1.1

	dialler  *dialler // that it was built with
	maxConns int
	shows    *tls.Certificate
}

// RoundTrip sends one request and returns its answer, whose body the caller must
// close. http2 says that the agent's request came over HTTP/2. Its error is private:
// FailureOf has the words for the agent, and ErrAddress is in it when the address was
// not allowed. What ends the request's context breaks off the answer's body too; an
// answer of 101 has a body that is an io.ReadWriteCloser.
func (t *Transport) RoundTrip(r *http.Request, w Watcher, http2 bool) (*http.Response, error) {
	if http2 {
		return t.roundTrip2(r, w)
	}
	if _, refuses := t.only2.Load(r.URL.Host); refuses {
		return t.roundTrip2(r, w)
	}
	response, err := t.http1.RoundTrip(r, w)
	if isNoProtocol(err) {
		// The handshake failed, so nothing of the request has left.
		t.only2.Store(r.URL.Host, struct{}{})
		return t.roundTrip2(r, w)
	}
	return response, err
}

func (t *Transport) roundTrip2(r *http.Request, w Watcher) (*http.Response, error) {
	var asked time.Time
	return t.http2.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GetConn:              func(string) { asked = time.Now() },
		GotConn:              func(info httptrace.GotConnInfo) { w.Connected(info.Conn.RemoteAddr().String(), time.Since(asked)) },
		GotFirstResponseByte: w.FirstByte,
		Got1xxResponse:       w.Informational,
	})))
}

// alertNoApplicationProtocol is the answer of a server that speaks none of the
// protocols offered (RFC 7301 section 3.2).
const alertNoApplicationProtocol = tls.AlertError(120)

// isNoProtocol reports whether the upstream ended the handshake with that alert. Outside
// QUIC, crypto/tls has a type of its own for alerts, which is not exported: only the text
// is the same.
func isNoProtocol(err error) bool {
	remote, ok := errors.AsType[*net.OpError](err)
	return ok && remote.Op == "remote error" && remote.Err.Error() == alertNoApplicationProtocol.Error()
}

// CloseIdle closes the connections that no request uses.
func (t *Transport) CloseIdle() {
	t.http1.CloseIdle()
	t.http2.CloseIdleConnections()
}

// newTransport opens at most maxConns connections to one upstream over HTTP/2; 0 is no
// bound. An upstream that asks for a certificate is shown this one; nil for none.
func newTransport(d *dialler, maxConns int, shows *tls.Certificate) *Transport {
	own := handshake{sessions: tls.NewLRUClientSessionCache(tlsSessions), shows: shows}
	http2 := plain(d, maxConns, own.offering(protocolHTTP2, protocolHTTP1))
	http2.ForceAttemptHTTP2 = true
	http2.HTTP2 = &http.HTTP2Config{
		MaxReceiveBufferPerStream:     http2StreamWindow,
		MaxReceiveBufferPerConnection: http2ConnectionWindow,
		SendPingTimeout:               30 * time.Second,
		PingTimeout:                   15 * time.Second,
	}
	return &Transport{
		http1: newHTTP1(d, own.offering(protocolHTTP1)), http2: http2,
		dialler: d, maxConns: maxConns, shows: shows,
	}
}

// newHTTP1 needs no limit on connections: an exchange has at most one, and an
// agent's exchanges are limited.
func newHTTP1(d *dialler, h handshake) *http1.Transport {
	return http1.New(http1.Config{
		Dial: func(ctx context.Context, u *url.URL) (net.Conn, error) {
			a, err := host.ParseAuthority(u.Host, 0)
			if err != nil {
				return nil, err
			}
			return d.dial(ctx, a)
		},
		Secure: func(ctx context.Context, raw net.Conn, u *url.URL) (net.Conn, error) {
			a, err := host.ParseAuthority(u.Host, 0)
			if err != nil {
				return nil, err
			}
			return d.secure(ctx, raw, a, h)
		},
		MaxIdle: maxIdleConns, MaxIdlePerHost: maxIdleConnsPerHost, IdleTimeout: idleConnTimeout,
		ContinueTimeout: expectContinueTimeout, MaxHeaderBytes: maxResponseHeaderBytes,
	})
}

// plain dials as every transport here does, and verifies what it offers.
func plain(d *dialler, maxConns int, h handshake) *http.Transport {
	return &http.Transport{
		Proxy: nil, // the environment's proxy variables are never read
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			a, err := host.ParseAuthority(address, 0)
			if err != nil {
				return nil, err
			}
			return d.dial(ctx, a)
		},
		DialTLSContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			a, err := host.ParseAuthority(address, 0)
			if err != nil {
				return nil, err
			}
			return d.dialTLS(ctx, a, h)
		},
		DisableCompression:     true, // bodies pass as they are
		MaxIdleConns:           maxIdleConns,
		MaxIdleConnsPerHost:    maxIdleConnsPerHost,
		MaxConnsPerHost:        maxConns,
		IdleConnTimeout:        idleConnTimeout,
		ExpectContinueTimeout:  expectContinueTimeout,
		MaxResponseHeaderBytes: maxResponseHeaderBytes,
	}
}

// dialTLS opens a verified TLS connection.
func (d *dialler) dialTLS(ctx context.Context, a host.Authority, h handshake) (net.Conn, error) {
	conn, err := d.dial(ctx, a)
	if err != nil {
		return nil, err
	}
	secured, err := d.secure(ctx, conn, a, h)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secured, nil
}
