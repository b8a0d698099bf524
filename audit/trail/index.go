package trail

import (
	"context"
	"database/sql"
	"errors"
	"math"

	"sallyport/audit"
)

// index is the projector's part that puts exchanges into segments.
type index struct {
	// full, unless it is empty, is the next segment to be written, and open
	// what comes after it: nearly all outcomes of full come while open fills,
	// and one that comes later costs as much as all of them.
	full, open *segment
	last       int64 // id of the last segment written
	end        int64 // its last seq
	// behind is set while there are more exchanges after it than one segment
	// holds, in a trail that an older program wrote: these are read back, a
	// segment at a time, when nobody waits.
	behind bool
	size   int // exchanges of a segment; 0 means segmentSize
}

func (x *index) limit() int {
	if x.size == 0 {
		return segmentSize
	}
	return x.size
}

// delay is how many exchanges come after a full segment before it is written.
func (x *index) delay() int { return x.limit() / 4 }

// of returns the segment in memory that the exchange begun with seq is in.
func (x *index) of(seq int64) *segment {
	if x.full.holds(seq) && !x.open.holds(seq) {
		return x.full
	}
	return x.open
}

// fieldRows stands where a term does in the row that lists the seqs of a segment.
const fieldRows = -1

// termsAtOnce terms are inserted by one statement where there are so many.
const termsAtOnce = 8

// push is an event that lists more refs of an exchange.
type push struct {
	seq, intentSeq int64
	payload        []byte
}

// loadIndex reads what is in no segment yet.
func (p *projector) loadIndex(ctx context.Context, s *store) error {
	x := &p.index
	err := s.conn.QueryRowContext(ctx, "SELECT coalesce(max(id), 0), coalesce(max(last_seq), 0) FROM segments").Scan(&x.last, &x.end)
	if err != nil {
		return err
	}
	if x.open == nil {
		x.full, x.open = newSegment(), newSegment()
	}
	x.full.clear()
	most := x.limit() + x.delay()
	var left int
	err = s.conn.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM exchanges WHERE seq > ? LIMIT ?)", x.end, most+1).Scan(&left)
	if err != nil {
		return err
	}
	if x.behind = left > most; x.behind {
		x.open.clear()
		return nil
	}
	first := x.end + 1
	if left > x.limit() {
		if err := readSegment(ctx, s.conn, x.full, first, math.MaxInt64, p.cursor, x.limit()); err != nil {
			return err
		}
		first = x.full.seqs[len(x.full.seqs)-1] + 1
	}
	return readSegment(ctx, s.conn, x.open, first, math.MaxInt64, p.cursor, x.limit())
}

// place adds r to the open segment.
func (p *projector) place(r *row) error {
	x := &p.index
	if x.behind {
		return nil
	}
	if len(x.open.seqs) >= x.limit() {
		x.full, x.open = x.open, x.full // which was written and is empty
	}
	if err := x.open.add(int64(r.seq), r.started, r.id, r.payload); err != nil {
		return err
	}
	if r.outcomeSeq != 0 {
		if err := x.open.end(int64(r.seq), r.ended); err != nil {
			return err
		}
	}
	if len(x.full.seqs) > 0 && len(x.open.seqs) >= x.delay() {
		return p.seal()
	}
	return nil
}

// seal writes the full segment.
func (p *projector) seal() error {
	x := &p.index
	if err := p.writeSegment(x.last+1, x.full); err != nil {
		return err
	}
	x.last++
	x.end = x.full.seqs[len(x.full.seqs)-1]
	x.full.clear()
	return nil
}

