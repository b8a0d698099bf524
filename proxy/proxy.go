package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/google/uuid"

	"sallyport/certs"
	"sallyport/credentials"
	"sallyport/credentials/budget"
	"sallyport/identity"
	"sallyport/internal/metrics"
	"sallyport/proxy/upstream"
	"sallyport/proxy/wire"
)

// cutGrace is for handlers to record their outcomes after a cut.
const cutGrace = 5 * time.Second

// Config is what a Proxy works with. Every field but Tokens, OwnListeners, StallTimeout
// and Now is required.
type Config struct {
	Registry    *identity.Registry
	Trail       Trail
	Leaves      *certs.Leaves           // for the interception of tunnels
	Certificate func() *tls.Certificate // the listener's
	ClientCAs   *x509.CertPool          // the agent-identity CA alone
	Generation  func() *Generation      // the configuration in force
	Metrics     *metrics.Metrics
	Log         *slog.Logger

	Door         DoorConfig              // what agents are told about themselves
	Tokens       *credentials.Tokens     // what is minted, so that it can be revoked; none if nil
	OwnListeners func() []netip.AddrPort // never dialled, beside the one that Serve gets
	StallTimeout time.Duration           // cuts an exchange in which no byte moves; default 10 minutes
	Now          func() time.Time        // by which agents, their certificates and limits are judged; time.Now if nil
}

// Proxy carries the exchanges of all agents. It owns its servers, the open
// tunnels and every upstream connection; the registry, the trail and the rest of
// Config stay its caller's. It is safe for concurrent use.
type Proxy struct {
	standing
	trail   Trail
	metrics *metrics.Metrics
	log     *slog.Logger

	agents  *agents
	clerk   *clerk
	errands *errands
	patrol  *patrol
	ahead   ahead
	budgets *budget.Budgets[credentials.Account] // of the services' accounts
	door    *door
	wire    *wire.Server   // the agents' side
	ways    *upstream.Ways // out
	stopped chan struct{}  // closed when Shutdown is done
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
		trail:    c.Trail, metrics: c.Metrics, log: c.Log,
		agents: newAgents(c.Now), ahead: newAhead(), budgets: budget.New[credentials.Account](c.Now),
		stopped: make(chan struct{}),
	}
	p.clerk = &clerk{standing: p.standing, agents: p.agents, trail: p.trail, metrics: p.metrics, log: p.log}
	p.door = &door{standing: p.standing, config: c.Door, log: p.log}
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
	p.errands = newErrands(p.clerk, p.ways, c.Tokens)
	p.patrol = &patrol{
		standing: p.standing, agents: p.agents, errands: p.errands, log: p.log,
		every: sweepInterval, stalled: c.StallTimeout,
	}
	p.watch()
	return p, nil
}

// watch has the figures follow what the agents have open.
func (p *Proxy) watch() {
	p.metrics.Watch("sallyport_tunnels_open", "Open tunnels.", func() float64 { _, n := p.agents.count(); return float64(n) })
	p.metrics.WatchBy("sallyport_agents_at_limit", "Agents that met a bound on one agent within the last minute.", "limit", limitNames(), func(limit string) float64 {
		return float64(p.agents.atLimit(limit, p.now().Add(-atLimitFor)))
	})
	p.metrics.Watch("sallyport_body_memory_bytes", "Memory that bodies take which are read to judge or sign their requests.", func() float64 { return float64(p.ahead.memory.Used()) })
	p.metrics.Watch("sallyport_exchanges_open", "Open exchanges.", func() float64 { n, _ := p.agents.count(); return float64(n) })
}

// Failed says, as soon as it happens, why accepting failed for good: nobody can reach the
// proxy any more, and it is for its owner to call Shutdown.
func (p *Proxy) Failed() <-chan error { return p.wire.Failed() }

// Serve accepts agents on the listener until Shutdown has ended, then returns nil. It may
// be called once. An error says why accepting failed for good; it, too, is returned after
// Shutdown.
func (p *Proxy) Serve(ln net.Listener) error {
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { p.patrol.rounds(ctx) })
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

// Shutdown stops accepting and lets open exchanges end; when ctx ends it cuts
// what is left. Every exchange has its outcome recorded when it returns, as far
// as the trail can be written. Its error is that of closing the listener.
func (p *Proxy) Shutdown(ctx context.Context) error {
	serving, err := p.wire.Drain(ctx)
	if !serving {
		return nil
	}
	if !p.agents.drained(ctx) {
		p.agents.cutExchanges(errStopping)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutGrace)
		defer cancel()
		p.agents.drained(grace)
	}
	p.agents.cutTunnels()
	p.wire.Close()
	p.agents.shut()
	p.errands.close()
	close(p.stopped)
	return err
}

// Ease stops accepting, because another process accepts on the same socket from
// now on, and lets agents go over to it: whoever has connected is still served, and
// its connection ends with the next answer. It returns when no agent is connected
// any more, or when ctx ends. Shutdown comes after it.
func (p *Proxy) Ease(ctx context.Context) { p.wire.Ease(ctx) }

// Cut breaks off everything that the agent has open if it is no longer active, and
// revokes what was minted for it if it is gone for good. Of an agent that is active it
// breaks off what was opened with a certificate that is not valid any more. Call it after
// the registry has been changed. It waits for nobody.
func (p *Proxy) Cut(id uuid.UUID) { p.patrol.changed(id) }

// Recheck cuts every open exchange that the configuration now in force would not
// allow. Call it after the configuration has been swapped.
func (p *Proxy) Recheck() { p.patrol.recheck() }

// Errand returns a transport for requests that the operator asks for, such as to try
// a credential. Each is recorded before it leaves.
func (p *Proxy) Errand(credential string) http.RoundTripper {
	return p.errands.errand(p.generation(), credential)
}
