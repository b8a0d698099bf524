package trail

import (
	"bytes"
	"context"
	"slices"

	"sallyport/audit"
)

// search is a filter made ready: the terms that every match has, and what must
// be somewhere in its payloads.
type search struct {
	*snapshot
	filter *audit.Filter
	audit.Sought
}

// newSearch orders the terms so that those which few exchanges have come first.
func (s *snapshot) newSearch(ctx context.Context, f *audit.Filter) (*search, error) {
	sought, err := f.Seek(func() ([]string, error) { return s.operations(ctx, f) })
	if err != nil {
		return nil, err
	}
	return &search{snapshot: s, filter: f, Sought: sought}, nil
}

// operations returns those that a pattern means, skipping from one to the next
// in the index of kinds.
func (s *snapshot) operations(ctx context.Context, f *audit.Filter) ([]string, error) {
	rows, err := s.conn.QueryContext(ctx, `WITH RECURSIVE each_one (name) AS (
		SELECT min(operation) FROM kinds UNION ALL
		SELECT (SELECT min(operation) FROM kinds WHERE operation > name) FROM each_one WHERE name IS NOT NULL)
		SELECT name FROM each_one WHERE name IS NOT NULL`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		if f.MatchesOperation(name) {
			names = append(names, name)
		}
	}
	return names, rows.Err()
}

// projected tells the matches that are projected, newest first.
func (s *snapshot) projected(ctx context.Context, f *audit.Filter, fn func(*audit.Exchange) error) error {
	q, err := s.newSearch(ctx, f)
	if err != nil || q.Never {
		return err
	}
	fn, finish, err := q.withEnded(ctx, fn)
	if err != nil {
		return err
	}
	if err := q.recent(ctx, fn); err != nil {
		return err
	}
	if err := q.inSegments(ctx, fn); err != nil {
		return err
	}
	return finish()
}

// withEnded adds the matches that ended after the projection, which segments
// know only as open. They are few; fn is called for each in its place.
func (q *search) withEnded(ctx context.Context, fn func(*audit.Exchange) error) (in func(*audit.Exchange) error, finish func() error, err error) {
	f := q.filter
	if f.Outcome == "" && f.Status == 0 && f.Text == "" && f.Mark == "" {
		return fn, func() error { return nil }, nil
	}
	var ended []*audit.Exchange // oldest first
	for id := range q.outcomes {
		c := condition{}
		c.add("x.id = ? AND x.outcome_seq IS NULL", id[:])
		err := q.exchanges(ctx, c, func(x *audit.Exchange) error {
			if q.matches(ctx, q.filter, x) {
				ended = append(ended, x)
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	slices.SortFunc(ended, func(a, b *audit.Exchange) int { return int(int64(a.Seq) - int64(b.Seq)) })
	tell := func(down uint64) error {
		for n := len(ended) - 1; n >= 0 && ended[n].Seq > down; n-- {
			x := ended[n]
			ended = ended[:n]
			if err := fn(x); err != nil {
				return err
			}
		}
		return nil
	}
	return func(x *audit.Exchange) error {
		if err := tell(x.Seq); err != nil {
			return err
		}
		if n := len(ended); n > 0 && ended[n-1].Seq == x.Seq {
			ended = ended[:n-1]
		}
		return fn(x)
	}, func() error { return tell(0) }, nil
}

// recent looks at what is in no segment yet, one by one.
func (q *search) recent(ctx context.Context, fn func(*audit.Exchange) error) error {
	c := rowsOf(q.filter)
	c.add("x.seq > ?", q.sealed)
	rows, err := q.conn.QueryContext(ctx, selectExchanges+c.String()+" ORDER BY x.seq DESC", c.args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var r storedPair
		if err := r.scan(rows); err != nil {
			return err
		}
		if !q.may(&r) {
			continue
		}
		x, err := q.decode(&r)
		if err != nil {
			return err
		}
		if !q.matches(ctx, q.filter, x) {
			continue
		}
		if err := fn(x); err != nil {
			return err
		}
	}
	return rows.Err()
}

// may tells from the payloads as they are stored whether r may match, which
// costs a small part of decoding them.
func (q *search) may(r *storedPair) bool {
	for _, needle := range q.Needles {
		if !bytes.Contains(r.in.Payload, needle) {
			return false
		}
	}
	text := []byte(q.filter.Text)
	return len(text) == 0 || bytes.Contains(r.in.Payload, text) || bytes.Contains(r.out.Payload, text) || q.outcomes[r.in.Exchange] != nil
}