func (p *projector) writeSegment(id int64, s *segment) error {
	n := len(s.seqs)
	_, err := p.stmts[addSegment].Exec(id, s.seqs[0], s.seqs[n-1], int64(n), s.minStarted, s.maxStarted, s.minID[:], s.maxID[:])
	if err != nil {
		return err
	}
	if _, err := p.stmts[addTerm].Exec(id, int64(fieldRows), int64(0), appendSeqs(nil, s.seqs)); err != nil {
		return err
	}
	var waiting [termsAtOnce]struct {
		term audit.Term
		rows []byte
	}
	w := 0
	err = s.each(func(t audit.Term, rows []byte) error {
		waiting[w].term, waiting[w].rows = t, append(waiting[w].rows[:0], rows...)
		if w++; w < termsAtOnce {
			return nil
		}
		w = 0
		stmt := p.stmts[addTerms]
		for i := range waiting {
			stmt.Set(i*4, id)
			stmt.Set(i*4+1, int64(waiting[i].term))
			stmt.Set(i*4+2, int64(0))
			stmt.Set(i*4+3, waiting[i].rows)
		}
		_, err := stmt.Exec()
		return err
	})
	if err != nil {
		return err
	}
	for i := range waiting[:w] {
		if _, err := p.stmts[addTerm].Exec(id, int64(waiting[i].term), int64(0), waiting[i].rows); err != nil {
			return err
		}
	}
	return nil
}

// endIndexed adds the outcome, event seq, of an exchange projected before.
func (p *projector) endIndexed(ctx context.Context, s *store, intentSeq, seq int64, payload []byte) error {
	x := &p.index
	switch {
	case x.of(intentSeq).holds(intentSeq):
		return x.of(intentSeq).end(intentSeq, payload)
	case intentSeq > x.end:
		return nil // read back later, with its outcome
	}
	var list []audit.Term
	if err := audit.OutcomeTerms(payload, func(t audit.Term) { list = append(list, t) }); err != nil {
		return err
	}
	return p.addLate(ctx, s, intentSeq, seq, list)
}

// markPush adds what an event says beside a push.
func (p *projector) markPush(ctx context.Context, s *store, push push) error {
	details, err := audit.DecodeMap(push.payload)
	if err != nil {
		return err
	}
	x := &p.index
	switch {
	case x.of(push.intentSeq).holds(push.intentSeq):
		x.of(push.intentSeq).addMarks(push.intentSeq, details)
		return nil
	case push.intentSeq > x.end:
		return nil
	}
	var list []audit.Term
	audit.MarkTerms(details, func(t audit.Term) { list = append(list, t) })
	return p.addLate(ctx, s, push.intentSeq, push.seq, list)
}

// addLate adds terms of an exchange whose segment is written: as parts of their
// own, named by the event they come from.
func (p *projector) addLate(ctx context.Context, s *store, intentSeq, part int64, list []audit.Term) error {
	var id int64
	var encoded []byte
	err := s.conn.QueryRowContext(ctx, `SELECT segment, rows FROM terms WHERE term = ? AND part = 0
		AND segment = (SELECT id FROM segments WHERE first_seq <= ? ORDER BY first_seq DESC LIMIT 1)`, int64(fieldRows), intentSeq).Scan(&id, &encoded)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	row, ok := rowOf(decodeSeqs(encoded), intentSeq)
	if !ok {
		return nil
	}
	rows := appendRows(nil, []uint16{uint16(row)})
	seen := make(map[audit.Term]bool, len(list))
	for _, t := range list {
		if seen[t] {
			continue
		}
		seen[t] = true
		if _, err := p.stmts[addTerm].Exec(id, int64(t), part, rows); err != nil {
			return err
		}
	}
	return nil
}

// sealNext puts the next of the exchanges that wait into a segment.
func (p *projector) sealNext(s *store) error {
	if err := p.load(s); err != nil || !p.index.behind {
		return err
	}
	ctx, x := context.Background(), &p.index
	if err := readSegment(ctx, s.conn, x.full, x.end+1, math.MaxInt64, p.cursor, x.limit()); err != nil {
		return err
	}
	if err := s.inTx(p.seal); err != nil {
		return err
	}
	return p.loadIndex(ctx, s)
}
