package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/certs"
	"sallyport/credentials"
	"sallyport/credentials/budget"
	"sallyport/identity"
	"sallyport/internal/metrics"
	"sallyport/internal/share"
	"sallyport/proxy/upstream"
)

// Deadlines and bounds of the agent's side. There is no limit on the whole of a
// request or an answer: streams may last for hours.
const (
	// The connection's window is far larger than a stream's, so that stalled
	// uploads do not block the others beside them.
	http2StreamWindow     = 256 << 10
	http2ConnectionWindow = 4 << 20

	headTimeout       = 10 * time.Second // a handshake, and a header section
	listenerIdle      = 2 * time.Minute
	tunnelIdle        = 10 * time.Minute
	maxHeaderBytes    = 64 << 10
	headerSlop        = 4 << 10 // net/http allows this much more than it is told
	maxStreams        = 250
	cutGrace          = 5 * time.Second // for handlers to record their outcomes after a cut
	handshakeLogEvery = time.Second
	handshakeLogBurst = 5
)

// Config is what a Proxy works with. Every field but Tokens, OwnListeners, StallTimeout
// and Now is required.
type Config struct {
	Registry    *identity.Registry
	Trail       *audit.Trail
	Leaves      *certs.Leaves           // for the interception of tunnels
	Certificate func() *tls.Certificate // the listener's
	ClientCAs   *x509.CertPool          // the agent-identity CA alone
	Generation  func() *Generation      // the configuration in force
	Metrics     *metrics.Metrics
	Log         *slog.Logger

	Tokens       *credentials.Tokens     // what is minted, so that it can be revoked; none if nil
	OwnListeners func() []netip.AddrPort // never dialled, beside the one that Serve gets
	StallTimeout time.Duration           // cuts an exchange in which no byte moves; default 10 minutes
	Now          func() time.Time        // by which agents, their certificates and limits are judged; time.Now if nil
}

// Proxy carries the exchanges of all agents. It owns its servers, the open
// tunnels and every upstream connection; the registry, the trail and the rest of
// Config stay its caller's.
type Proxy struct {
	registry     *identity.Registry
	trail        *audit.Trail
	leaves       *certs.Leaves
	generation   func() *Generation
	metrics      *metrics.Metrics
	log          *slog.Logger
	ownListeners func() []netip.AddrPort
	stallTimeout time.Duration
	sweepEvery   time.Duration
	now          func() time.Time

	bodies                   *share.Pool // memory for what is read ahead of requests
	readingIdle, readingMost time.Duration

	tokens     *credentials.Tokens
	budgets    *budget.Budgets[credentials.Account] // of GitHub's installations
	learned    sync.Map                             // operations to the permissions that GitHub said they need
	life       context.Context                      //nolint:containedctx // of what runs beside exchanges; ends with Shutdown
	end        context.CancelFunc                   // of life
	background sync.WaitGroup                       // of what has life

	agents       agents
	outer        *http.Server // for the listener
	inner        *http.Server // for what comes out of tunnels
	inner2       *http.Server // the same, HTTP/2
	outerTLS     *tls.Config
	innerTLS     *tls.Config
	innerTLS1    *tls.Config // without HTTP/2
	outerConns   *handed
	innerConns   *handed
	inner2Conns  *handed
	handshakeLog *rate.Limiter
	handshakes   sync.WaitGroup
	greeted      atomic.Int64  // handshakes under way
	stopped      chan struct{} // closed when Shutdown is done

	easing   atomic.Bool // another process accepts; see Ease
	mu       sync.Mutex
	listener net.Listener
	stopping bool

	ways *upstream.Ways // out
}

// New checks the configuration and returns a Proxy that is ready to serve.
func New(c Config) (*Proxy, error) {
	if c.Registry == nil || c.Trail == nil || c.Leaves == nil || c.Certificate == nil || c.ClientCAs == nil ||
		c.Generation == nil || c.Metrics == nil || c.Log == nil {
		return nil, errors.New("new proxy: a required field of Config is missing")
	}
	p := &Proxy{
		registry: c.Registry, trail: c.Trail, leaves: c.Leaves, generation: c.Generation,
		metrics: c.Metrics, log: c.Log, ownListeners: c.OwnListeners, stallTimeout: c.StallTimeout, now: c.Now,
		sweepEvery:   sweepInterval,
		bodies:       share.NewPool(keptByAll, keptByAgent),
		readingIdle:  readingIdle,
		readingMost:  readingMost,
		agents:       agents{at: map[uuid.UUID]*agent{}},
		stopped:      make(chan struct{}),
		handshakeLog: rate.NewLimiter(rate.Every(handshakeLogEvery), handshakeLogBurst),
	}
	p.ways = upstream.NewWays(p.own)
	p.life, p.end = context.WithCancel(context.Background())
	if p.stallTimeout == 0 {
		p.stallTimeout = stallTimeout
	}
	if p.now == nil {
		p.now = time.Now
	}
	p.tokens, p.budgets = c.Tokens, budget.New[credentials.Account](p.now)
	p.outerTLS = p.outerTLSConfig(c)
	p.innerTLS = p.innerTLSConfig(protocolHTTP2, protocolHTTP1)
	p.innerTLS1 = p.innerTLSConfig(protocolHTTP1)
	p.outer = p.server(p.newFront(), listenerIdle, (*http.Protocols).SetHTTP1)
	p.inner = p.server(p, tunnelIdle, (*http.Protocols).SetHTTP1)
	// Its connections are decrypted already, and are not *tls.Conn, in which nothing
	// could look at what passes.
	p.inner2 = p.server(p, tunnelIdle, (*http.Protocols).SetUnencryptedHTTP2)
	p.metrics.Watch("sallyport_tunnels_open", "Open tunnels.", func() float64 { _, n := p.count(); return float64(n) })
	p.metrics.WatchBy("sallyport_agents_at_limit", "Agents that met a bound on one agent within the last minute.", "limit", limitNames(), p.atLimit)
	p.metrics.Watch("sallyport_body_memory_bytes", "Memory that bodies take which are read to judge or sign their requests.", func() float64 { return float64(p.bodies.Used()) })
	p.metrics.Watch("sallyport_exchanges_open", "Open exchanges.", func() float64 { n, _ := p.count(); return float64(n) })
	return p, nil
}

