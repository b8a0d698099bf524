package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// projectedRow is a row of exchanges.
type projectedRow struct {
	seq, started, kind int64
	id                 uuid.UUID
	outcomeSeq         sql.NullInt64
	outcome            sql.NullString
	status             sql.NullInt64
}

// projectionWalk reads the rows of exchanges in the order of their intents,
// beside the events.
type projectionWalk struct {
	rows  *sql.Rows
	next  *projectedRow
	kinds map[int64]string // id to key
}

func walkProjection(ctx context.Context, conn *sql.Conn) (*projectionWalk, error) {
	kinds, err := readKinds(ctx, conn)
	if err != nil {
		return nil, err
	}
	//nolint:rowserrcheck // advance checks it, at the end of the rows
	rows, err := conn.QueryContext(ctx, "SELECT seq, id, started_at, kind, outcome_seq, outcome, status FROM exchanges ORDER BY seq")
	if err != nil {
		return nil, err
	}
	w := &projectionWalk{rows: rows, kinds: kinds}
	if err := w.advance(); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *projectionWalk) close() { _ = w.rows.Close() }

func (w *projectionWalk) advance() error {
	w.next = nil
	if !w.rows.Next() {
		return w.rows.Err()
	}
	r := new(projectedRow)
	var id []byte
	if err := w.rows.Scan(&r.seq, &id, &r.started, &r.kind, &r.outcomeSeq, &r.outcome, &r.status); err != nil {
		return fmt.Errorf("read projection: %w", err)
	}
	if len(id) == len(r.id) {
		copy(r.id[:], id)
	}
	w.next = r
	return nil
}

// intent takes the row of an intent and compares the two.
func (w *projectionWalk) intent(v *verifier, e *event) (*projectedRow, error) {
	for w.next != nil && w.next.seq < int64(e.seq) {
		if err := v.problem("projection: row %d has no intent", w.next.seq); err != nil {
			return nil, err
		}
		if err := w.advance(); err != nil {
			return nil, err
		}
	}
	projected := int64(e.seq) <= v.snapshot.cursor
	if w.next == nil || w.next.seq > int64(e.seq) {
		if projected && !e.removed {
			return nil, v.problem("projection: event %d is missing", e.seq)
		}
		return nil, nil
	}
	r := w.next
	if err := w.advance(); err != nil {
		return nil, err
	}
	if e.removed {
		return r, nil
	}
	key, err := kindBytes(e.payload)
	if err != nil {
		return r, nil //nolint:nilerr // the problem is named already
	}
	if have, ok := w.kinds[r.kind]; !projected || r.id != e.exchange || r.started != e.at || !ok || have != string(key) {
		return r, v.problem("projection: event %d is told otherwise", e.seq)
	}
	return r, nil
}

// outcome compares an outcome with the row of its intent.
func (w *projectionWalk) outcome(v *verifier, r *projectedRow, e *event) error {
	if r == nil {
		return nil
	}
	if int64(e.seq) > v.snapshot.cursor {
		if r.outcomeSeq.Valid {
			return v.problem("projection: outcome of event %d is there before its time", r.seq)
		}
		return nil
	}
	outcome, status, err := result(e.payload)
	if err != nil || e.removed {
		return nil //nolint:nilerr // named already, or nothing to compare with
	}
	if r.outcomeSeq.Int64 != int64(e.seq) || r.outcome.String != outcome || r.status.Int64 != status {
		return v.problem("projection: outcome of event %d, event %d, is told otherwise", r.seq, e.seq)
	}
	return nil
}

// finish looks at what is left when the events have ended.
func (w *projectionWalk) finish(v *verifier) error {
	for _, b := range v.openInOrder() {
		if b.row != nil && b.row.outcomeSeq.Valid {
			if err := v.problem("projection: event %d has an outcome that is no event", b.seq); err != nil {
				return err
			}
		}
	}
	if w.next != nil {
		return v.problem("projection: row %d has no intent", w.next.seq)
	}
	if v.snapshot.cursor > v.tree.size {
		return v.problem("projection: it goes up to event %d, the events to %d", v.snapshot.cursor, v.tree.size)
	}
	return nil
}

// readKinds reads all kinds by id, each checked to say what its key says.
func readKinds(ctx context.Context, conn *sql.Conn) (map[int64]string, error) {
	rows, err := conn.QueryContext(ctx, `SELECT id, key, agent, agent_name, owner, accountable, policy, rule, decision, refusal,
		method, scheme, host, port, operation, credential FROM kinds`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	kinds := make(map[int64]string)
	for rows.Next() {
		var id int64
		var key, agent []byte
		var in Intent
		err := rows.Scan(&id, &key, &agent, &in.AgentName, &in.Owner, &in.Accountable, &in.Policy, &in.Rule, &in.Decision,
			&in.Refusal, &in.Method, &in.Scheme, &in.Host, &in.Port, &in.Operation, &in.Credential)
		if err != nil {
			return nil, fmt.Errorf("read kinds: %w", err)
		}
		copy(in.Agent[:], agent)
		// A row that says anything else counts as no kind: every exchange of
		// it is then told otherwise.
		if string(appendIntent(nil, &in, "")) == string(key) {
			kinds[id] = string(key)
		}
	}
	return kinds, rows.Err()
}

// verifyBlocks checks that queries which narrow by blocks miss nothing.
func (v *verifier) verifyBlocks(ctx context.Context) error {
	var seq int64
	err := v.snapshot.conn.QueryRowContext(ctx, `SELECT x.seq FROM exchanges x WHERE NOT EXISTS (
		SELECT 1 FROM blocks b WHERE b.id = (SELECT id FROM blocks WHERE first_seq <= x.seq ORDER BY first_seq DESC LIMIT 1)
		AND x.seq <= b.last_seq AND x.started_at BETWEEN b.min_started AND b.max_started AND x.id BETWEEN b.min_id AND b.max_id
		AND EXISTS (SELECT 1 FROM block_kinds k WHERE k.kind = x.kind AND k.block = b.id)
		AND (x.outcome_seq IS NULL OR EXISTS (SELECT 1 FROM block_results r WHERE r.outcome = x.outcome AND r.status = x.status AND r.block = b.id))) LIMIT 1`).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("verify blocks: %w", err)
	}
	return v.problem("projection: event %d is not found by its block", seq)
}
