package trail

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"sallyport/audit"
)

// projectionBatch collects the exchanges of one projector transaction, so that
// one begun and ended within it is written once and whole.
type projectionBatch struct {
	p      *projector
	store  *store
	rows   []row
	pushes []push
	bySeq  map[uint64]int
	byID   map[uuid.UUID]int // only for events read back from the table
	args   [16]any           // of one statement
}

func newBatch(p *projector, s *store) *projectionBatch {
	return &projectionBatch{p: p, store: s, bySeq: make(map[uint64]int), byID: make(map[uuid.UUID]int)}
}

// add takes one event. intentSeq is the seq of the intent an outcome closes, 0
// when it is the one just before, or not known.
func (b *projectionBatch) add(e *audit.Encoded, intentSeq uint64) error {
	if e.Removed {
		return nil // queries do not tell what retention has removed
	}
	switch e.Type {
	case audit.TypeIntent:
		b.bySeq[e.Seq], b.byID[e.Exchange] = len(b.rows), len(b.rows)
		b.rows = append(b.rows, row{seq: e.Seq, id: e.Exchange, started: e.At, payload: e.Payload})
	case audit.TypeOutcome:
		return b.addOutcome(e, intentSeq)
	case audit.TypePushRefs:
		return b.addPush(e)
	}
	return nil
}

// addPush finds the exchange of a push, which is open while it is recorded.
func (b *projectionBatch) addPush(e *audit.Encoded) error {
	if i, ok := b.byID[e.Exchange]; ok {
		b.pushes = append(b.pushes, push{int64(e.Seq), int64(b.rows[i].seq), e.Payload})
		return nil
	}
	intentSeq, err := b.openSeq(e.Exchange)
	if err == nil && intentSeq != 0 {
		b.pushes = append(b.pushes, push{int64(e.Seq), int64(intentSeq), e.Payload})
	}
	return err
}

// openSeq is the seq of the intent of a projected exchange that is open, or 0.
func (b *projectionBatch) openSeq(id uuid.UUID) (seq uint64, err error) {
	err = b.store.conn.QueryRowContext(context.Background(), "SELECT seq FROM exchanges WHERE id = ? AND outcome_seq IS NULL", id[:]).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return seq, err
}

func (b *projectionBatch) addOutcome(e *audit.Encoded, intentSeq uint64) error {
	res, err := resultOf(e.Payload)
	if err != nil {
		return fmt.Errorf("event %d: %w", e.Seq, err)
	}
	i, ok := b.bySeq[intentSeq]
	if !ok && intentSeq == 0 {
		i, ok = b.byID[e.Exchange]
	}
	if ok {
		r := &b.rows[i]
		if r.outcomeSeq == 0 {
			r.outcomeSeq, r.result, r.ended = e.Seq, res, e.Payload
		}
		return nil
	}
	ctx := context.Background()
	if intentSeq == 0 {
		if intentSeq, err = b.openSeq(e.Exchange); err != nil || intentSeq == 0 {
			return err // an outcome without intent is for Verify to name
		}
	}
	if _, err = b.p.stmts[endExchange].Exec(int64(e.Seq), res.outcome, res.status, orNull(res.refusal), int64(intentSeq)); err != nil {
		return err
	}
	return b.p.endIndexed(ctx, b.store, int64(intentSeq), int64(e.Seq), e.Payload)
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// textsOf reads the texts of an intent that the projection tells as they are.
func textsOf(rest []byte) (path, resource string, err error) {
	p, r, err := audit.ExcerptTexts(rest)
	return sqlText(p), sqlText(r), err
}

// result is what the projection tells of an outcome.
type result struct {
	outcome, refusal string
	status           int64
}

func resultOf(payload []byte) (result, error) {
	e, err := audit.ExcerptOutcome(payload)
	return result{outcome: e.Outcome, refusal: sqlText(e.Refusal), status: e.Status}, err
}

// flush writes the rows and moves the cursor.
func (b *projectionBatch) flush(cursor int64) error {
	ctx := context.Background()
	for i := range b.rows {
		if err := b.write(ctx, &b.rows[i]); err != nil {
			return fmt.Errorf("project event %d: %w", b.rows[i].seq, err)
		}
	}
	for _, push := range b.pushes {
		if err := b.p.markPush(ctx, b.store, push); err != nil {
			return err
		}
	}
	_, err := b.p.stmts[moveCursor].Exec(cursor)
	return err
}

func (b *projectionBatch) write(ctx context.Context, r *row) error {
	key, err := audit.KindBytes(r.payload)
	if err != nil {
		return err
	}
	kind, ok := b.p.kinds[string(key)]
	if !ok {
		if kind, err = b.kindID(ctx, key); err != nil {
			return err
		}
	}
	if err := b.p.place(r); err != nil {
		return err
	}
	path, resource, err := textsOf(r.payload[len(key):])
	if err != nil {
		return err
	}
	a := b.args[:10]
	a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9] = int64(r.seq), r.id[:], r.started, kind, nil, nil, nil, path, resource, nil
	if r.outcomeSeq != 0 {
		a[4], a[5], a[6], a[9] = int64(r.outcomeSeq), r.result.outcome, r.result.status, orNull(r.result.refusal)
	}
	_, err = b.p.stmts[addExchange].Exec(a...)
	return err
}

// kindID finds or adds a kind that is not remembered.
func (b *projectionBatch) kindID(ctx context.Context, key []byte) (int64, error) {
	var id int64
	err := b.store.conn.QueryRowContext(ctx, "SELECT id FROM kinds WHERE key = ?", key).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		id, err = b.addKind(key)
	}
	if err != nil {
		return 0, err
	}
	if len(b.p.kinds) >= maxKinds {
		clear(b.p.kinds)
	}
	b.p.kinds[string(key)] = id
	return id, nil
}

func (b *projectionBatch) addKind(key []byte) (int64, error) {
	var in audit.Intent
	if err := audit.DecodeIntent(key, &in); err != nil {
		return 0, err
	}
	if key == nil {
		key = []byte{}
	}
	res, err := b.p.stmts[addKind].Exec(append([]any{key}, in.KindColumns()...)...)
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}
