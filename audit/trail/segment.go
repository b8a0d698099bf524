package trail

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"sallyport/audit"
)

// segment indexes a run of exchanges, in the order of their intents. It is
// collected in memory and written when it is full: the terms of many exchanges
// at once, in the order of the table, cost a small part of what as many index
// entries would cost one by one.
type segment struct {
	seqs                   []int64 // of the intents, by row
	minStarted, maxStarted int64
	minID, maxID           uuid.UUID

	lists map[audit.Term]int // term to its place in rows
	rows  [][]uint16
	used  int  // of rows; the others wait for reuse
	whole bool // paths are indexed to their end, as older programs did
}

func newSegment() *segment { return &segment{lists: make(map[audit.Term]int)} }

func (s *segment) clear() {
	clear(s.lists)
	*s = segment{seqs: s.seqs[:0], lists: s.lists, rows: s.rows, whole: s.whole}
}

// holds reports whether the exchange that began with seq is in s, or after it.
func (s *segment) holds(seq int64) bool { return len(s.seqs) > 0 && seq >= s.seqs[0] }

// add takes the next exchange.
func (s *segment) add(seq, started int64, id uuid.UUID, intent []byte) error {
	if len(s.seqs) == 0 {
		s.minStarted, s.maxStarted, s.minID, s.maxID = started, started, id, id
	}
	row := len(s.seqs)
	s.seqs = append(s.seqs, seq)
	s.minStarted, s.maxStarted = min(s.minStarted, started), max(s.maxStarted, started)
	if less(id, s.minID) {
		s.minID = id
	}
	if less(s.maxID, id) {
		s.maxID = id
	}
	return audit.IntentTerms(intent, s.whole, func(t audit.Term) { s.put(t, row) })
}

// end takes the outcome of an exchange added before.
func (s *segment) end(seq int64, outcome []byte) error {
	row, ok := rowOf(s.seqs, seq)
	if !ok {
		return fmt.Errorf("event %d is in no segment", seq)
	}
	return audit.OutcomeTerms(outcome, func(t audit.Term) { s.put(t, row) })
}

// addMarks takes the marks that an event beside an exchange added before tells.
func (s *segment) addMarks(seq int64, details map[string]any) {
	if row, ok := rowOf(s.seqs, seq); ok {
		audit.MarkTerms(details, func(t audit.Term) { s.put(t, row) })
	}
}

func (s *segment) put(t audit.Term, row int) {
	i, ok := s.lists[t]
	if !ok {
		i = s.used
		s.lists[t] = i
		s.used++
		if i == len(s.rows) {
			s.rows = append(s.rows, nil)
		}
		s.rows[i] = s.rows[i][:0]
	}
	list := s.rows[i]
	if n := len(list); n > 0 && list[n-1] == uint16(row) {
		return
	}
	s.rows[i] = append(list, uint16(row))
}

// each calls fn for every term in ascending order, with its rows encoded.
func (s *segment) each(fn func(t audit.Term, rows []byte) error) error {
	terms := make([]audit.Term, 0, len(s.lists))
	for t := range s.lists {
		terms = append(terms, t)
	}
	slices.Sort(terms)
	var buf []byte
	for _, t := range terms {
		rows := s.rows[s.lists[t]]
		if !slices.IsSorted(rows) { // an outcome came after later intents
			slices.Sort(rows)
		}
		buf = appendRows(buf[:0], slices.Compact(rows))
		if err := fn(t, buf); err != nil {
			return err
		}
	}
	return nil
}

// readSegment collects up to limit exchanges with seqs from first to last as
// the tables have them, leaving out what has ended after cursor. s is reused.
func readSegment(ctx context.Context, q querier, s *segment, first, last, cursor int64, limit int) error {
	s.clear()
	rows, err := q.QueryContext(ctx, `SELECT x.seq, x.id, x.started_at, i.payload, o.seq, o.payload FROM exchanges x
		JOIN events i ON i.seq = x.seq LEFT JOIN events o ON o.seq = x.outcome_seq
		WHERE x.seq BETWEEN ? AND ? ORDER BY x.seq LIMIT ?`, first, last, limit)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	pushes := make(map[int64]uuid.UUID)
	for rows.Next() {
		var seq, started int64
		var id uuid.UUID
		var rawID, intent, outcome []byte
		var outcomeSeq sql.NullInt64
		if err := rows.Scan(&seq, &rawID, &started, &intent, &outcomeSeq, &outcome); err != nil {
			return err
		}
		copy(id[:], rawID)
		if err := s.add(seq, started, id, intent); err != nil {
			return atEvent(uint64(seq), err)
		}
		if bytes.Contains(intent, []byte(audit.DetailRefsTotal)) {
			pushes[seq] = id
		}
		if outcomeSeq.Valid && outcomeSeq.Int64 <= cursor {
			if err := s.end(seq, outcome); err != nil {
				return atEvent(uint64(outcomeSeq.Int64), err)
			}
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return readPushes(ctx, q, s, pushes)
}

// readPushes adds what was recorded beside the exchanges of s that are pushes.
func readPushes(ctx context.Context, q querier, s *segment, pushes map[int64]uuid.UUID) error {
	for seq, id := range pushes {
		err := eachEvent(ctx, q, selectPushes, []any{id[:]}, func(e *audit.Encoded) error {
			details, err := audit.DecodeMap(e.Payload)
			if err != nil {
				return atEvent(e.Seq, err)
			}
			s.addMarks(seq, details)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

const selectPushes = selectEvents + " WHERE exchange = ? AND exchange IS NOT NULL AND type NOT IN ('intent', 'outcome') AND type IN ('" + audit.TypePushRefs + "', '" + audit.TypePushRejected + "')"
