package proxy

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/internal/host"
	"sallyport/internal/metrics"
	"sallyport/proxy/wire"
)

// clerk records what is refused beside exchanges, and sums up refusals for excess.
type clerk struct {
	standing
	agents  *agents
	trail   Trail
	metrics *metrics.Metrics
	log     *slog.Logger
}

// authorityOf is where a session's requests go; zero if each says so itself.
func authorityOf(s *wire.Session) host.Authority {
	if s.Tunnel == nil {
		return host.Authority{}
	}
	return s.Tunnel.Authority
}

// intent is what is known of a CONNECT, or of another request that no exchange comes of.
func (c *clerk) intent(s *wire.Session, authority host.Authority) *audit.Intent {
	g, peer := c.generation(), callerOf(s).peer
	record, _ := c.registry.Lookup(peer.Agent)
	now := c.now()
	in := &audit.Intent{
		ID: audit.NewID(), StartedAt: now, Who: g.who(peer.Agent, record, now), Method: http.MethodConnect,
		CertSerial: peer.Serial, ClientAddr: s.Client, HTTPVersion: "1.1",
	}
	if policy := g.Policies[record.Policy]; policy != nil {
		in.PolicyHash = policy.Hash()
	}
	if authority.Port != 0 {
		in.Host, in.Port = authority.Name.String(), authority.Port
	}
	return in
}

// refuse commits a refusal that has no exchange of its own, and returns the
// answer and the row that it names. It counts against the agent's limits, so that
// an agent cannot fill the trail with what is malformed either; and if it cannot be
// committed, the answer says so instead.
func (c *clerk) refuse(in *audit.Intent, f *refusal) (*refusal, uuid.UUID) {
	c.metrics.Exchange("", audit.OutcomeRefused, 0)
	a := c.agents.get(in.Agent)
	if limit, ok := in.Details["limit"].(string); ok {
		a.bounds.met(limit, in.StartedAt)
	}
	a.bounds.follow(c.generation().Limits)
	if f.word != overLimit.word && !a.bounds.requests.AllowN(in.StartedAt, 1) {
		f = exceeded(limitRequests, time.Second)
		in.Details = map[string]any{"limit": limitRequests}
	}
	a.mu.Unlock()
	if a.sums(f, in.StartedAt, func(limit string) { in.Details = map[string]any{"limit": limit} }) {
		if own, shared := a.summarise(in.ID, in.StartedAt, func() audit.Intent { return *in }); !own {
			return f, shared
		}
	}
	in.Refusal = f.word
	out := refusedOutcome(f, c.now())
	a.wrote(in.StartedAt, rowWeight(in, &out), true)
	if err := c.trail.Refused(context.Background(), in, &out); err != nil {
		return c.unrecorded(in.ID, err), in.ID
	}
	return f, in.ID
}

// unrecorded is the refusal for a trail that cannot be written: a fixed text,
// because the cause is the operator's business and not the agent's.
func (c *clerk) unrecorded(exchange uuid.UUID, err error) *refusal {
	c.log.Error("audit trail cannot be written", "exchange", exchange, "error", err)
	refusal := trailUnavailable.because("The request could not be recorded, so it was not let out.")
	refusal.retryAfter = 2 * time.Second
	return refusal
}
