package proxy

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"sallyport/proxy/wire"
)

// Bounds of the sweep over open exchanges.
const (
	sweepInterval = 250 * time.Millisecond
	stallTimeout  = 10 * time.Minute // without a byte in either direction
)

// Cut breaks off everything that the agent has open if it is no longer active, and
// revokes what was minted for it if it is gone for good. Of an agent that is active it
// breaks off what was opened with a certificate that is not valid any more. Call it after
// the registry has been changed.
func (p *Proxy) Cut(id uuid.UUID) {
	if p.cut(id) == agentRevoked.word {
		p.disown(id)
	}
}

// cut returns why the agent is no longer active, as a word of refusals, or "".
func (p *Proxy) cut(id uuid.UUID) string {
	record, found := p.registry.Lookup(id)
	refusal := unknownIdentity.because("The agent is gone.")
	if found {
		refusal = inactive(record.State(p.now()))
	}
	if refusal == nil {
		p.cutCertificates(id)
		return ""
	}
	exchanges, tunnels := p.agents.open(id)
	cause := &cutError{refusal: refusal}
	for _, x := range exchanges {
		x.flow.Cut(cause)
	}
	p.agents.forget(id) // what an exchange keeps after it, that exchange drops
	for _, t := range tunnels {
		_ = t.Cut()
	}
	if len(exchanges)+len(tunnels) > 0 {
		p.log.Info("agent cut off", "agent", id, "refusal", refusal.word, "exchanges", len(exchanges), "tunnels", len(tunnels))
	}
	return refusal.word
}

// cutCertificates breaks off what an agent has opened with certificates that are revoked,
// or at their end without a newer one. Its idle connections go too: whoever holds a stolen
// certificate could keep them until there is no room for the agent itself.
func (p *Proxy) cutCertificates(id uuid.UUID) {
	exchanges, tunnels := p.agents.open(id)
	now, n := p.now(), 0
	for _, x := range exchanges {
		if refusal := unusable(p.registry.CertificateState(x.caller.peer.Serial, now)); refusal != nil {
			x.flow.Cut(&cutError{refusal: refusal})
			n++
		}
	}
	for _, t := range tunnels {
		if unusable(p.registry.CertificateState(callerOf(t.Session).peer.Serial, now)) != nil {
			_ = t.Cut()
			n++
		}
	}
	for _, c := range p.agents.connections(id) {
		if unusable(p.registry.CertificateState(c.peer.Serial, now)) != nil && !c.doomed.Swap(true) {
			time.AfterFunc(wire.CutGrace, func() { _ = c.conn.Close() }) // an answer on it may say why
			n++
		}
	}
	if n > 0 {
		p.log.Info("connections of a certificate cut off", "agent", id, "cut", n)
	}
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
				x.flow.Cut(cause)
			}
		}
	}
}

// sweep looks after what no request looks after, until ctx ends. It never waits.
func (p *Proxy) sweep(ctx context.Context) {
	every(ctx, p.sweepEvery, func() {
		p.cutInactive()
		p.cutStalled()
		p.evictIdle()
	})
}

func every(ctx context.Context, interval time.Duration, do func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}

// cutInactive cuts agents whose time is over, which no command announces. It
// finds a status that was changed in another way, too.
func (p *Proxy) cutInactive() {
	for _, a := range p.agents.all() {
		// Its tokens once only: the agent stays at work here until it has been idle.
		if p.cut(a.id) == agentRevoked.word && !a.disowned.Swap(true) {
			p.disown(a.id)
		}
	}
}

func (p *Proxy) cutStalled() {
	for _, a := range p.agents.all() {
		exchanges, _ := a.open()
		for _, x := range exchanges {
			if x.flow.Quiet() > p.stallTimeout {
				x.flow.Cut(errStalled)
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
