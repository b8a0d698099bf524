package trail

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"sallyport/audit"
)

// projectedRow is a row of exchanges.
type projectedRow struct {
	seq, started, kind int64
	id                 uuid.UUID
	outcomeSeq         sql.NullInt64
	outcome            sql.NullString
	status             sql.NullInt64
	texts              textColumns
}

// projectionWalk reads the rows of exchanges in the order of their intents,
// beside the events.
type projectionWalk struct {
	rows  *sql.Rows
	next  *projectedRow
	kinds map[int64]string // id to key
	used  map[int64]bool   // kinds that an exchange is of

	texts    bool // the rows have them, as those of a trail that an older program wrote do not
	bare     int64
	bareSeen bool
}

func walkProjection(ctx context.Context, v *verifier) (*projectionWalk, error) {
	conn := v.snapshot.conn
	kinds, err := v.readKinds(ctx)
	if err != nil {
		return nil, err
	}
	w := &projectionWalk{kinds: kinds, used: make(map[int64]bool, len(kinds))}
	texts := "NULL, NULL, NULL"
	if w.texts, w.bare, err = readBare(ctx, conn); err != nil {
		return nil, err
	} else if w.texts {
		texts = "path, resource, refusal"
	}
	//nolint:rowserrcheck // advance checks it, at the end of the rows
	w.rows, err = conn.QueryContext(ctx, "SELECT seq, id, started_at, kind, outcome_seq, outcome, status, "+texts+" FROM exchanges ORDER BY seq")
	if err != nil {
		return nil, err
	}
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
	if err := w.rows.Scan(&r.seq, &id, &r.started, &r.kind, &r.outcomeSeq, &r.outcome, &r.status, &r.texts.path, &r.texts.resource, &r.texts.refusal); err != nil {
		return fmt.Errorf("projection: row %d: %w", r.seq, err)
	}
	if len(id) == len(r.id) {
		copy(r.id[:], id)
	}
	w.next = r
	return nil
}

// intent takes the row of an intent and compares the two.
func (w *projectionWalk) intent(v *verifier, e *audit.Encoded) (*projectedRow, error) {
	for w.next != nil && w.next.seq < int64(e.Seq) {
		if err := v.problem("projection: row %d has no intent", w.next.seq); err != nil {
			return nil, err
		}
		if err := w.advance(); err != nil {
			return nil, err
		}
	}
	projected := int64(e.Seq) <= v.snapshot.cursor
	if w.next == nil || w.next.seq > int64(e.Seq) {
		if projected && !e.Removed {
			return nil, v.problem("projection: event %d is missing", e.Seq)
		}
		return nil, nil
	}
	r := w.next
	if err := w.advance(); err != nil {
		return nil, err
	}
	w.used[r.kind] = true
	w.bareSeen = w.bareSeen || r.seq == w.bare
	return r, w.same(v, r, e, projected)
}

// same compares the row of an intent with its event.
func (w *projectionWalk) same(v *verifier, r *projectedRow, e *audit.Encoded, projected bool) error {
	if e.Removed {
		return nil
	}
	key, err := audit.KindBytes(e.Payload)
	if err != nil {
		return nil //nolint:nilerr // the problem is named already
	}
	if have, ok := w.kinds[r.kind]; !projected || r.id != e.Exchange || r.started != e.At || !ok || have != string(key) {
		return v.problem("projection: event %d is told otherwise", e.Seq)
	}
	if path, resource, err := textsOf(e.Payload[len(key):]); err == nil && !w.sameTexts(r, path, resource) {
		return v.problem("projection: path or resource of event %d is told otherwise", e.Seq)
	}
	return nil
}

// outcome compares an outcome with the row of its intent.
func (w *projectionWalk) outcome(v *verifier, r *projectedRow, e *audit.Encoded) error {
	if r == nil {
		return nil
	}
	if int64(e.Seq) > v.snapshot.cursor {
		if r.outcomeSeq.Valid {
			return v.problem("projection: outcome of event %d is there before its time", r.seq)
		}
		return nil
	}
	res, err := resultOf(e.Payload)
	if err != nil || e.Removed {
		return nil //nolint:nilerr // named already, or nothing to compare with
	}
	if r.outcomeSeq.Int64 != int64(e.Seq) || !r.outcome.Valid || r.outcome.String != res.outcome || !r.status.Valid || r.status.Int64 != res.status || !w.sameRefusal(r, res.refusal) {
		return v.problem("projection: outcome of event %d, event %d, is told otherwise", r.seq, e.Seq)
	}
	return nil
}

// finish looks at what is left when the events have ended.
func (w *projectionWalk) finish(v *verifier) error {
	if err := v.sayLater(); err != nil {
		return err
	}
	for _, b := range v.openInOrder() {
		if b.row != nil && (b.row.outcomeSeq.Valid || b.row.outcome.Valid || b.row.status.Valid || b.row.texts.refusal.Valid) {
			if err := v.problem("projection: event %d has an outcome that is no event", b.seq); err != nil {
				return err
			}
		}
	}
	if w.next != nil {
		return v.problem("projection: row %d has no intent", w.next.seq)
	}
	if v.snapshot.cursor > v.tree.Size {
		return v.problem("projection: it goes up to event %d, the events to %d", v.snapshot.cursor, v.tree.Size)
	}
	if w.bare != 0 && !w.bareSeen {
		return v.problem("projection: it says that event %d has no texts yet, which is no exchange", w.bare)
	}
	for id := range w.kinds {
		// Retention takes away kinds last.
		if !w.used[id] && v.report.Removed == 0 {
			return v.problem("projection: no exchange is of kind %d", id)
		}
	}
	return nil
}

// readKinds reads all kinds by id, each checked to say what its key says.
func (v *verifier) readKinds(ctx context.Context) (map[int64]string, error) {
	rows, err := v.snapshot.conn.QueryContext(ctx, "SELECT id, key, "+strings.Join(audit.KindNames(), ", ")+" FROM kinds")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	kinds := make(map[int64]string)
	for rows.Next() {
		var id int64
		var key, agent []byte
		var in audit.Intent
		if err := rows.Scan(append([]any{&id, &key}, in.KindTargets(&agent)...)...); err != nil {
			return nil, v.stop("projection: kinds: after kind %d: %v", id, err)
		}
		copy(in.Agent[:], agent)
		if (agent != nil) != (in.Agent != uuid.Nil) || string(audit.AppendIntent(nil, &in, new(string))) != string(key) {
			v.later("projection: kind %d is told otherwise than its key says", id)
		}
		kinds[id] = string(key)
	}
	return kinds, rows.Err()
}
