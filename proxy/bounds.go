package proxy

import (
	"time"

	"golang.org/x/time/rate"
)

// What rows and figures call the bounds on one agent.
const (
	limitTunnels      = "tunnels"
	limitExchanges    = "exchanges"
	limitRequests     = "requests_per_second"
	limitTunnelRate   = "tunnels_per_second"
	limitNewHosts     = "new_hosts_per_minute"
	limitTrailBytes   = "trail_bytes_per_minute"
	limitRefusedBytes = "refused_bytes_per_minute"
	limitMemory       = "body_memory" // the agent's share of the memory for bodies
	limitAhead        = "read_ahead"  // its share of the room for those that are read ahead to be signed
)

func limitNames() []string {
	return []string{
		limitTunnels, limitExchanges, limitRequests, limitTunnelRate, limitNewHosts, limitTrailBytes, limitRefusedBytes, limitMemory, limitAhead,
	}
}

// atLimitFor is how long an agent that met a bound counts as one that is at it.
const atLimitFor = time.Minute

// bounds are what one agent may take, and how much of it is left. Whoever uses them holds
// the agent's lock.
type bounds struct {
	limits   Limits
	requests *rate.Limiter
	newHosts *rate.Limiter
	opening  *rate.Limiter       // of tunnels
	hosts    map[string]struct{} // hosts met, at most maxKnownHosts

	trailBytes, refusedBytes byteBudget
	atLimit                  map[string]time.Time // when a bound was last met, by its name
}

const maxKnownHosts = 1024

// follow takes the limits of the configuration in force.
func (b *bounds) follow(l Limits) {
	l = l.withDefaults()
	if b.limits == l {
		return
	}
	b.limits = l
	b.requests = rate.NewLimiter(rate.Limit(l.RequestsPerSecond), max(1, int(l.RequestsPerSecond)))
	b.opening = rate.NewLimiter(rate.Limit(l.TunnelsPerSecond), max(1, int(l.TunnelsPerSecond)))
	b.trailBytes, b.refusedBytes = newByteBudget(l.TrailBytesPerMinute), newByteBudget(l.RefusedBytesPerMinute)
	b.newHosts = rate.NewLimiter(rate.Limit(float64(l.NewHostsPerMinute)/60), l.NewHostsPerMinute)
}

// admitConnection reports whether there is room beside so many connections: each tunnel
// and each plain exchange is one.
func (b *bounds) admitConnection(open int) bool { return open < b.limits.Tunnels+b.limits.Exchanges }

// admit takes one request, with which so many exchanges are open. It
// returns which limit is exceeded and when to try again, or "".
func (b *bounds) admit(open int, now time.Time) (limit string, retryAfter time.Duration) {
	if open > b.limits.Exchanges {
		return limitExchanges, time.Second
	}
	if !b.requests.AllowN(now, 1) {
		return limitRequests, time.Second
	}
	if !b.trailBytes.left(now) {
		return limitTrailBytes, 5 * time.Second
	}
	return "", 0
}

// admitTunnel is admit for a tunnel beside those that are open, which costs a certificate
// and a handshake.
func (b *bounds) admitTunnel(open int, now time.Time) (limit string) {
	if open >= b.limits.Tunnels {
		return limitTunnels
	}
	if !b.opening.AllowN(now, 1) {
		return limitTunnelRate
	}
	return ""
}

// meet is admit for the host of a request.
func (b *bounds) meet(host string, now time.Time) (limit string, retryAfter time.Duration) {
	if _, met := b.hosts[host]; met {
		return "", 0
	}
	if !b.newHosts.AllowN(now, 1) {
		return limitNewHosts, time.Minute/time.Duration(b.limits.NewHostsPerMinute) + time.Second
	}
	if len(b.hosts) >= maxKnownHosts {
		clear(b.hosts) // meeting them again costs new_hosts_per_minute, never more memory
	}
	b.hosts[host] = struct{}{}
	return "", 0
}

// met notes that the agent has met a bound.
func (b *bounds) met(limit string, now time.Time) {
	if b.atLimit == nil {
		b.atLimit = map[string]time.Time{}
	}
	b.atLimit[limit] = now
}

// byteBudget is one of the trail's bytes, which are known only once they are written: it
// may be overdrawn by one row, and then nothing more is taken until that has been made up.
type byteBudget struct{ limiter *rate.Limiter }

func newByteBudget(perMinute int) byteBudget {
	return byteBudget{rate.NewLimiter(rate.Limit(float64(perMinute)/60), perMinute)}
}

func (b byteBudget) left(now time.Time) bool { return b.limiter.TokensAt(now) > 0 }

func (b byteBudget) take(now time.Time, n int) { b.limiter.ReserveN(now, min(n, b.limiter.Burst())) }

// admit takes a request, and its host if one was found, from the agent's limits.
func (a *agent) admit(t *target, located bool, now time.Time) *refusal {
	a.mu.Lock()
	limit, retryAfter := a.bounds.admit(len(a.exchanges), now)
	if limit == "" && located {
		limit, retryAfter = a.bounds.meet(t.authority.Name.String(), now)
	}
	a.mu.Unlock()
	if limit == "" {
		return nil
	}
	return exceeded(limit, retryAfter)
}

// wrote takes what was written to the trail from the agent's budgets.
func (a *agent) wrote(now time.Time, n int, refused bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bounds.trailBytes.take(now, n)
	if refused {
		a.bounds.refusedBytes.take(now, n)
	}
}

// mayWriteRefusal reports whether a refused request gets a row of its own.
func (a *agent) mayWriteRefusal(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.bounds.refusedBytes.left(now) {
		return true
	}
	a.bounds.met(limitRefusedBytes, now)
	return false
}

// meets notes that the agent has met a bound.
func (a *agent) meets(limit string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bounds.met(limit, now)
}

// sums reports whether a refusal shares a row with others: for excess, or because refused
// requests have filled their part of the trail for now. Then name is told by which bound.
func (a *agent) sums(f *refusal, now time.Time, name func(limit string)) bool {
	if f.word == overLimit.word {
		return true
	}
	if a.mayWriteRefusal(now) {
		return false
	}
	name(limitRefusedBytes)
	return true
}
