package audit

import (
	"time"

	"github.com/google/uuid"
)

// Who is on whose behalf something is done: the agent, the policy that it is under, whom it
// belongs to, and the person who answers for it at that moment. A zero field means unknown.
type Who struct {
	Agent       uuid.UUID
	AgentName   string
	Owner       string
	Accountable string
	Policy      string
}

// Directory knows who answers at a moment for what an owner has: "person:dana", or "" for nobody.
type Directory interface {
	Accountable(owner string, at time.Time) string
}

// Answering is the one way to a Who: w with the person who answers at a moment for what its
// owner has. Who is accountable is never written by hand.
func (w Who) Answering(d Directory, at time.Time) Who {
	w.Accountable = d.Accountable(w.Owner, at)
	return w
}

// Payload tells w in an event.
func (w Who) Payload() map[string]any {
	m := map[string]any{"agent": w.Agent.String(), "name": w.AgentName, "policy": w.Policy, "owner": w.Owner}
	if w.Accountable != "" {
		m["accountable"] = w.Accountable
	}
	return m
}
