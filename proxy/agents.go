package proxy

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"sallyport/proxy/wire"
)

// agents are all agents at work. They are safe for concurrent use.
type agents struct {
	now func() time.Time
	mu  sync.RWMutex
	at  map[uuid.UUID]*agent
}

func newAgents(now func() time.Time) *agents { return &agents{now: now, at: map[uuid.UUID]*agent{}} }

// get returns the agent's state, locked; the caller unlocks it. Whoever asks uses it: what an
// agent has left of its bounds must not be forgotten between two connections.
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
			found.used = a.now()
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
		bounds:    bounds{hosts: map[string]struct{}{}},
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

// connect counts a connection whose agent has become known, if there is room.
// Without a bound, one agent could take every descriptor that there is: each tunnel
// and each plain exchange is one connection, and more are of no use.
func (a *agents) connect(c *caller, l Limits) bool {
	one := a.get(c.peer.Agent)
	defer one.mu.Unlock()
	one.bounds.follow(l)
	if !one.bounds.admitConnection(len(one.conns)) {
		return false
	}
	c.agent = one
	one.conns[c] = struct{}{}
	return true
}

func (a *agents) connections(id uuid.UUID) []*caller {
	a.mu.RLock()
	one := a.at[id]
	a.mu.RUnlock()
	if one == nil {
		return nil
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	return slices.Collect(maps.Keys(one.conns))
}

func (a *agents) open(id uuid.UUID) (exchanges []*exchange, tunnels []*wire.Tunnel) {
	a.mu.RLock()
	one := a.at[id]
	a.mu.RUnlock()
	if one == nil {
		return nil, nil
	}
	return one.open()
}

// count is how much all of them have open.
func (a *agents) count() (exchanges, tunnels int) {
	for _, one := range a.all() {
		one.mu.Lock()
		exchanges += len(one.exchanges)
		tunnels += len(one.tunnels)
		one.mu.Unlock()
	}
	return exchanges, tunnels
}

// atLimit counts those that have met a bound after a time.
func (a *agents) atLimit(limit string, after time.Time) int {
	n := 0
	for _, one := range a.all() {
		one.mu.Lock()
		if one.bounds.atLimit[limit].After(after) {
			n++
		}
		one.mu.Unlock()
	}
	return n
}

// drainPoll is how often drained looks whether the last exchange has ended.
const drainPoll = 10 * time.Millisecond

// drained waits until no exchange is open, upgraded ones included, which the
// servers do not track, or until ctx ends.
func (a *agents) drained(ctx context.Context) bool {
	ticker := time.NewTicker(drainPoll)
	defer ticker.Stop()
	for {
		if exchanges, _ := a.count(); exchanges == 0 {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
	}
}

// cutExchanges cuts every exchange.
func (a *agents) cutExchanges(cause error) {
	for _, one := range a.all() {
		exchanges, _ := one.open()
		for _, x := range exchanges {
			x.flow.Cut(cause)
		}
	}
}

// cutTunnels cuts every tunnel.
func (a *agents) cutTunnels() {
	for _, one := range a.all() {
		_, tunnels := one.open()
		for _, t := range tunnels {
			_ = t.Cut()
		}
	}
}
