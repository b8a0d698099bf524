package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"sync"
	"time"

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

// agentTransport is the upstream side of one agent. An HTTP/2 connection has
// one flow-control window for all its streams, so a connection that two agents
// share lets a stalled upload of one block the other.
//
// A request leaves in the protocol it came in, where the upstream speaks it: what
// an agent's HTTP/1.1 connections keep apart stays apart, and costs less.
type agentTransport struct {
	http1 *http1.Transport
	http2 *http.Transport
	only2 sync.Map // upstreams (host.Authority as URL host) that refuse HTTP/1.1

	upstream *Upstream // the configuration that it was built from
	maxConns int
}

// RoundTrip sends one request. http2 says that the agent's came over HTTP/2.
func (t *agentTransport) RoundTrip(r *http.Request, w http1.Watcher, http2 bool) (*http.Response, error) {
	if http2 {
		return t.roundTrip2(r, w)
	}
	if _, refuses := t.only2.Load(r.URL.Host); refuses {
		return t.roundTrip2(r, w)
	}
	response, err := t.http1.RoundTrip(r, w)
	if errors.Is(err, alertNoApplicationProtocol) {
		// The handshake failed, so nothing of the request has left.
		t.only2.Store(r.URL.Host, struct{}{})
		return t.roundTrip2(r, w)
	}
	return response, err
}

func (t *agentTransport) roundTrip2(r *http.Request, w http1.Watcher) (*http.Response, error) {
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

func (t *agentTransport) close() {
	t.http1.CloseIdle()
	t.http2.CloseIdleConnections()
}

func newAgentTransport(d *dialler, maxConns int) *agentTransport {
	sessions := tls.NewLRUClientSessionCache(tlsSessions)
	http2 := newTransport(d, maxConns, sessions, protocolHTTP2, protocolHTTP1)
	http2.ForceAttemptHTTP2 = true
	http2.HTTP2 = &http.HTTP2Config{
		MaxReceiveBufferPerStream:     http2StreamWindow,
		MaxReceiveBufferPerConnection: http2ConnectionWindow,
		SendPingTimeout:               30 * time.Second,
		PingTimeout:                   15 * time.Second,
	}
	return &agentTransport{
		http1: newHTTP1(d, sessions), http2: http2,
		upstream: d.upstream, maxConns: maxConns,
	}
}

// newHTTP1 needs no limit on connections: an exchange has at most one, and an
// agent's exchanges are limited.
func newHTTP1(d *dialler, sessions tls.ClientSessionCache) *http1.Transport {
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
			return d.secure(ctx, raw, a, sessions, []string{protocolHTTP1})
		},
		MaxIdle: maxIdleConns, MaxIdlePerHost: maxIdleConnsPerHost, IdleTimeout: idleConnTimeout,
		ContinueTimeout: expectContinueTimeout, MaxHeaderBytes: maxResponseHeaderBytes,
	})
}

// Transport is for requests of Sallyport itself. It dials and verifies as for an
// agent: public addresses only, never the listeners in own, unless the
// configuration says otherwise. The caller closes its idle connections.
func (u *Upstream) Transport(own func() []netip.AddrPort) *http.Transport {
	return newTransport(&dialler{upstream: u, own: own}, maxIdleConnsPerHost, nil, protocolHTTP1)
}

func newTransport(d *dialler, maxConns int, sessions tls.ClientSessionCache, protocols ...string) *http.Transport {
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
			return d.dialTLS(ctx, a, sessions, protocols)
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

// Windows of HTTP/2 connections, both sides: the connection's is far larger
// than a stream's, so that stalled uploads do not block the others beside them.
const (
	http2StreamWindow     = 256 << 10
	http2ConnectionWindow = 4 << 20
)

// dialTLS opens a verified TLS connection.
func (d *dialler) dialTLS(ctx context.Context, a host.Authority, sessions tls.ClientSessionCache, protocols []string) (net.Conn, error) {
	conn, err := d.dial(ctx, a)
	if err != nil {
		return nil, err
	}
	secured, err := d.secure(ctx, conn, a, sessions, protocols)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secured, nil
}

// transport returns the agent's transport for the configuration in force.
func (a *agent) transport(d *dialler) *agentTransport {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.upstream != nil && a.upstream.upstream == d.upstream && a.upstream.maxConns == a.limits.Exchanges {
		return a.upstream
	}
	if a.upstream != nil {
		a.upstream.close()
	}
	a.upstream = newAgentTransport(d, a.limits.Exchanges)
	return a.upstream
}
