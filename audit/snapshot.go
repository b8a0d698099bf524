package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// snapshot is one moment of the trail: the projection and, read into memory,
// the events it has not reached.
type snapshot struct {
	conn   *sql.Conn
	cursor int64 // the projection's
	head   int64 // last seq

	fresh    []*Exchange             // begun after cursor, oldest first
	byID     map[uuid.UUID]*Exchange // fresh ones by id
	outcomes map[uuid.UUID]*event    // ended after cursor, begun before
	ended    []string                // ids of their blocks, once loaded
}

// snapshot runs fn on one moment of the trail.
func (r *Reader) snapshot(ctx context.Context, fn func(*snapshot) error) error {
	conn, err := r.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("read audit trail: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		return fmt.Errorf("read audit trail: %w", err)
	}
	defer func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") }()
	s := &snapshot{conn: conn, byID: make(map[uuid.UUID]*Exchange), outcomes: make(map[uuid.UUID]*event)}
	if err := s.load(ctx); err != nil {
		return fmt.Errorf("read audit trail: %w", err)
	}
	return fn(s)
}

func (s *snapshot) load(ctx context.Context) error {
	err := s.conn.QueryRowContext(ctx, "SELECT cursor, (SELECT coalesce(max(seq), 0) FROM events) FROM projection").Scan(&s.cursor, &s.head)
	if err != nil {
		return fmt.Errorf("where the projection has got to: %w", err)
	}
	return eachEvent(ctx, s.conn, selectEvents+" WHERE seq > ? ORDER BY seq", []any{s.cursor}, func(e *event) error {
		switch e.kind {
		case typeIntent:
			x := new(Exchange)
			if err := x.fromIntent(e); err != nil {
				return err
			}
			s.fresh = append(s.fresh, x)
			s.byID[x.ID] = x
		case typeOutcome:
			if x := s.byID[e.exchange]; x != nil && !x.Ended {
				return x.fromOutcome(e)
			}
			s.outcomes[e.exchange] = e
		}
		return nil
	})
}

// each calls fn for the exchanges that match, newest first, whatever f.Limit.
func (s *snapshot) each(ctx context.Context, f *Filter, fn func(*Exchange) error) error {
	for _, x := range slices.Backward(s.fresh) {
		if !f.matches(x) {
			continue
		}
		if err := fn(x); err != nil {
			return err
		}
	}
	return s.projected(ctx, f, fn)
}

// projected walks the blocks from the newest to the oldest in windows that
// grow, since what is asked for is usually new.
func (s *snapshot) projected(ctx context.Context, f *Filter, fn func(*Exchange) error) error {
	kinds, narrow, err := s.kindList(ctx, f)
	if err != nil || (narrow && kinds == "") {
		return err
	}
	var last int64
	if err := s.conn.QueryRowContext(ctx, "SELECT coalesce(max(id), 0) FROM blocks").Scan(&last); err != nil {
		return err
	}
	for window := int64(16); last > 0; window *= 8 {
		first := max(last-window+1, 1)
		spans, err := s.spans(ctx, f, first, last)
		if err != nil {
			return err
		}
		for _, span := range spans {
			if err := s.span(ctx, f, kinds, span, fn); err != nil {
				return err
			}
		}
		last = first - 1
	}
	return nil
}

// maxListed kinds are listed in the query for a block; more are told apart
// after the row is read.
const maxListed = 200

// kindList returns the ids of the kinds that f allows, ready for IN (). It is
// not narrow when it would allow all or list too many.
func (s *snapshot) kindList(ctx context.Context, f *Filter) (list string, narrow bool, err error) {
	c := f.kinds()
	if len(c.terms) == 0 {
		return "", false, nil
	}
	rows, err := s.conn.QueryContext(ctx, "SELECT id FROM kinds WHERE "+c.String()+" LIMIT "+strconv.Itoa(maxListed+1), c.args...)
	if err != nil {
		return "", false, err
	}
	defer func() { _ = rows.Close() }()
	var ids []string
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return "", false, err
		}
		ids = append(ids, strconv.FormatInt(id, 10))
	}
	if len(ids) > maxListed {
		return "", false, rows.Err()
	}
	return strings.Join(ids, ","), true, rows.Err()
}

// span is the range of seqs of one block.
type span struct{ first, last int64 }

