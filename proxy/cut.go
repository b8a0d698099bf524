package proxy

import (
	"context"
	"maps"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
)

// Bounds of the sweep over open exchanges.
const (
	sweepInterval = 250 * time.Millisecond
	stallTimeout  = 10 * time.Minute // without a byte in either direction
	excessWindow  = 10 * time.Second // refusals for excess that share a row
)

// Cut breaks off everything that the agent has open if it is no longer active.
// Call it after the registry has been changed.
func (p *Proxy) Cut(id uuid.UUID) {
	record, found := p.registry.Lookup(id)
	refusal := unknownIdentity.because("The agent is gone.")
	if found {
		refusal = inactive(record.State(p.now()))
	}
	if refusal == nil {
		return
	}
	exchanges, tunnels := p.agents.open(id)
	cause := &cutError{refusal: refusal}
	for _, x := range exchanges {
		x.abort(cause)
	}
	for _, t := range tunnels {
		_ = t.cut()
	}
	if len(exchanges)+len(tunnels) > 0 {
		p.log.Info("agent cut off", "agent", id, "refusal", refusal.word, "exchanges", len(exchanges), "tunnels", len(tunnels))
	}
}

func (a *agents) open(id uuid.UUID) (exchanges []*exchange, tunnels []*tunnel) {
	a.mu.RLock()
	one := a.at[id]
	a.mu.RUnlock()
	if one == nil {
		return nil, nil
	}
	return one.open()
}

// open lists what the agent has open. What registers after it reads the mark.
func (a *agent) open() (exchanges []*exchange, tunnels []*tunnel) {
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

// Recheck cuts every open exchange that the configuration now in force would not
// allow. Call it after the configuration has been swapped.
func (p *Proxy) Recheck() {
	g := p.generation()
	cause := &cutError{refusal: deniedByPolicy.because("The configuration has changed and no longer allows this exchange.")}
	for _, a := range p.agents.all() {
		exchanges, _ := a.open()
		for _, x := range exchanges {
			// One that is not confirmed yet looks at the configuration itself.
			if x.confirmed.Load() && x.generation != g && !x.allowedBy(g) {
				x.abort(cause)
			}
		}
	}
}

// sweep looks after what no request looks after, until ctx ends.
func (p *Proxy) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			p.sumUp(true)
			return
		case <-ticker.C:
			p.sumUp(false)
			p.cutInactive()
			p.cutStalled()
			p.evictIdle()
		}
	}
}

// cutInactive cuts agents whose time is over, which no command announces. It
// finds a status that was changed in another way, too.
func (p *Proxy) cutInactive() {
	for _, a := range p.agents.all() {
		p.Cut(a.id)
	}
}

func (p *Proxy) cutStalled() {
	for _, a := range p.agents.all() {
		exchanges, _ := a.open()
		for _, x := range exchanges {
			if time.Since(x.started)-time.Duration(x.progress.Load()) > p.stallTimeout {
				x.abort(errStalled)
			}
		}
	}
}

func (p *Proxy) evictIdle() {
	before := p.now().Add(-agentIdle)
	for _, a := range p.agents.all() {
		a.mu.Lock()
		idle := len(a.tunnels)+len(a.exchanges) == 0 && a.used.Before(before)
		a.mu.Unlock()
		if idle {
			p.agents.evict(a, before)
		}
	}
}

// summarise takes a refusal for excess into the agent's open window. The first
// one opens it and has a row of its own (true); the others share the window's.
func (x *exchange) summarise() (own bool, id uuid.UUID) {
	x.agent.mu.Lock()
	defer x.agent.mu.Unlock()
	if x.agent.excess == nil {
		x.agent.excess = &excess{id: audit.NewID(), since: x.started}
		return true, x.id
	}
	e := x.agent.excess
	if e.count == 0 {
		x.fillIntent()
		e.first = x.intent
	}
	e.count++
	return false, e.id
}

// sumUp writes the rows of windows that are over.
func (p *Proxy) sumUp(all bool) {
	for _, a := range p.agents.all() {
		a.mu.Lock()
		e := a.excess
		if e == nil || !all && p.now().Sub(e.since) < excessWindow {
			a.mu.Unlock()
			continue
		}
		a.excess = nil
		a.mu.Unlock()
		if e.count > 0 {
			p.recordExcess(e)
		}
	}
}

func (p *Proxy) recordExcess(e *excess) {
	in := e.first
	details := map[string]any{"refused": e.count, "since": e.since.UTC().Format(time.RFC3339Nano)}
	maps.Copy(details, in.Details)
	in.ID, in.Details = e.id, details
	p.recordRefusal(&in, overLimit.because("The agent was over its limit; the requests of this window are summed up."))
}
