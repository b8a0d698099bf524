package trail

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"sallyport/audit"
)

// Names returns the names of a group that the trail knows, of exchanges and of what was
// done to agents and credentials, which retention leaves. An agent has its UUID too.
func (r *Reader) Names(ctx context.Context, by audit.Group) (map[string]bool, error) {
	names := make(map[string]bool)
	add := func(x *audit.Exchange) {
		names[by.Of(x)] = true
		if by == audit.ByAgent {
			names[idOf(x.Agent)] = true
		}
	}
	err := r.snapshot(ctx, func(s *snapshot) error {
		for _, x := range s.fresh {
			add(x)
		}
		kinds, err := s.kinds(ctx, &audit.Filter{})
		for _, x := range kinds {
			add(x)
		}
		if err != nil {
			return err
		}
		return s.namesOfEvents(ctx, by, names)
	})
	if err != nil {
		return nil, fmt.Errorf("read what the trail knows by name: %w", err)
	}
	delete(names, "")
	return names, nil
}

// idOf is how people write an agent's id; "" for none.
func idOf(agent uuid.UUID) string {
	if agent == uuid.Nil {
		return ""
	}
	return agent.String()
}

// namesOfEvents adds what events about agents and credentials name.
func (s *snapshot) namesOfEvents(ctx context.Context, by audit.Group, names map[string]bool) error {
	keys := []string{string(by)}
	if by == audit.ByAgent {
		keys = append(keys, "name")
	}
	query := selectEvents + " WHERE type NOT IN ('intent', 'outcome') AND (type >= 'agent.' AND type < 'agent/' OR type = 'credential.checked')"
	return eachEvent(ctx, s.conn, query, nil, func(e *audit.Encoded) error {
		m, err := audit.DecodeMap(e.Payload)
		if err != nil {
			return atEvent(e.Seq, err)
		}
		for _, key := range keys {
			if name, ok := m[key].(string); ok {
				names[name] = true
			}
		}
		return nil
	})
}
