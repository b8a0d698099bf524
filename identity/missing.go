package identity

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"
)

// schemaMissing keeps since when owners of live agents have been missing from
// owners.yaml, so that their grace goes on over a restart.
const schemaMissing = `
CREATE TABLE missing_owners (
	owner TEXT PRIMARY KEY,
	since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`

// Missing is what changed about missing owners.
type Missing struct {
	Since    map[string]time.Time // by owner, of all that are missing now
	Left     []string             // missing for the first time
	Returned []string             // missing before, and not any more
}

// Missing says what NoteMissing would change, and changes nothing.
func (r *Registry) Missing(ctx context.Context, owners []string) (Missing, error) {
	return r.missing(ctx, owners, false)
}

// NoteMissing replaces the set of missing owners. Those that were missing before
// keep their time. If it fails, nothing has changed.
func (r *Registry) NoteMissing(ctx context.Context, owners []string) (Missing, error) {
	return r.missing(ctx, owners, true)
}

func (r *Registry) missing(ctx context.Context, owners []string, note bool) (Missing, error) {
	r.changes.Lock()
	defer r.changes.Unlock()
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return Missing{}, fmt.Errorf("missing owners: %w", explain(err))
	}
	defer func() { _ = tx.Rollback() }()
	known, err := readMissing(ctx, tx)
	if err != nil {
		return Missing{}, fmt.Errorf("read missing owners: %w", explain(err))
	}
	m := compareMissing(known, owners, fromMicro(r.now().UnixMicro()))
	if !note {
		return m, nil
	}
	if err := writeMissing(ctx, tx, m); err != nil {
		return Missing{}, fmt.Errorf("note missing owners: %w", explain(err))
	}
	return m, nil
}

func compareMissing(known map[string]time.Time, owners []string, now time.Time) Missing {
	m := Missing{Since: map[string]time.Time{}}
	for _, owner := range owners {
		since, ok := known[owner]
		if !ok {
			since = now
			m.Left = append(m.Left, owner)
		}
		m.Since[owner] = since
	}
	for owner := range known {
		if !slices.Contains(owners, owner) {
			m.Returned = append(m.Returned, owner)
		}
	}
	slices.Sort(m.Returned)
	return m
}

func writeMissing(ctx context.Context, tx *sql.Tx, m Missing) error {
	for _, owner := range m.Returned {
		if _, err := tx.ExecContext(ctx, `DELETE FROM missing_owners WHERE owner = ?`, owner); err != nil {
			return err
		}
	}
	for _, owner := range m.Left {
		if _, err := tx.ExecContext(ctx, `INSERT INTO missing_owners (owner, since) VALUES (?, ?)`, owner, m.Since[owner].UnixMicro()); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func readMissing(ctx context.Context, tx *sql.Tx) (map[string]time.Time, error) {
	known := map[string]time.Time{}
	err := each(ctx, tx, `SELECT owner, since FROM missing_owners`, nil, func(rows *sql.Rows) error {
		var owner string
		var since int64
		if err := rows.Scan(&owner, &since); err != nil {
			return err
		}
		known[owner] = fromMicro(since)
		return nil
	})
	return known, err
}
