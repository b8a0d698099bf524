package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"

	"sallyport/internal/host"
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
type agentTransport struct {
	*http.Transport
	upstream *Upstream // the configuration that it was built from
	maxConns int
}

func (t *agentTransport) close() { t.CloseIdleConnections() }

func newAgentTransport(d *dialler, maxConns int) *agentTransport {
	sessions := tls.NewLRUClientSessionCache(tlsSessions)
	t := &http.Transport{
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
			return d.dialTLS(ctx, a, sessions)
		},
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // bodies pass as they are
		MaxIdleConns:           maxIdleConns,
		MaxIdleConnsPerHost:    maxIdleConnsPerHost,
		MaxConnsPerHost:        maxConns,
		IdleConnTimeout:        idleConnTimeout,
		ExpectContinueTimeout:  expectContinueTimeout,
		MaxResponseHeaderBytes: maxResponseHeaderBytes,
		WriteBufferSize:        4 << 10,
		ReadBufferSize:         4 << 10,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream:     http2StreamWindow,
			MaxReceiveBufferPerConnection: http2ConnectionWindow,
			SendPingTimeout:               30 * time.Second,
			PingTimeout:                   15 * time.Second,
		},
	}
	return &agentTransport{Transport: t, upstream: d.upstream, maxConns: maxConns}
}

// Windows of HTTP/2 connections, both sides: the connection's is far larger
// than a stream's, so that stalled uploads do not block the others beside them.
const (
	http2StreamWindow     = 256 << 10
	http2ConnectionWindow = 4 << 20
)

type upgradeKey struct{}

// dialTLS opens a verified TLS connection; one for an upgrade speaks HTTP/1.1
// only. The transport keeps connections of the two sorts apart.
func (d *dialler) dialTLS(ctx context.Context, a host.Authority, sessions tls.ClientSessionCache) (net.Conn, error) {
	conn, err := d.dial(ctx, a)
	if err != nil {
		return nil, err
	}
	protocols := []string{"h2", "http/1.1"}
	if ctx.Value(upgradeKey{}) != nil {
		protocols = protocols[1:]
	}
	secured, err := d.secure(ctx, conn, a, sessions, protocols)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
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
