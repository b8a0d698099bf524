package trail

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"sallyport/audit"
)

// parallel is a part of a verification on another connection, and so on another core,
// that has to agree with nothing but the events of its own snapshot.
type parallel struct {
	findings findings
	cancel   context.CancelFunc
	done     chan struct{}
	err      error
}

// verification is such a part.
type verification func(ctx context.Context, s *snapshot, into *findings) error

func verifyParallel(ctx context.Context, r *Reader, part verification) *parallel {
	b := &parallel{done: make(chan struct{})}
	ctx, b.cancel = context.WithCancel(ctx)
	go func() {
		defer close(b.done)
		b.err = r.snapshot(ctx, func(s *snapshot) error { return part(ctx, s, &b.findings) })
	}()
	return b
}

// wait returns what was found.
func (b *parallel) wait() ([]string, error) {
	<-b.done
	if errors.Is(b.err, errEnough) {
		return b.findings.problems, nil
	}
	return b.findings.problems, b.err
}

// stop ends it, whether anybody has waited or not.
func (b *parallel) stop() {
	b.cancel()
	<-b.done
}

// segmentCheck holds segments to the exchanges in them.
type segmentCheck struct {
	*findings
	snapshot *snapshot
	adds     *sql.Stmt // whether an event may add to its exchange's terms
}

// verifySegments makes every segment anew and compares it with the one that is
// there, so that queries which go by it miss nothing.
func verifySegments(ctx context.Context, s *snapshot, into *findings) error {
	v := &segmentCheck{findings: into, snapshot: s}
	if v.snapshot.sealed < 0 {
		return nil
	}
	var err error
	// Asked for nearly every exchange; to parse it each time costs more than all else.
	v.adds, err = v.snapshot.conn.PrepareContext(ctx, `SELECT EXISTS (SELECT 1 FROM events i JOIN events e ON e.exchange = i.exchange
		WHERE i.seq = ? AND e.seq = ? AND e.type IN ('outcome', '`+audit.TypePushRefs+`'))`)
	if err != nil {
		return fmt.Errorf("verify segments: %w", err)
	}
	defer func() { _ = v.adds.Close() }()
	fresh := newSegment()
	var after int64
	ids := make(map[int64]bool)
	err = scan(ctx, v.snapshot.conn, "projection: segments", "SELECT id, first_seq, last_seq, exchanges, min_started, max_started, min_id, max_id FROM segments ORDER BY id", func(rows *sql.Rows) error {
		var have storedSegment
		if err := rows.Scan(&have.id, &have.first, &have.last, &have.n, &have.minStarted, &have.maxStarted, &have.minID, &have.maxID); err != nil {
			return err
		}
		ids[have.id] = true
		if err := v.readTerms(ctx, &have); err != nil {
			return err
		}
		fresh.whole = have.terms[audit.LongPath] == nil
		// What lies between two segments is looked for in the second.
		if err := readSegment(ctx, v.snapshot.conn, fresh, after+1, have.last, v.snapshot.cursor, segmentSize+1); err != nil {
			return err
		}
		after = max(after, have.last)
		return v.verifySegment(ctx, &have, fresh)
	})
	if err != nil {
		return v.unreadable(err)
	}
	return v.verifyNoOthers(ctx, ids)
}

// verifyNoOthers looks for terms of segments that are not there, skipping from
// one segment to the next.
func (v *segmentCheck) verifyNoOthers(ctx context.Context, ids map[int64]bool) error {
	err := scan(ctx, v.snapshot.conn, "projection: terms", `WITH RECURSIVE each_one (id) AS (
		SELECT min(segment) FROM terms UNION ALL
		SELECT (SELECT min(segment) FROM terms WHERE segment > id) FROM each_one WHERE id IS NOT NULL)
		SELECT id FROM each_one WHERE id IS NOT NULL`, func(rows *sql.Rows) error {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		if !ids[id] {
			return v.problem("projection: segment %d has terms and is not there", id)
		}
		return nil
	})
	if err != nil {
		return v.unreadable(err)
	}
	return nil
}

// storedSegment is a row of segments, and its terms.
type storedSegment struct {
	id, first, last, n     int64
	minStarted, maxStarted int64
	minID, maxID           []byte

	seqs  []int64
	terms map[audit.Term][]part
}

// part is a row of terms: what was known when the segment was written, or what
// an event that came later added.
type part struct {
	event int64 // 0 for the former
	rows  []byte
}

