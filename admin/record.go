package admin

import (
	"context"
	"fmt"
	"maps"
	"time"

	"sallyport/audit"
	"sallyport/identity"
)

// recordTimeout bounds the wait for the trail. It runs whether or not the caller still waits:
// a caller who gives up must not keep an event out of the trail.
const recordTimeout = 5 * time.Second

// record puts an event into the trail together with who asked for it.
func (s *Session) record(ctx context.Context, event string, payload map[string]any) error {
	payload = maps.Clone(payload)
	maps.Copy(payload, s.principal.Payload())
	return s.service.record(ctx, event, payload)
}

func (s *Service) record(ctx context.Context, event string, payload map[string]any) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err := s.Trail.Record(ctx, audit.Event{Type: event, Payload: payload}); err != nil {
		return fmt.Errorf("record %s in the audit trail: %w", event, err)
	}
	return nil
}

// Payload names the local user in an event.
func (c Principal) Payload() map[string]any {
	m := map[string]any{"uid": c.UID, "user": c.User, "via": c.Via}
	c.origin.payload(m)
	return m
}

func (s *Session) recordAgent(ctx context.Context, event string, view View, a identity.Agent) error {
	return s.record(ctx, event, agentPayload(view, a, s.service.Now()))
}

// agentPayload is what an event tells of an agent.
func agentPayload(view View, a identity.Agent, at time.Time) map[string]any {
	payload := view.who(a, at).Payload()
	payload["status"], payload["expires_at"] = string(a.Status), stamp(a.ExpiresAt)
	if a.Reason != "" {
		payload["reason"] = a.Reason
	}
	return payload
}

// who is the agent as the trail tells it at a moment.
func (v View) who(a identity.Agent, at time.Time) audit.Who {
	return audit.Who{Agent: a.ID, AgentName: a.Name, Owner: a.Owner, Policy: a.Policy}.Answering(v.Owners, at)
}

// stamp is a time as the trail writes it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
