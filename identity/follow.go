package identity

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errFollowing refuses changes here while another process makes them.
var errFollowing = errors.New("another process has taken over the agents of this home; ask that one")

// Follow brings into the view what another process changes in the database: at each interval
// until ctx ends, and once more then. Meanwhile this registry refuses changes of its own. An
// error says that the view is not up to date any more: whoever relies on it must stop.
func (r *Registry) Follow(ctx context.Context, every time.Duration) error {
	r.following.Store(true)
	defer r.following.Store(false)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for seen := int64(-1); ; {
		version, err := r.dataVersion(ctx)
		if err == nil && version != seen {
			err = r.reread(ctx)
		}
		if ctx.Err() != nil {
			err = r.reread(context.WithoutCancel(ctx))
		}
		if err != nil || ctx.Err() != nil {
			return followed(err)
		}
		seen = version
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

func followed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("follow the agent registry: %w", explain(err))
}

// dataVersion changes when another connection has changed the database
// (https://www.sqlite.org/pragma.html#pragma_data_version).
func (r *Registry) dataVersion(ctx context.Context) (int64, error) {
	var version int64
	err := r.db.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version)
	return version, err
}

func (r *Registry) reread(ctx context.Context) error {
	r.changes.Lock()
	defer r.changes.Unlock()
	holders, err := readAll(ctx, r.db)
	if err != nil {
		return err
	}
	for _, h := range holders {
		r.publish(h)
	}
	return nil
}