func (v *segmentCheck) verifySegment(ctx context.Context, have *storedSegment, want *segment) error {
	whole := slices.Equal(have.seqs, want.seqs)
	if !whole {
		// Retention takes exchanges out before it takes them out of their segment.
		if gone, err := v.onlyRemoved(ctx, have.seqs, want.seqs); err != nil || !gone {
			return cmpOr(err, func() error { return v.problem("projection: segment %d lists other exchanges than there are", have.id) })
		}
	}
	if whole && !have.bounds(want) {
		return v.problem("projection: segment %d says otherwise than the exchanges in it", have.id)
	}
	err := want.each(func(t audit.Term, rows []byte) error {
		parts := have.terms[t]
		delete(have.terms, t)
		if whole && len(parts) == 1 && parts[0].event == 0 && bytes.Equal(parts[0].rows, rows) {
			return nil
		}
		return v.verifyTerm(ctx, have, want, parts, rows)
	})
	if err == nil && whole && len(have.terms) > 0 {
		return v.problem("projection: segment %d finds what is not there", have.id)
	}
	return err
}

func cmpOr(err error, otherwise func() error) error {
	if err != nil {
		return err
	}
	return otherwise()
}

// onlyRemoved reports whether have holds nothing beside want but what retention
// has removed.
func (v *segmentCheck) onlyRemoved(ctx context.Context, have, want []int64) (bool, error) {
	for _, seq := range want {
		if _, ok := rowOf(have, seq); !ok {
			return false, nil
		}
	}
	for _, seq := range have {
		if _, ok := rowOf(want, seq); ok {
			continue
		}
		var removed bool
		err := v.snapshot.conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM removed WHERE seq = ?)", seq).Scan(&removed)
		if err != nil || !removed {
			return false, err
		}
	}
	return len(have) > len(want), nil
}

func (s *storedSegment) bounds(want *segment) bool {
	n := len(want.seqs)
	return n > 0 && s.n == int64(n) && s.first == want.seqs[0] && s.last == want.seqs[n-1] &&
		s.minStarted == want.minStarted && s.maxStarted == want.maxStarted &&
		bytes.Equal(s.minID, want.minID[:]) && bytes.Equal(s.maxID, want.maxID[:])
}

// verifyTerm compares the parts of a term with the exchanges that have it.
func (v *segmentCheck) verifyTerm(ctx context.Context, have *storedSegment, want *segment, parts []part, rows []byte) error {
	var found, wanted rowSet
	wanted.addRows(rows)
	for _, p := range parts {
		var one rowSet
		if !one.addRows(p.rows) || !bytes.Equal(p.rows, one.encode()) {
			return v.problem("projection: a term of segment %d is damaged", have.id)
		}
		if ok, err := v.mayAdd(ctx, have, p, &one); err != nil || !ok {
			return cmpOr(err, func() error {
				return v.problem("projection: segment %d has a term of event %d, which did not add it", have.id, p.event)
			})
		}
		for i := range found {
			found[i] |= one[i]
		}
	}
	for row, seq := range want.seqs {
		at, _ := rowOf(have.seqs, seq)
		if wanted.has(row) != found.has(at) {
			return v.problem("projection: event %d is not found by its segment, or by what it does not have", seq)
		}
	}
	return nil
}

// mayAdd reports whether the event of a part belongs to its one exchange.
func (v *segmentCheck) mayAdd(ctx context.Context, have *storedSegment, p part, rows *rowSet) (bool, error) {
	if p.event == 0 {
		return true, nil
	}
	row := rows.last(len(have.seqs))
	if row < 0 || rows.last(row) >= 0 {
		return false, nil
	}
	var ok bool
	err := v.adds.QueryRowContext(ctx, have.seqs[row], p.event).Scan(&ok)
	return ok, err
}

// readTerms reads the seqs and the terms of a segment.
func (v *segmentCheck) readTerms(ctx context.Context, s *storedSegment) error {
	s.terms = make(map[audit.Term][]part)
	rows, err := v.snapshot.conn.QueryContext(ctx, "SELECT term, part, rows FROM terms WHERE segment = ? ORDER BY term, part", s.id)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var t audit.Term
		var p part
		if err := rows.Scan(&t, &p.event, &p.rows); err != nil {
			return fmt.Errorf("term of segment %d: %w", s.id, err)
		}
		if t == fieldRows && p.event == 0 {
			s.seqs = decodeSeqs(p.rows)
			if !bytes.Equal(appendSeqs(nil, s.seqs), p.rows) {
				s.seqs = nil
			}
			continue
		}
		s.terms[t] = append(s.terms[t], p)
	}
	return rows.Err()
}
