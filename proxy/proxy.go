package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"sallyport/audit"
	"sallyport/certs"
	"sallyport/credentials"
	"sallyport/credentials/budget"
	"sallyport/identity"
	"sallyport/internal/metrics"
	"sallyport/internal/share"
	"sallyport/proxy/upstream"
	"sallyport/proxy/wire"
)

// cutGrace is for handlers to record their outcomes after a cut.
const cutGrace = 5 * time.Second

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
	standing
	trail        *audit.Trail
	metrics      *metrics.Metrics
	log          *slog.Logger
	stallTimeout time.Duration
	sweepEvery   time.Duration

	bodies                   *share.Pool // memory for what is read ahead of requests
	readingIdle, readingMost time.Duration

	tokens     *credentials.Tokens
	budgets    *budget.Budgets[credentials.Account] // of GitHub's installations
	life       context.Context                      //nolint:containedctx // of what runs beside exchanges; ends with Shutdown
	end        context.CancelFunc                   // of life
	background sync.WaitGroup                       // of what has life

	agents  *agents
	clerk   *clerk
	wire    *wire.Server   // the agents' side
	ways    *upstream.Ways // out
	stopped chan struct{}  // closed when Shutdown is done
	mu      sync.Mutex     // held to start what has life, and to end it
}

// New checks the configuration and returns a Proxy that is ready to serve.
func New(c Config) (*Proxy, error) {
	if c.Registry == nil || c.Trail == nil || c.Leaves == nil || c.Certificate == nil || c.ClientCAs == nil ||
		c.Generation == nil || c.Metrics == nil || c.Log == nil {
		return nil, errors.New("new proxy: a required field of Config is missing")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.StallTimeout == 0 {
		c.StallTimeout = stallTimeout
	}
	p := &Proxy{
		standing: standing{registry: c.Registry, generation: c.Generation, now: c.Now},
		trail:    c.Trail, metrics: c.Metrics, log: c.Log, stallTimeout: c.StallTimeout,
		sweepEvery:  sweepInterval,
		bodies:      share.NewPool(keptByAll, keptByAgent),
		readingIdle: readingIdle,
		readingMost: readingMost,
		tokens:      c.Tokens,
		budgets:     budget.New[credentials.Account](c.Now),
		agents:      newAgents(),
		stopped:     make(chan struct{}),
	}
	p.life, p.end = context.WithCancel(context.Background())
	p.clerk = &clerk{standing: p.standing, agents: p.agents, trail: p.trail, metrics: p.metrics, log: p.log}
	gate := &guard{standing: p.standing, agents: p.agents, clerk: p.clerk}
	var err error
	p.wire, err = wire.New(wire.Config{
		Certificate: c.Certificate, ClientCAs: c.ClientCAs, Leaf: c.Leaves.Certificate, Gate: gate, Tunnels: gate,
		Handler: p, Refused: p.metrics.HandshakeFailed, Now: p.now, Log: p.log,
	})
	if err != nil {
		return nil, err
	}
	p.ways = upstream.NewWays(ownListeners(p.wire, c.OwnListeners))
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

// Serve accepts agents on the listener until Shutdown, then returns nil.
func (p *Proxy) Serve(ln net.Listener) error {
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { p.sweep(ctx) })
	group.Go(func() { p.clerk.sumUpWindows(ctx) })
	err := p.wire.Serve(ln, p.stopped)
	stop()
	group.Wait()
	return err
}

// ownListeners lists Sallyport's own: the server's, and those of others.
func ownListeners(server *wire.Server, others func() []netip.AddrPort) func() []netip.AddrPort {
	return func() []netip.AddrPort {
		var own []netip.AddrPort
		if others != nil {
			own = others()
		}
		if a, listens := server.Address(); listens {
			own = append(own, a)
		}
		return own
	}
}
