package proxy

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"sallyport/credentials"
	"sallyport/proxy/upstream"
	"sallyport/proxy/wire"
)

// agent is what the proxy holds for one agent while it is at work: its open
// tunnels and exchanges, its own upstream connections, and its limits. None of
// it is shared between agents, so that no agent can block or starve another.
type agent struct {
	id       uuid.UUID
	key      string      // the same, by which it has its shares
	disowned atomic.Bool // the sweep has seen that it is revoked

	mu        sync.Mutex
	gone      bool // evicted; ask agents.get again
	used      time.Time
	conns     map[*caller]struct{} // on the listener
	tunnels   map[*wire.Tunnel]struct{}
	exchanges map[*exchange]struct{}
	upstream  *upstream.Transport
	showing   map[string]*upstream.Transport // by the credential whose certificate it shows

	bounds bounds
	kept   map[string]*kept // by placeholder, at most maxKept
	excess *excess          // refusals for excess since the last row about them
}

// agentIdle is how long an agent is without tunnel or exchange before its state is dropped.
const agentIdle = 10 * time.Minute

// rest closes idle connections. The caller holds a.mu.
func (a *agent) rest() {
	if a.upstream != nil {
		a.upstream.CloseIdle()
	}
	for _, t := range a.showing {
		t.CloseIdle()
	}
}

// transport returns the agent's transport for the settings. A credential that is a certificate
// has one of its own: over a connection on which it was shown goes no request without it.
func (a *agent) transport(ways *upstream.Ways, s *upstream.Settings, i *credentials.Injection) *upstream.Transport {
	a.mu.Lock()
	defer a.mu.Unlock()
	if shows := i.Certificate(); shows != nil {
		if a.showing == nil {
			a.showing = map[string]*upstream.Transport{}
		}
		a.showing[i.Name()] = ways.Transport(a.showing[i.Name()], s, a.bounds.limits.Exchanges, shows)
		return a.showing[i.Name()]
	}
	a.upstream = ways.Transport(a.upstream, s, a.bounds.limits.Exchanges, nil)
	return a.upstream
}

func (a *agent) disconnect(c *caller) {
	a.mu.Lock()
	delete(a.conns, c)
	a.mu.Unlock()
}

// release takes a tunnel out of those that are open.
func (a *agent) release(t *wire.Tunnel) {
	a.mu.Lock()
	delete(a.tunnels, t)
	a.mu.Unlock()
}

// open lists what the agent has open. What registers after it reads the mark.
func (a *agent) open() (exchanges []*exchange, tunnels []*wire.Tunnel) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for x := range a.exchanges {
		exchanges = append(exchanges, x)
	}
	for t := range a.tunnels {
		tunnels = append(tunnels, t)
	}
	return exchanges, tunnels
}
