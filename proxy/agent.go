package proxy

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/time/rate"

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

	limits   Limits
	requests *rate.Limiter
	newHosts *rate.Limiter
	opening  *rate.Limiter // of tunnels

	trailBytes, refusedBytes byteBudget
	atLimit                  map[string]time.Time // when a bound was last met, by its name

	hosts  map[string]struct{} // hosts met, at most maxKnownHosts
	kept   map[string]*kept    // by placeholder, at most maxKept
	excess *excess             // refusals for excess since the last row about them
}

const (
	maxKnownHosts = 1024
	agentIdle     = 10 * time.Minute // without tunnel or exchange before its state is dropped
)

// agents are all agents at work. They are safe for concurrent use.
type agents struct {
	mu sync.RWMutex
	at map[uuid.UUID]*agent
}

func newAgents() *agents { return &agents{at: map[uuid.UUID]*agent{}} }

// get returns the agent's state, locked; the caller unlocks it.
func (a *agents) get(id uuid.UUID) *agent {
	for {
		a.mu.RLock()
		found := a.at[id]
		a.mu.RUnlock()
		if found == nil {
			found = a.add(id)
		}
		found.mu.Lock()
		if !found.gone {
			return found
		}
		found.mu.Unlock()
	}
}

func (a *agents) add(id uuid.UUID) *agent {
	a.mu.Lock()
	defer a.mu.Unlock()
	if found := a.at[id]; found != nil {
		return found
	}
	added := &agent{
		id:        id,
		conns:     map[*caller]struct{}{},
		key:       id.String(),
		tunnels:   map[*wire.Tunnel]struct{}{},
		exchanges: map[*exchange]struct{}{},
		hosts:     map[string]struct{}{},
	}
	a.at[id] = added
	return added
}

func (a *agents) all() []*agent {
	a.mu.RLock()
	defer a.mu.RUnlock()
	all := make([]*agent, 0, len(a.at))
	for _, one := range a.at {
		all = append(all, one)
	}
	return all
}

// evict drops an agent that has been idle since before.
func (a *agents) evict(one *agent, before time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one.mu.Lock()
	defer one.mu.Unlock()
	if len(one.conns) > 0 || len(one.tunnels) > 0 || len(one.exchanges) > 0 || one.excess != nil || one.used.After(before) {
		return
	}
	one.gone = true
	one.rest()
	delete(a.at, one.id)
}

// shut ends what the agents keep between exchanges.
func (a *agents) shut() {
	for _, one := range a.all() {
		one.mu.Lock()
		one.rest()
		one.mu.Unlock()
	}
}

// rest closes idle connections. The caller holds a.mu.
func (a *agent) rest() {
	if a.upstream != nil {
		a.upstream.CloseIdle()
	}
}

// transport returns the agent's transport for the settings.
func (a *agent) transport(ways *upstream.Ways, s *upstream.Settings) *upstream.Transport {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.upstream = ways.Transport(a.upstream, s, a.limits.Exchanges)
	return a.upstream
}

// setLimits follows the configuration. The caller holds a.mu.
func (a *agent) setLimits(l Limits) {
	l = l.withDefaults()
	if a.limits == l {
		return
	}
	a.limits = l
	a.requests = rate.NewLimiter(rate.Limit(l.RequestsPerSecond), max(1, int(l.RequestsPerSecond)))
	a.opening = rate.NewLimiter(rate.Limit(l.TunnelsPerSecond), max(1, int(l.TunnelsPerSecond)))
	a.trailBytes, a.refusedBytes = newByteBudget(l.TrailBytesPerMinute), newByteBudget(l.RefusedBytesPerMinute)
	a.newHosts = rate.NewLimiter(rate.Limit(float64(l.NewHostsPerMinute)/60), l.NewHostsPerMinute)
}

// connect counts a connection whose agent has become known, if there is room.
// Without a bound, one agent could take every descriptor that there is: each tunnel
// and each plain exchange is one connection, and more are of no use.
func (a *agents) connect(c *caller, l Limits) bool {
	one := a.get(c.peer.Agent)
	defer one.mu.Unlock()
	one.setLimits(l)
	if len(one.conns) >= one.limits.Tunnels+one.limits.Exchanges {
		return false
	}
	c.agent = one
	one.conns[c] = struct{}{}
	return true
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

// admit takes one request from the agent's limits. The caller holds a.mu. It
// returns which limit is exceeded and when to try again, or "".
func (a *agent) admit(now time.Time) (limit string, retryAfter time.Duration) {
	if len(a.exchanges) > a.limits.Exchanges {
		return limitExchanges, time.Second
	}
	if !a.requests.AllowN(now, 1) {
		return limitRequests, time.Second
	}
	if !a.trailBytes.left(now) {
		return limitTrailBytes, 5 * time.Second
	}
	return "", 0
}

// admitTunnel is admit for a tunnel, which costs a certificate and a handshake.
func (a *agent) admitTunnel(now time.Time) (limit string) {
	if len(a.tunnels) >= a.limits.Tunnels {
		return limitTunnels
	}
	if !a.opening.AllowN(now, 1) {
		return limitTunnelRate
	}
	return ""
}

// meet is admit for the host of a request.
func (a *agent) meet(host string, now time.Time) (limit string, retryAfter time.Duration) {
	if _, met := a.hosts[host]; met {
		return "", 0
	}
	if !a.newHosts.AllowN(now, 1) {
		return limitNewHosts, time.Minute/time.Duration(a.limits.NewHostsPerMinute) + time.Second
	}
	if len(a.hosts) >= maxKnownHosts {
		clear(a.hosts) // meeting them again costs new_hosts_per_minute, never more memory
	}
	a.hosts[host] = struct{}{}
	return "", 0
}

// byteBudget is one of the trail's bytes, which are known only once they are written: it
// may be overdrawn by one row, and then nothing more is taken until that has been made up.
type byteBudget struct{ limiter *rate.Limiter }

func newByteBudget(perMinute int) byteBudget {
	return byteBudget{rate.NewLimiter(rate.Limit(float64(perMinute)/60), perMinute)}
}

func (b byteBudget) left(now time.Time) bool { return b.limiter.TokensAt(now) > 0 }

func (b byteBudget) take(now time.Time, n int) { b.limiter.ReserveN(now, min(n, b.limiter.Burst())) }
