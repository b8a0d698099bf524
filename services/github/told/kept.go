package told

import (
	"encoding/json"
	"fmt"
	"time"
)

// kept is a number as it outlives a restart.
type kept struct {
	Agent  string    `json:"agent"`
	Server string    `json:"server"`
	Number string    `json:"number"`
	Name   string    `json:"name,omitempty"`
	Until  time.Time `json:"until"`
}

// Snapshot returns the numbers that are known, nil if nothing has changed since the last one.
func (b *Book) Snapshot() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.changed {
		return nil, nil
	}
	b.changed = false
	now, all := b.now(), []kept{}
	for agent, p := range b.agents {
		for key, n := range p.numbers {
			if now.Before(n.until) {
				all = append(all, kept{agent, key.server, key.path, n.path, n.until})
			}
		}
	}
	return json.Marshal(all)
}

// Restore takes a snapshot. What has ended meanwhile is left out.
func (b *Book) Restore(snapshot []byte) error {
	var all []kept
	if err := json.Unmarshal(snapshot, &all); err != nil {
		return fmt.Errorf("read what GitHub has told: %w", err)
	}
	for _, k := range all {
		b.Tell(k.Agent, k.Server, k.Number, k.Name, k.Until)
	}
	return nil
}
