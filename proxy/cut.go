package proxy

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"sallyport/proxy/wire"
)

// Bounds of the rounds over open exchanges.
const (
	sweepInterval = 250 * time.Millisecond
	stallTimeout  = 10 * time.Minute // without a byte in either direction
)

// patrol cuts what may not go on: at once when it is told of a change, and on its rounds
// what no command announces.
type patrol struct {
	standing
	agents  *agents
	errands *errands
	log     *slog.Logger

	every   time.Duration // between two rounds
	stalled time.Duration // without a byte, after which an exchange is cut
}

// changed breaks off what an agent has open and may not have any more, and disowns it if
// it is gone for good.
func (p *patrol) changed(id uuid.UUID) {
	if p.cut(id) == agentRevoked.word {
		p.errands.disown(id)
	}
}

// cut returns why the agent is no longer active, as a word of refusals, or "".
func (p *patrol) cut(id uuid.UUID) string {
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
func (p *patrol) cutCertificates(id uuid.UUID) {
	exchanges, tunnels := p.agents.open(id)
	now, n := p.now(), 0
	for _, x := range exchanges {
		if refusal := unusable(p.registry.CertificateState(x.sender.peer.Serial, now)); refusal != nil {
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

// recheck cuts every open exchange that the configuration now in force would not
// allow.
func (p *patrol) recheck() {
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

// rounds looks after what no request looks after, until ctx ends. It never waits.
func (p *patrol) rounds(ctx context.Context) {
	every(ctx, p.every, func() {
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
func (p *patrol) cutInactive() {
	for _, a := range p.agents.all() {
		// Its tokens once only: the agent stays at work here until it has been idle.
		if p.cut(a.id) == agentRevoked.word && !a.disowned.Swap(true) {
			p.errands.disown(a.id)
		}
	}
}

func (p *patrol) cutStalled() {
	for _, a := range p.agents.all() {
		exchanges, _ := a.open()
		for _, x := range exchanges {
			if x.flow.Quiet() > p.stalled {
				x.flow.Cut(errStalled)
			}
		}
	}
}

func (p *patrol) evictIdle() {
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