func (p *Proxy) count() (exchanges, tunnels int) {
	for _, a := range p.agents.all() {
		a.mu.Lock()
		exchanges += len(a.exchanges)
		tunnels += len(a.tunnels)
		a.mu.Unlock()
	}
	return exchanges, tunnels
}

// outerTLSConfig is the listener's. Only HTTP/1.1 is offered: clients that would
// negotiate HTTP/2 with a proxy still write their CONNECT in HTTP/1.1.
func (p *Proxy) outerTLSConfig(c Config) *tls.Config {
	return &tls.Config{
		Time:             p.now,
		MinVersion:       tls.VersionTLS13,
		NextProtos:       []string{protocolHTTP1},
		ClientAuth:       tls.RequireAndVerifyClientCert,
		ClientCAs:        c.ClientCAs,
		VerifyConnection: p.verifyPeer,
		GetCertificate:   func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.Certificate(), nil },
	}
}

func (p *Proxy) server(handler http.Handler, idle time.Duration, speak func(*http.Protocols, bool)) *http.Server {
	protocols := new(http.Protocols)
	speak(protocols, true)
	return &http.Server{
		Handler:                      handler,
		ReadHeaderTimeout:            headTimeout,
		IdleTimeout:                  idle,
		MaxHeaderBytes:               maxHeaderBytes - headerSlop,
		DisableGeneralOptionsHandler: true,
		ConnContext:                  connContext,
		ConnState:                    connState,
		Protocols:                    protocols,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReceiveBufferPerStream:     http2StreamWindow,
			MaxReceiveBufferPerConnection: http2ConnectionWindow,
			SendPingTimeout:               time.Minute,
			PingTimeout:                   headTimeout,
		},
		ErrorLog: log.New(serverLog{p.log}, "", 0),
	}
}

func connState(c net.Conn, state http.ConnState) {
	if h, ok := c.(*headReader); ok && state == http.StateIdle {
		h.idle()
	}
}

// serverLog brings net/http's own messages into the log. They name addresses and
// parse errors, never a field's value.
type serverLog struct{ log *slog.Logger }

func (l serverLog) Write(b []byte) (int, error) {
	level := slog.LevelDebug
	if bytes.Contains(b, []byte("panic")) {
		level = slog.LevelError // a fault of ours, with where it is
	}
	l.log.Log(context.Background(), level, "http server", "message", string(b))
	return len(b), nil
}

// Serve accepts agents on the listener until Shutdown, then returns nil.
func (p *Proxy) Serve(ln net.Listener) error {
	p.mu.Lock()
	if p.stopping || p.listener != nil {
		stopping := p.stopping
		p.mu.Unlock()
		if stopping {
			return ln.Close()
		}
		return errors.New("serve: the proxy is already serving")
	}
	p.listener = ln
	p.outerConns, p.innerConns, p.inner2Conns = newHanded(ln.Addr()), newHanded(ln.Addr()), newHanded(ln.Addr())
	p.mu.Unlock()
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { p.sweep(ctx) })
	group.Go(func() { p.sumUpWindows(ctx) })
	group.Go(func() { _ = p.outer.Serve(p.outerConns) }) // ends with Shutdown, and only so
	group.Go(func() { _ = p.inner.Serve(p.innerConns) })
	group.Go(func() { _ = p.inner2.Serve(p.inner2Conns) })
	err := p.accept(ctx, ln)
	<-p.stopped // an accept that fails for good still leaves open exchanges their time
	stop()
	p.handshakes.Wait()
	group.Wait()
	return err
}

// acceptPause is how long Serve waits when the process is out of descriptors.
const acceptPause = 50 * time.Millisecond

func (p *Proxy) accept(ctx context.Context, ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if err == nil {
			p.handshakes.Add(1)
			p.greeted.Add(1)
			go p.authenticate(ctx, conn)
			continue
		}
		if p.isStopping() || p.easing.Load() {
			return nil
		}
		if !isExhausted(err) {
			p.log.Error("accept failed for good", "error", err)
			return fmt.Errorf("accept: %w", err)
		}
		p.log.Warn("accept failed", "error", err)
		time.Sleep(acceptPause)
	}
}

func (p *Proxy) isStopping() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopping
}

// own lists Sallyport's own listeners.
func (p *Proxy) own() []netip.AddrPort {
	p.mu.Lock()
	ln := p.listener
	p.mu.Unlock()
	var own []netip.AddrPort
	if p.ownListeners != nil {
		own = p.ownListeners()
	}
	if ln != nil {
		if a, err := netip.ParseAddrPort(ln.Addr().String()); err == nil {
			own = append(own, a)
		}
	}
	return own
}
