package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"sallyport/internal/sqlite"
)

// Copy writes the registry at from, as it is at one moment, into a new file at to. It
// disturbs nobody who works with it.
func Copy(ctx context.Context, from, to string) error {
	if err := sqlite.CopyTo(ctx, from, to); err != nil {
		return fmt.Errorf("copy the agent registry: %w", explain(err))
	}
	return nil
}

// SuspendWhere suspends every active agent that which says, all of them or none, and
// returns them as they are then.
func (r *Registry) SuspendWhere(ctx context.Context, reason string, which func(Agent) bool) ([]Agent, error) {
	if err := checkReason(reason); err != nil {
		return nil, fmt.Errorf("suspend agents: %w", err)
	}
	r.changes.Lock()
	defer r.changes.Unlock()
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("suspend agents: begin: %w", explain(err))
	}
	defer func() { _ = tx.Rollback() }()
	holders, err := r.suspend(ctx, tx, reason, which)
	if err != nil {
		return nil, fmt.Errorf("suspend agents: %w", explain(err))
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("suspend agents: commit: %w", explain(err))
	}
	agents := make([]Agent, 0, len(holders))
	for _, h := range holders {
		r.publish(h)
		agents = append(agents, h.agent)
	}
	return agents, nil
}

func (r *Registry) suspend(ctx context.Context, tx *sql.Tx, reason string, which func(Agent) bool) ([]*holder, error) {
	var ids []uuid.UUID
	for _, a := range r.List() {
		if a.Status == Active && which(a) {
			ids = append(ids, a.ID)
		}
	}
	var holders []*holder
	for _, id := range ids {
		h, err := readOne(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		if h == nil || h.agent.Status != Active {
			continue // another process was first
		}
		h.agent.Status, h.agent.Reason, h.agent.ChangedAt = Suspended, reason, fromMicro(r.now().UnixMicro())
		if err := updateAgent(ctx, tx, h.agent); err != nil {
			return nil, err
		}
		holders = append(holders, h)
	}
	return holders, nil
}

// ReadAgents reads the agents of a registry that nobody changes, as a copy is.
func ReadAgents(ctx context.Context, path string) ([]Agent, error) {
	db, err := sqlite.Open(path, sqlite.Options{ReadOnly: true, Connections: 1})
	if err != nil {
		return nil, fmt.Errorf("read agents: %w", err)
	}
	holders, err := readAll(ctx, db)
	if err = errors.Join(err, db.Close()); err != nil {
		return nil, fmt.Errorf("read agents of %s: %w", path, err)
	}
	agents := make([]Agent, 0, len(holders))
	for _, h := range holders {
		agents = append(agents, h.agent)
	}
	return agents, nil
}