// spans returns the blocks between two ids that can hold a match, newest first.
func (s *snapshot) spans(ctx context.Context, f *Filter, first, last int64) ([]span, error) {
	c := f.blocks()
	c.add("id BETWEEN ? AND ?", first, last)
	if k := f.kinds(); len(k.terms) > 0 {
		c.add("id IN (SELECT block FROM block_kinds WHERE kind IN (SELECT id FROM kinds WHERE "+k.String()+") AND block BETWEEN ? AND ?)",
			append(k.args, first, last)...)
	}
	if f.Outcome != "" || f.Status != 0 {
		if err := s.addResults(ctx, f, &c, first, last); err != nil {
			return nil, err
		}
	}
	rows, err := s.conn.QueryContext(ctx, "SELECT first_seq, last_seq FROM blocks WHERE "+c.String()+" ORDER BY id DESC", c.args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var spans []span
	for rows.Next() {
		var sp span
		if err := rows.Scan(&sp.first, &sp.last); err != nil {
			return nil, err
		}
		spans = append(spans, sp)
	}
	return spans, rows.Err()
}

// addResults narrows to the blocks that hold a result, and those with an
// exchange that ended after the projection.
func (s *snapshot) addResults(ctx context.Context, f *Filter, c *condition, first, last int64) error {
	if s.ended == nil {
		if err := s.loadEnded(ctx); err != nil {
			return err
		}
	}
	var r condition
	r.text("outcome", f.Outcome)
	if f.Status != 0 {
		r.add("status = ?", f.Status)
	}
	r.add("block BETWEEN ? AND ?", first, last)
	c.add("(id IN (SELECT block FROM block_results WHERE "+r.String()+") OR id IN ("+strings.Join(s.ended, ",")+"))", r.args...)
	return nil
}

// loadEnded reads the blocks of the exchanges that ended after the projection.
func (s *snapshot) loadEnded(ctx context.Context) error {
	s.ended = []string{}
	for id := range s.outcomes {
		var block int64
		err := s.conn.QueryRowContext(ctx, `SELECT (SELECT id FROM blocks WHERE first_seq <= x.seq ORDER BY first_seq DESC LIMIT 1)
			FROM exchanges x WHERE x.id = ? AND x.outcome_seq IS NULL`, id[:]).Scan(&block)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		s.ended = append(s.ended, strconv.FormatInt(block, 10))
	}
	return nil
}

const selectExchanges = `SELECT
	i.seq, i.id, i.exchange, i.type, i.at, i.encoding_version, i.payload,
	o.seq, o.id, o.exchange, o.type, o.at, o.encoding_version, o.payload
	FROM exchanges x JOIN events i ON i.seq = x.seq LEFT JOIN events o ON o.seq = x.outcome_seq WHERE `

// span tells the matches of one block.
func (s *snapshot) span(ctx context.Context, f *Filter, kinds string, sp span, fn func(*Exchange) error) error {
	c := f.rows()
	c.add("x.seq BETWEEN ? AND ?", sp.first, sp.last)
	if kinds != "" {
		c.add("x.kind IN (" + kinds + ")")
	}
	return s.exchanges(ctx, c, func(x *Exchange) error {
		if !f.matches(x) {
			return nil
		}
		return fn(x)
	})
}

// exchanges reads rows of the projection with their events, newest first.
func (s *snapshot) exchanges(ctx context.Context, c condition, fn func(*Exchange) error) error {
	rows, err := s.conn.QueryContext(ctx, selectExchanges+c.String()+" ORDER BY x.seq DESC", c.args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		x, err := s.scan(rows)
		if err != nil {
			return err
		}
		if err := fn(x); err != nil {
			return err
		}
	}
	return rows.Err()
}

// scan reads one row of selectExchanges and adds an outcome not yet projected.
func (s *snapshot) scan(rows *sql.Rows) (*Exchange, error) {
	var in, out event
	var inID, inEx, outID, outEx []byte
	var outSeq, outAt, outVersion sql.NullInt64
	var outKind sql.NullString
	err := rows.Scan(&in.seq, &inID, &inEx, &in.kind, &in.at, &in.version, &in.payload,
		&outSeq, &outID, &outEx, &outKind, &outAt, &outVersion, &out.payload)
	if err != nil {
		return nil, err
	}
	in.removed = in.payload == nil
	if err := fillIDs(&in, inID, inEx); err != nil {
		return nil, err
	}
	x := new(Exchange)
	if err := x.fromIntent(&in); err != nil {
		return nil, err
	}
	if outSeq.Valid {
		out.seq, out.at, out.version = uint64(outSeq.Int64), outAt.Int64, outVersion.Int64
		out.removed = out.payload == nil
		return x, x.fromOutcome(&out)
	}
	if e := s.outcomes[x.ID]; e != nil {
		return x, x.fromOutcome(e)
	}
	return x, nil
}

// find returns the exchange with this id.
func (s *snapshot) find(ctx context.Context, id uuid.UUID) (*Exchange, error) {
	if x := s.byID[id]; x != nil {
		return x, nil
	}
	rows, err := s.conn.QueryContext(ctx, "SELECT first_seq, last_seq FROM blocks WHERE min_id <= ? AND max_id >= ? ORDER BY id DESC", id[:], id[:])
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var sp span
		if err := rows.Scan(&sp.first, &sp.last); err != nil {
			return nil, err
		}
		c := condition{}
		c.add("x.seq BETWEEN ? AND ? AND x.id = ?", sp.first, sp.last, id[:])
		var found *Exchange
		err := s.exchanges(ctx, c, func(x *Exchange) error { found = x; return errStop })
		if err != nil && !errors.Is(err, errStop) {
			return nil, err
		}
		if found != nil {
			return found, nil
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%w: %s", ErrNotFound, id)
}

// events returns all events of x, oldest first.
func (s *snapshot) events(ctx context.Context, x *Exchange) ([]EventRow, error) {
	var list []EventRow
	add := func(e *event) error {
		row, err := decodeEvent(e)
		list = append(list, row)
		return err
	}
	err := eachEvent(ctx, s.conn, selectEvents+" WHERE seq IN (?, ?)", []any{int64(x.Seq), int64(x.OutcomeSeq)}, add)
	if err != nil {
		return nil, err
	}
	err = eachEvent(ctx, s.conn, selectEvents+" WHERE exchange = ? AND exchange IS NOT NULL AND type NOT IN ('intent', 'outcome')", []any{x.ID[:]}, add)
	slices.SortFunc(list, func(a, b EventRow) int { return int(a.Seq) - int(b.Seq) })
	return list, err
}
