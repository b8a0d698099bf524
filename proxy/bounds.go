package proxy

import (
	"time"

	"sallyport/audit"
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

// wrote takes what was written to the trail from the agent's budgets.
func (a *agent) wrote(now time.Time, n int, refused bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trailBytes.take(now, n)
	if refused {
		a.refusedBytes.take(now, n)
	}
}

// mayWriteRefusal reports whether a refused request gets a row of its own.
func (a *agent) mayWriteRefusal(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refusedBytes.left(now) {
		return true
	}
	a.met(limitRefusedBytes, now)
	return false
}

// meets notes that the agent has met a bound.
func (a *agent) meets(limit string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.met(limit, now)
}

// met is meets for a caller that holds a.mu.
func (a *agent) met(limit string, now time.Time) {
	if a.atLimit == nil {
		a.atLimit = map[string]time.Time{}
	}
	a.atLimit[limit] = now
}

// atLimit counts the agents that have met a bound within the last minute.
func (p *Proxy) atLimit(limit string) float64 {
	n, after := 0, p.now().Add(-atLimitFor)
	for _, a := range p.agents.all() {
		a.mu.Lock()
		if a.atLimit[limit].After(after) {
			n++
		}
		a.mu.Unlock()
	}
	return float64(n)
}

// rowBase is what a row takes of the trail beside its texts: two events, their hashes, what
// every row says, and the row of the index.
const rowBase = 700

// eventBase is what an event beside a row takes, beside its list.
const eventBase = rowBase / 2

// longestStored is at which length a path is cut before it is stored.
const longestStored = 2 << 10

// rowWeight is about how many bytes an exchange takes in the trail, whose texts are indexed
// too.
func rowWeight(in *audit.Intent, out *audit.Outcome) int {
	n := rowBase + 2*min(len(in.Path), longestStored) + 2*len(in.Resource) + weightOf(in.Details)
	if out != nil {
		n += outcomeWeight(out)
	}
	return n
}

// outcomeWeight is what the texts of an outcome add to that.
func outcomeWeight(out *audit.Outcome) int { return 2*len(out.Error) + weightOf(out.Details) }

// weightOf is about how many bytes a value of a row's details takes.
func weightOf(value any) int {
	n := 4
	switch value := value.(type) {
	case string:
		n += len(value)
	case []string:
		for _, one := range value {
			n += len(one) + 2
		}
	case []any:
		for _, one := range value {
			n += weightOf(one)
		}
	case map[string]any:
		for key, one := range value {
			n += len(key) + weightOf(one)
		}
	}
	return n
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
