package trail

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"sallyport/audit"
)

// Stats counts the exchanges that match by one of their words, most first. Of
// the filter it knows what is one word of an exchange, and the times; an
// exchange that ended in the last moment may still count as open.
func (r *Reader) Stats(ctx context.Context, by audit.Group, f audit.Filter) ([]audit.Count, error) {
	if f.Resource != "" || f.Text != "" {
		return nil, fmt.Errorf("stats: exchanges are not counted by resource or text")
	}
	if !slices.Contains(audit.Groups(), by) {
		return nil, fmt.Errorf("stats: %q is nothing to count by", by)
	}
	t := tally{by: by, counts: make(map[string]*audit.Count)}
	err := r.snapshot(ctx, func(s *snapshot) error {
		for _, x := range s.fresh {
			if f.Matches(x) {
				outcome := sql.NullString{String: x.Outcome.Outcome, Valid: x.Ended}
				t.add(x, outcome, 1, audit.ToMicros(x.StartedAt))
			}
		}
		return s.tally(ctx, &f, &t)
	})
	if err != nil {
		return nil, err
	}
	return t.sorted(), nil
}

// tally collects counts by name.
type tally struct {
	by     audit.Group
	counts map[string]*audit.Count
}

func (t *tally) add(x *audit.Exchange, outcome sql.NullString, n uint64, last int64) {
	name := t.by.Of(x)
	c := t.counts[name]
	if c == nil {
		c = &audit.Count{Name: name}
		t.counts[name] = c
	}
	c.Exchanges += n
	switch {
	case !outcome.Valid:
		c.Open += n
	case outcome.String == audit.OutcomeCompleted:
		c.Completed += n
	case outcome.String == audit.OutcomeRefused:
		c.Refused += n
	default:
		c.Failed += n
	}
	if at := audit.FromMicros(last); at.After(c.Last) {
		c.Last = at
	}
}

func (t *tally) sorted() []audit.Count {
	list := make([]audit.Count, 0, len(t.counts))
	for _, c := range t.counts {
		list = append(list, *c)
	}
	slices.SortFunc(list, func(a, b audit.Count) int {
		return cmp.Or(cmp.Compare(b.Exchanges, a.Exchanges), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// tally counts what is projected: the rows by kind and outcome in the database,
// and those groups by name here, since there are few of them.
func (s *snapshot) tally(ctx context.Context, f *audit.Filter, t *tally) error {
	kinds, err := s.kinds(ctx, f)
	if err != nil {
		return err
	}
	c := condition{}
	if !f.Since.IsZero() {
		c.add("started_at >= ?", audit.ToMicros(f.Since))
	}
	if !f.Until.IsZero() {
		c.add("started_at < ?", audit.ToMicros(f.Until))
	}
	if f.Before != 0 {
		c.add("seq < ?", int64(f.Before))
	}
	c.text("outcome", f.Outcome)
	if f.Status != 0 {
		c.add("status = ?", f.Status)
	}
	rows, err := s.conn.QueryContext(ctx, "SELECT kind, outcome, count(*), max(started_at) FROM exchanges WHERE "+c.String()+" GROUP BY kind, outcome", c.args...)
	if err != nil {
		return fmt.Errorf("count exchanges: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var kind, last int64
		var n uint64
		var outcome sql.NullString
		if err := rows.Scan(&kind, &outcome, &n, &last); err != nil {
			return fmt.Errorf("count exchanges: %w", err)
		}
		if x := kinds[kind]; x != nil {
			t.add(x, outcome, n, last)
		}
	}
	return rows.Err()
}

// kinds reads the kinds that f allows, by id, each as far as an exchange of it
// is known.
func (s *snapshot) kinds(ctx context.Context, f *audit.Filter) (map[int64]*audit.Exchange, error) {
	c := kindsOf(f)
	rows, err := s.conn.QueryContext(ctx, "SELECT id, key FROM kinds WHERE "+c.String(), c.args...)
	if err != nil {
		return nil, fmt.Errorf("read kinds: %w", err)
	}
	defer func() { _ = rows.Close() }()
	kinds := make(map[int64]*audit.Exchange)
	for rows.Next() {
		var id int64
		var key []byte
		if err := rows.Scan(&id, &key); err != nil {
			return nil, fmt.Errorf("read kinds: %w", err)
		}
		x := new(audit.Exchange)
		if err := audit.DecodeIntent(key, &x.Intent); err != nil {
			return nil, fmt.Errorf("kind %d: %w", id, err)
		}
		if f.MatchesOperation(x.Operation) {
			kinds[id] = x
		}
	}
	return kinds, rows.Err()
}

// Candidates returns the agents of the exchanges that match, most exchanges
// first, and the newest f.Limit of the exchanges; all of them are counted.
func (r *Reader) Candidates(ctx context.Context, f audit.Filter) ([]audit.Candidate, []audit.Exchange, error) {
	limit := f.Limit
	f.Limit = 0
	var exchanges []audit.Exchange
	var agents audit.Candidates
	err := r.Each(ctx, f, func(x *audit.Exchange) error {
		if len(exchanges) < limit {
			exchanges = append(exchanges, *x)
		}
		agents.Add(x)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	list := append([]audit.Candidate{}, agents.List()...)
	slices.SortFunc(list, func(a, b audit.Candidate) int {
		return cmp.Or(cmp.Compare(b.Exchanges, a.Exchanges), b.Last.Compare(a.Last), cmp.Compare(a.Agent.String(), b.Agent.String()))
	})
	return list, exchanges, nil
}
