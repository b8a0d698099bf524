package trail

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"time"

	"sallyport/audit"
)

// pruneStep exchanges are pruned in one transaction: a commit that comes
// meanwhile waits for no more than that.
const pruneStep = 64

// Prune removes the payloads of old exchanges for good. Their events stay, with
// the payloads' hashes, so that the trail still verifies; queries do not tell
// them any more. The removal is announced by an event first. It is done in
// small steps between commits and may be stopped and asked for again.
func (t *Writer) Prune(ctx context.Context, r audit.PruneRequest) (audit.Pruned, error) {
	p := &pruning{request: r}
	if err := t.do(ctx, p.plan); err != nil {
		return p.pruned, fmt.Errorf("prune: %w", err)
	}
	if p.pruned.UpTo == 0 {
		p.pruned.Done = true
		return p.pruned, nil
	}
	if p.announce {
		payload := maps.Clone(r.By)
		if payload == nil {
			payload = map[string]any{}
		}
		payload["before"], payload["up_to"] = audit.FormatTime(r.Before), p.pruned.UpTo
		if err := t.Record(ctx, audit.Event{Type: audit.TypeTrailPruned, Payload: payload}); err != nil {
			return p.pruned, fmt.Errorf("prune: %w", err)
		}
	}
	err := t.do(ctx, p.step)
	p.pruned.Done = err == nil
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	if err != nil {
		return p.pruned, fmt.Errorf("prune: %w", err)
	}
	return p.pruned, nil
}

// pruning is a removal under way.
type pruning struct {
	request  audit.PruneRequest
	announce bool
	after    int64 // the intent of the last exchange looked at
	tidying  tidying
	pruned   audit.Pruned
}

// plan finds the last event to touch, and whether it is announced already.
func (p *pruning) plan(w *committer) (bool, error) {
	ctx := context.Background()
	first, err := firstSince(ctx, w.store.conn, p.request.Before)
	if err != nil {
		return true, err
	}
	upTo := min(uint64(first-1), uint64(w.projecting.projector.cursor))
	if p.request.UpTo != 0 {
		upTo = min(upTo, p.request.UpTo)
	}
	var seq int64
	err = w.store.conn.QueryRowContext(ctx, "SELECT seq FROM exchanges WHERE seq <= ? AND outcome_seq <= ? LIMIT 1", int64(upTo), int64(upTo)).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil // nothing to remove
	}
	if err != nil {
		return true, err
	}
	p.pruned.UpTo, p.announce = upTo, true
	query := selectEvents + " WHERE type = '" + audit.TypeTrailPruned + "' AND type NOT IN ('intent', 'outcome') ORDER BY seq DESC LIMIT 1"
	err = eachEvent(ctx, w.store.conn, query, nil, func(e *audit.Encoded) error {
		m, err := audit.DecodeMap(e.Payload)
		if last, ok := m["up_to"].(int64); ok && uint64(last) >= upTo {
			p.announce = false
		}
		return err
	})
	return true, err
}

type rowQueryer interface {
	rowQuerier
	querier
}

// firstSince is the intent of the first exchange that began at or after a time,
// or the seq after the last event.
func firstSince(ctx context.Context, q rowQueryer, at time.Time) (int64, error) {
	var seq int64
	err := q.QueryRowContext(ctx, `SELECT coalesce(
		(SELECT min(seq) FROM exchanges WHERE started_at >= ?1 AND seq >= coalesce(
			(SELECT min(first_seq) FROM segments WHERE max_started >= ?1), (SELECT max(last_seq) + 1 FROM segments), 0)),
		(SELECT coalesce(max(seq), 0) + 1 FROM events))`, audit.ToMicros(at)).Scan(&seq)
	if err != nil {
		return 0, fmt.Errorf("find the first exchange since %s: %w", audit.FormatTime(at), err)
	}
	return seq, nil
}

// step removes the payloads of the next exchanges.
func (p *pruning) step(w *committer) (bool, error) {
	pairs, err := p.next(w)
	if err != nil {
		return true, err
	}
	if len(pairs) == 0 {
		return p.tidy(w)
	}
	err = securely(w, func() error {
		for _, pair := range pairs {
			if err := removePair(context.Background(), w.store.conn, pair); err != nil {
				return err
			}
		}
		return lowerBare(context.Background(), w.store.conn)
	})
	if err != nil {
		return true, err
	}
	p.after = pairs[len(pairs)-1][0]
	p.pruned.Exchanges += uint64(len(pairs))
	w.moved.unsynced += len(pairs) * 512
	return false, nil
}

