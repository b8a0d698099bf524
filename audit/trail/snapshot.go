package trail

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/google/uuid"

	"sallyport/audit"
)

// snapshot is one moment of the trail: the projection and, read into memory,
// the events it has not reached.
type snapshot struct {
	conn   *sql.Conn
	cursor int64 // the projection's
	head   int64 // last seq

	// sealed is the last seq that is in a segment; -1 when the trail is of an
	// older program, which has none.
	sealed int64

	fresh    []*audit.Exchange             // begun after cursor, oldest first
	byID     map[uuid.UUID]*audit.Exchange // fresh ones by id
	outcomes map[uuid.UUID]*audit.Encoded  // ended after cursor, begun before
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
	s := &snapshot{conn: conn, byID: make(map[uuid.UUID]*audit.Exchange), outcomes: make(map[uuid.UUID]*audit.Encoded)}
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
	if err := s.loadSealed(ctx); err != nil {
		return fmt.Errorf("where the projection's segments end: %w", err)
	}
	return eachEvent(ctx, s.conn, selectEvents+" WHERE seq > ? ORDER BY seq", []any{s.cursor}, func(e *audit.Encoded) error {
		switch e.Type {
		case audit.TypeIntent:
			x := new(audit.Exchange)
			if err := x.ReadIntent(e); err != nil {
				return err
			}
			s.fresh = append(s.fresh, x)
			s.byID[x.ID] = x
		case audit.TypeOutcome:
			if x := s.byID[e.Exchange]; x != nil && !x.Ended {
				return x.ReadOutcome(e)
			}
			s.outcomes[e.Exchange] = e
		}
		return nil
	})
}

func (s *snapshot) loadSealed(ctx context.Context) error {
	var there bool
	err := s.conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'segments')").Scan(&there)
	if err != nil {
		return err
	}
	if !there {
		s.sealed = -1
		return nil
	}
	return s.conn.QueryRowContext(ctx, "SELECT coalesce(max(last_seq), 0) FROM segments").Scan(&s.sealed)
}

// each calls fn for the exchanges that match, newest first, whatever f.Limit.
func (s *snapshot) each(ctx context.Context, f *audit.Filter, fn func(*audit.Exchange) error) error {
	for _, x := range slices.Backward(s.fresh) {
		if !s.matches(ctx, f, x) {
			continue
		}
		if err := fn(x); err != nil {
			return err
		}
	}
	return s.projected(ctx, f, fn)
}

const selectExchanges = `SELECT
	i.seq, i.id, i.exchange, i.type, i.at, i.encoding_version, i.payload,
	o.seq, o.id, o.exchange, o.type, o.at, o.encoding_version, o.payload
	FROM exchanges x JOIN events i ON i.seq = x.seq LEFT JOIN events o ON o.seq = x.outcome_seq WHERE `

// exchanges reads rows of the projection with their events, newest first.
func (s *snapshot) exchanges(ctx context.Context, c condition, fn func(*audit.Exchange) error) error {
	rows, err := s.conn.QueryContext(ctx, selectExchanges+c.String()+" ORDER BY x.seq DESC", c.args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var r storedPair
		if err := r.scan(rows); err != nil {
			return err
		}
		x, err := s.decode(&r)
		if err != nil {
			return err
		}
		if err := fn(x); err != nil {
			return err
		}
	}
	return rows.Err()
}

// storedPair is a row of selectExchanges: an intent and, once it is projected,
// its outcome.
type storedPair struct {
	in, out audit.Encoded
	ended   bool
}

func (r *storedPair) scan(rows *sql.Rows) error {
	var inID, inEx, outID, outEx []byte
	var outSeq, outAt, outVersion sql.NullInt64
	var outType sql.NullString
	err := rows.Scan(&r.in.Seq, &inID, &inEx, &r.in.Type, &r.in.At, &r.in.Version, &r.in.Payload,
		&outSeq, &outID, &outEx, &outType, &outAt, &outVersion, &r.out.Payload)
	if err != nil {
		return err
	}
	r.in.Removed = r.in.Payload == nil
	if r.ended = outSeq.Valid; r.ended {
		r.out.Seq, r.out.At, r.out.Version = uint64(outSeq.Int64), outAt.Int64, outVersion.Int64
		r.out.Removed = r.out.Payload == nil
	}
	return fillIDs(&r.in, inID, inEx)
}

