package trail

import (
	"context"
	"database/sql"
	"errors"
)

// tidying removes from the projection what told of removed exchanges: whole
// segments, the terms of removed exchanges in those that have others, and kinds
// that no exchange is of any more. Each step is short.
type tidying struct {
	segment int64 // the last one looked at
	begun   bool
	scanned int64 // the last exchange whose kind is known to be used
	used    map[int64]bool
	newest  int64 // the last kind when it began
}

// kindsAtOnce exchanges are looked at in one step.
const kindsAtOnce = 20000

// tidy does the next step, and is done after the last.
func (p *pruning) tidy(w *committer) (done bool, err error) {
	if p.pruned.Exchanges == 0 {
		return true, nil
	}
	t := &p.tidying
	if !t.begun {
		// What is in memory has terms of what was removed.
		t.begun = true
		w.projecting.projector.reset()
	}
	if err := w.projecting.projector.load(w.store); err != nil {
		return true, err
	}
	more, err := p.tidySegment(w)
	if err != nil || more {
		return err != nil, err
	}
	return p.tidyKinds(w)
}

// tidySegment looks at the next segment, if there is one more.
func (p *pruning) tidySegment(w *committer) (more bool, err error) {
	ctx, t := context.Background(), &p.tidying
	var first, last, n, left int64
	err = w.store.conn.QueryRowContext(ctx, `SELECT id, first_seq, last_seq, exchanges, (SELECT count(*) FROM exchanges WHERE seq BETWEEN first_seq AND last_seq)
		FROM segments WHERE id > ? AND first_seq <= ? ORDER BY id LIMIT 1`, t.segment, int64(p.pruned.UpTo)).Scan(&t.segment, &first, &last, &n, &left)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil || left == n {
		return true, err
	}
	var rest *segment
	if left > 0 {
		rest = newSegment()
		if err := readSegment(ctx, w.store.conn, rest, first, last, w.projecting.projector.cursor, segmentSize); err != nil {
			return true, err
		}
	}
	return true, securely(w, func() error {
		for _, query := range []string{"DELETE FROM terms WHERE segment = ?", "DELETE FROM segments WHERE id = ?"} {
			if _, err := w.store.conn.ExecContext(ctx, query, t.segment); err != nil {
				return err
			}
		}
		if rest == nil {
			return nil
		}
		return w.projecting.projector.writeSegment(t.segment, rest)
	})
}

// tidyKinds looks for kinds that are not used, and removes them in the step
// that has reached the last exchange.
func (p *pruning) tidyKinds(w *committer) (done bool, err error) {
	ctx, t := context.Background(), &p.tidying
	if t.used == nil {
		t.used = make(map[int64]bool)
		if err := w.store.conn.QueryRowContext(ctx, "SELECT coalesce(max(id), 0) FROM kinds").Scan(&t.newest); err != nil {
			return true, err
		}
	}
	before := t.scanned
	if err := t.scan(ctx, w.store.conn); err != nil || t.scanned != before {
		return err != nil, err
	}
	unused, err := t.unused(ctx, w.store.conn)
	if err != nil {
		return true, err
	}
	err = securely(w, func() error {
		for _, id := range unused {
			if _, err := w.store.conn.ExecContext(ctx, "DELETE FROM kinds WHERE id = ?", id); err != nil {
				return err
			}
		}
		return nil
	})
	w.projecting.projector.reset() // it remembers kinds that are gone
	return true, err
}

// scan notes the kinds of the next exchanges.
func (t *tidying) scan(ctx context.Context, q querier) error {
	rows, err := q.QueryContext(ctx, "SELECT seq, kind FROM exchanges WHERE seq > ? ORDER BY seq LIMIT ?", t.scanned, kindsAtOnce)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var kind int64
		if err := rows.Scan(&t.scanned, &kind); err != nil {
			return err
		}
		t.used[kind] = true
	}
	return rows.Err()
}

func (t *tidying) unused(ctx context.Context, q querier) (list []int64, err error) {
	rows, err := q.QueryContext(ctx, "SELECT id FROM kinds WHERE id <= ?", t.newest)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		if !t.used[id] {
			list = append(list, id)
		}
	}
	return list, rows.Err()
}