// securely runs fn in a transaction that leaves nothing of what it deletes
// behind in the free parts of the file.
func securely(w *committer, fn func() error) error {
	ctx := context.Background()
	if _, err := w.store.conn.ExecContext(ctx, "PRAGMA secure_delete = ON"); err != nil {
		return err
	}
	err := w.store.inTx(fn)
	_, offErr := w.store.conn.ExecContext(ctx, "PRAGMA secure_delete = OFF")
	return errors.Join(err, offErr)
}

// next returns the seqs of intent and outcome of the next exchanges.
func (p *pruning) next(w *committer) (pairs [][2]int64, err error) {
	rows, err := w.store.conn.QueryContext(context.Background(), `SELECT x.seq, x.outcome_seq FROM exchanges x JOIN events o ON o.seq = x.outcome_seq
		WHERE x.seq > ? AND x.seq <= ? AND x.outcome_seq <= ? AND o.at < ? ORDER BY x.seq LIMIT ?`,
		p.after, int64(p.pruned.UpTo), int64(p.pruned.UpTo), audit.ToMicros(p.request.Before), pruneStep)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var pair [2]int64
		if err := rows.Scan(&pair[0], &pair[1]); err != nil {
			return nil, err
		}
		pairs = append(pairs, pair)
	}
	return pairs, rows.Err()
}

type execQuerier interface {
	rowQuerier
	querier
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// removePair removes the payloads of an exchange's two events, and of those that say
// what its row had no room for.
func removePair(ctx context.Context, conn execQuerier, pair [2]int64) error {
	seqs, err := besideRow(ctx, conn, pair[0])
	if err != nil {
		return err
	}
	for _, seq := range append(seqs, pair[:]...) {
		var payload []byte
		if err := conn.QueryRowContext(ctx, "SELECT payload FROM events WHERE seq = ?", seq).Scan(&payload); err != nil {
			return fmt.Errorf("event %d: %w", seq, err)
		}
		hash := sha256.Sum256(payload)
		if _, err := conn.ExecContext(ctx, "INSERT INTO removed VALUES (?, ?)", seq, hash[:]); err != nil {
			return fmt.Errorf("event %d: %w", seq, err)
		}
		if _, err := conn.ExecContext(ctx, "UPDATE events SET payload = NULL WHERE seq = ?", seq); err != nil {
			return fmt.Errorf("event %d: %w", seq, err)
		}
	}
	_, err = conn.ExecContext(ctx, "DELETE FROM exchanges WHERE seq = ?", pair[0])
	return err
}

// besideRow are the events beside the row of an exchange.
func besideRow(ctx context.Context, q querier, intentSeq int64) (seqs []int64, err error) {
	rows, err := q.QueryContext(ctx, `SELECT seq FROM events WHERE exchange = (SELECT exchange FROM events WHERE seq = ?) AND exchange IS NOT NULL
		AND type NOT IN ('intent', 'outcome') AND type IN ('`+audit.TypePushRefs+`', '`+audit.TypeCalls+`') AND payload IS NOT NULL`, intentSeq)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var seq int64
		if err := rows.Scan(&seq); err != nil {
			return nil, err
		}
		seqs = append(seqs, seq)
	}
	return seqs, rows.Err()
}

// removedWalk reads the hashes of removed payloads in the order of events.
type removedWalk struct {
	rows      *sql.Rows
	seq       uint64 // of the next; 0: none
	next      []byte
	last      uint64 // removed so far
	announced uint64 // up to here by an event
}

func walkRemoved(ctx context.Context, conn *sql.Conn) (*removedWalk, error) {
	rows, err := conn.QueryContext(ctx, "SELECT seq, hash FROM removed ORDER BY seq") //nolint:rowserrcheck // advance looks at it
	if err != nil {
		return nil, err
	}
	w := &removedWalk{rows: rows}
	return w, w.advance()
}

func (w *removedWalk) close() { _ = w.rows.Close() }

func (w *removedWalk) advance() error {
	w.seq = 0
	if !w.rows.Next() {
		return w.rows.Err()
	}
	if err := w.rows.Scan(&w.seq, &w.next); err != nil {
		return fmt.Errorf("removed: %w", err)
	}
	return nil
}

// hash is that of the payload of e, which was removed; without it e's own hash
// cannot be right, and is named as altered.
func (w *removedWalk) hash(e *audit.Encoded) (sum [sha256.Size]byte, err error) {
	if w.seq != e.Seq || len(w.next) != len(sum) {
		return sum, nil
	}
	w.last = e.Seq
	copy(sum[:], w.next)
	return sum, w.advance()
}

func (w *removedWalk) finish(v *verifier) error {
	if w.seq != 0 {
		if err := v.problem("event %d: its payload is there, or the event is not, although it is listed as removed", w.seq); err != nil {
			return err
		}
	}
	if w.last > w.announced {
		return v.problem("event %d: its payload was removed, and no event announced it", w.last)
	}
	return nil
}
