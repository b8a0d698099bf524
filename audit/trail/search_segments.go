package trail

import (
	"context"
	"database/sql"
	"math"
	"math/bits"
	"strconv"

	"sallyport/audit"
)

// segmentRow is a row of segments.
type segmentRow struct{ id, first, last int64 }

// segments returns those that meet a condition, newest first.
func (s *snapshot) segments(ctx context.Context, where string, args ...any) ([]segmentRow, error) {
	if s.sealed < 0 {
		return nil, nil
	}
	rows, err := s.conn.QueryContext(ctx, "SELECT id, first_seq, last_seq FROM segments WHERE "+where+" ORDER BY id DESC", args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []segmentRow
	for rows.Next() {
		var seg segmentRow
		if err := rows.Scan(&seg.id, &seg.first, &seg.last); err != nil {
			return nil, err
		}
		list = append(list, seg)
	}
	return list, rows.Err()
}

// firstWindow segments are searched at first, then eight times as many, since
// what is asked for is usually new.
const firstWindow = 4

func (q *search) inSegments(ctx context.Context, fn func(*audit.Exchange) error) error {
	c := segmentsOf(q.filter)
	list, err := q.segments(ctx, c.String(), c.args...)
	if err != nil {
		return err
	}
	for window := firstWindow; len(list) > 0; window *= 8 {
		n := min(window, len(list))
		if window == firstWindow {
			if err := q.order(ctx, list[:n]); err != nil {
				return err
			}
		}
		if err := q.window(ctx, list[:n], fn); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// order puts the terms into the order in which they leave the fewest rows, as
// far as a few segments show it: what is rare first, what goes together last.
func (q *search) order(ctx context.Context, list []segmentRow) error {
	if len(q.Terms) < 2 {
		return nil
	}
	found := make([]map[int64]*rowSet, len(q.Terms))
	for i, forms := range q.Terms {
		var err error
		if found[i], err = q.rowsWithOne(ctx, forms, ids(list)); err != nil {
			return err
		}
	}
	rest := make(map[int64]*rowSet)
	for _, seg := range list {
		rest[seg.id] = new(rowSet)
		for i := range rest[seg.id] {
			rest[seg.id][i] = math.MaxUint64
		}
	}
	for i := range q.Terms {
		best, fewest := i, math.MaxInt
		for j := i; j < len(q.Terms); j++ {
			if n := common(rest, found[j]); n < fewest {
				best, fewest = j, n
			}
		}
		q.Terms[i], q.Terms[best] = q.Terms[best], q.Terms[i]
		found[i], found[best] = found[best], found[i]
		for id, rows := range rest {
			if with := found[i][id]; with != nil {
				rows.keep(with)
			} else {
				delete(rest, id)
			}
		}
	}
	return nil
}

// common counts the rows that are in both.
func common(a, b map[int64]*rowSet) (n int) {
	for id, rows := range a {
		with := b[id]
		if with == nil {
			continue
		}
		for i := range rows {
			n += bits.OnesCount64(rows[i] & with[i])
		}
	}
	return n
}

func ids(list []segmentRow) []int64 {
	all := make([]int64, 0, len(list))
	for _, seg := range list {
		all = append(all, seg.id)
	}
	return all
}

func (q *search) window(ctx context.Context, list []segmentRow, fn func(*audit.Exchange) error) error {
	if len(q.Terms) == 0 {
		for _, seg := range list {
			c := rowsOf(q.filter)
			c.add("x.seq BETWEEN ? AND ?", seg.first, seg.last)
			if err := q.tell(ctx, c, fn); err != nil {
				return err
			}
		}
		return nil
	}
	found, err := q.rowsWith(ctx, list)
	if err != nil {
		return err
	}
	for _, seg := range list {
		if rows := found[seg.id]; rows != nil {
			if err := q.tellRows(ctx, seg.id, rows, fn); err != nil {
				return err
			}
		}
	}
	return nil
}

// rowsWith returns by segment the rows that have all terms.
func (q *search) rowsWith(ctx context.Context, list []segmentRow) (map[int64]*rowSet, error) {
	left := ids(list)
	var found map[int64]*rowSet
	for _, forms := range q.Terms {
		next, err := q.rowsWithOne(ctx, forms, left)
		if err != nil {
			return nil, err
		}
		left = left[:0]
		for id, rows := range next {
			if found != nil {
				rows.keep(found[id])
			}
			if rows.empty() {
				delete(next, id)
				continue
			}
			left = append(left, id)
		}
		if found = next; len(left) == 0 {
			break
		}
	}
	return found, nil
}

func (q *search) rowsWithOne(ctx context.Context, forms []audit.Term, ids []int64) (map[int64]*rowSet, error) {
	rows, err := q.conn.QueryContext(ctx, "SELECT segment, rows FROM terms WHERE segment IN ("+numbers(ids)+") AND term IN ("+numbers(forms)+")")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	found := make(map[int64]*rowSet)
	var id int64
	var encoded sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&id, &encoded); err != nil {
			return nil, err
		}
		set := found[id]
		if set == nil {
			set = new(rowSet)
			found[id] = set
		}
		set.addRows(encoded) // what is damaged is for Verify to name
	}
	return found, rows.Err()
}

func numbers[T ~int64](list []T) string {
	var b []byte
	for i, n := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return string(b)
}

// tellAtOnce rows of a segment are read by one query.
const tellAtOnce = 128

// tellRows tells the matches among rows of one segment.
func (q *search) tellRows(ctx context.Context, segment int64, rows *rowSet, fn func(*audit.Exchange) error) error {
	var encoded []byte
	err := q.conn.QueryRowContext(ctx, "SELECT rows FROM terms WHERE segment = ? AND term = ? AND part = 0", segment, int64(fieldRows)).Scan(&encoded)
	if err != nil {
		return err
	}
	seqs := decodeSeqs(encoded)
	for row := rows.last(len(seqs)); row >= 0; {
		var some []int64
		for ; row >= 0 && len(some) < tellAtOnce; row = rows.last(row) {
			some = append(some, seqs[row])
		}
		c := rowsOf(q.filter)
		c.add("x.seq IN (" + numbers(some) + ")")
		if err := q.tell(ctx, c, fn); err != nil {
			return err
		}
	}
	return nil
}

func (q *search) tell(ctx context.Context, c condition, fn func(*audit.Exchange) error) error {
	return q.exchanges(ctx, c, func(x *audit.Exchange) error {
		if !q.matches(ctx, q.filter, x) {
			return nil
		}
		return fn(x)
	})
}

// matches is Filter.matches, with what events beside the exchange say.
func (s *snapshot) matches(ctx context.Context, f *audit.Filter, x *audit.Exchange) bool {
	switch {
	case f.Mark == "":
		return f.Matches(x)
	case x.Details[audit.DetailRefsTotal] == nil && x.Outcome.Details[audit.DetailRejectedTotal] == nil:
		return x.HasMark(f.Mark, nil) && f.Matches(x)
	case !f.Matches(x):
		return false
	}
	// What the row of a large push has no room for is in events beside it.
	var events []audit.EventRow
	err := eachEvent(ctx, s.conn, selectPushes, []any{x.ID[:]}, func(e *audit.Encoded) error {
		details, err := audit.DecodeMap(e.Payload)
		events = append(events, audit.EventRow{Type: e.Type, Payload: details})
		return err
	})
	return err == nil && x.HasMark(f.Mark, events)
}