// decode makes an exchange of r, with an outcome that is not projected yet.
func (s *snapshot) decode(r *storedPair) (*audit.Exchange, error) {
	x := new(audit.Exchange)
	if err := x.ReadIntent(&r.in); err != nil {
		return nil, err
	}
	if r.ended {
		return x, x.ReadOutcome(&r.out)
	}
	if e := s.outcomes[x.ID]; e != nil {
		return x, x.ReadOutcome(e)
	}
	return x, nil
}

// find returns the exchange with this id.
func (s *snapshot) find(ctx context.Context, id uuid.UUID) (*audit.Exchange, error) {
	if x := s.byID[id]; x != nil {
		return x, nil
	}
	segments, err := s.segments(ctx, "min_id <= ? AND max_id >= ?", id[:], id[:])
	if err != nil {
		return nil, err
	}
	// What is in no segment yet comes first: it is what people ask for.
	for _, seg := range append([]segmentRow{{first: s.sealed + 1, last: math.MaxInt64}}, segments...) {
		c := condition{}
		c.add("x.seq BETWEEN ? AND ? AND x.id = ?", seg.first, seg.last, id[:])
		var found *audit.Exchange
		err := s.exchanges(ctx, c, func(x *audit.Exchange) error { found = x; return errStop })
		if err != nil && !errors.Is(err, errStop) {
			return nil, err
		}
		if found != nil {
			return found, nil
		}
	}
	return nil, fmt.Errorf("%w: %s", audit.ErrNotFound, id)
}

// findAll returns the exchanges of these events. Nearly all are new and found
// by one look at what is in no segment yet.
func (s *snapshot) findAll(ctx context.Context, events []*audit.Encoded) ([]audit.Exchange, error) {
	wanted := make(map[uuid.UUID]bool, len(events))
	for _, e := range events {
		wanted[e.Exchange] = true
	}
	recent := make(map[uuid.UUID]*audit.Exchange)
	c := condition{}
	c.add("x.seq > ?", s.sealed)
	if err := s.some(ctx, c, wanted, recent); err != nil {
		return nil, err
	}
	list := make([]audit.Exchange, 0, len(events))
	for _, e := range events {
		x := recent[e.Exchange]
		if x == nil {
			var err error
			if x, err = s.find(ctx, e.Exchange); err != nil {
				return nil, err
			}
		}
		list = append(list, *x)
	}
	return list, nil
}

// some reads those exchanges of a range that are wanted.
func (s *snapshot) some(ctx context.Context, c condition, wanted map[uuid.UUID]bool, found map[uuid.UUID]*audit.Exchange) error {
	rows, err := s.conn.QueryContext(ctx, "SELECT x.seq, x.id FROM exchanges x WHERE "+c.String(), c.args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var seqs []int64
	for rows.Next() {
		var seq int64
		var id sql.RawBytes
		if err := rows.Scan(&seq, &id); err != nil {
			return err
		}
		if len(id) == len(uuid.UUID{}) && wanted[uuid.UUID(id)] {
			seqs = append(seqs, seq)
		}
	}
	if err := rows.Err(); err != nil || len(seqs) == 0 {
		return err
	}
	c = condition{}
	c.add("x.seq IN (" + numbers(seqs) + ")")
	return s.exchanges(ctx, c, func(x *audit.Exchange) error { found[x.ID] = x; return nil })
}

// events returns all events of x, oldest first.
func (s *snapshot) events(ctx context.Context, x *audit.Exchange) ([]audit.EventRow, error) {
	var list []audit.EventRow
	add := func(e *audit.Encoded) error {
		row, err := e.Decode()
		list = append(list, row)
		return err
	}
	err := eachEvent(ctx, s.conn, selectEvents+" WHERE seq IN (?, ?)", []any{int64(x.Seq), int64(x.OutcomeSeq)}, add)
	if err != nil {
		return nil, err
	}
	err = eachEvent(ctx, s.conn, selectEvents+" WHERE exchange = ? AND exchange IS NOT NULL AND type NOT IN ('intent', 'outcome')", []any{x.ID[:]}, add)
	slices.SortFunc(list, func(a, b audit.EventRow) int { return int(a.Seq) - int(b.Seq) })
	return list, err
}
