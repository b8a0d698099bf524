package proxy

import (
	"context"
	"maps"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
)

// excess sums up refusals for one limit, which get one row together, so that a
// runaway agent cannot fill the trail.
type excess struct {
	id    uuid.UUID // the row's, and the one that every such answer names
	since time.Time
	count int          // beside the one that opened the window, which has a row of its own
	first audit.Intent // what the first of them was
}

// summarise takes a refusal for excess into the agent's open window. The first
// one opens it and has a row of its own (true); the others share the window's,
// which says what the first of them was.
func (a *agent) summarise(id uuid.UUID, at time.Time, intent func() audit.Intent) (own bool, row uuid.UUID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.excess == nil {
		a.excess = &excess{id: audit.NewID(), since: at}
		return true, id
	}
	if a.excess.count == 0 {
		a.excess.first = intent()
	}
	a.excess.count++
	return false, a.excess.id
}

// keep puts a window back that could not be written.
func (a *agent) keep(e *excess) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.excess != nil {
		e.count += a.excess.count
	}
	a.excess = e
}

const (
	sumUpInterval = time.Second
	excessWindow  = 10 * time.Second // refusals for excess that share a row
)

// sumUpWindows writes the rows of refusals for excess until ctx ends. It waits
// for the trail.
func (c *clerk) sumUpWindows(ctx context.Context) {
	every(ctx, sumUpInterval, func() { c.sumUp(false) })
	c.sumUp(true)
}

// sumUp writes the rows of windows that are over. What cannot be written now is
// kept for the next time.
func (c *clerk) sumUp(all bool) {
	for _, a := range c.agents.all() {
		a.mu.Lock()
		e := a.excess
		if e == nil || !all && c.now().Sub(e.since) < excessWindow {
			a.mu.Unlock()
			continue
		}
		a.excess = nil
		a.mu.Unlock()
		if e.count == 0 {
			continue
		}
		if err := c.recordExcess(e); err != nil {
			c.unrecorded(e.id, err)
			a.keep(e)
		}
	}
}

func (c *clerk) recordExcess(e *excess) error {
	in := e.first
	in.ID, in.Refusal = e.id, overLimit.word
	in.Details = map[string]any{"refused": e.count, "since": e.since.UTC().Format(time.RFC3339Nano)}
	maps.Copy(in.Details, e.first.Details)
	out := refusedOutcome(overLimit.because("The agent was over its limit; the requests of this window are summed up."), c.now())
	return c.trail.Refused(context.Background(), &in, &out)
}
