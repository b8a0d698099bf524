package audit

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// Follower reads exchanges in the order in which they ended and the events
// between, each once and whole. It goes through the log from any event on and holds no more than what
// is open there. It is for one goroutine.
type Follower struct {
	reader *Reader
	after  int64
	which  Which
	begun  map[uuid.UUID]*event
}

// Follow returns what reads the exchanges that ended, and the events that happened,
// after event after.
func (r *Reader) Follow(after uint64, which Which) *Follower {
	return &Follower{reader: r, after: int64(after), which: which, begun: make(map[uuid.UUID]*event)}
}

// Behind says how many events the trail has after the last one looked at, which
// is negative when it ends before: then it is not the trail that was followed.
func (f *Follower) Behind(ctx context.Context) (int64, error) {
	var head int64
	err := f.reader.db.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM events").Scan(&head)
	if err != nil {
		return 0, fmt.Errorf("follow the trail: %w", err)
	}
	return head - f.after, nil
}

// After is the last event looked at: what a later Follow goes on from.
func (f *Follower) After() uint64 { return uint64(f.after) }

// skipShort events before the first exchange of a time are read too, since clocks and
// commits are not in step.
const skipShort = 1000

// Skip goes on with the first exchange that began at the time of the filter, or with the
// events before it, if nothing before can match it.
func (f *Follower) Skip(ctx context.Context, filter Filter) error {
	if filter.Since.IsZero() {
		return nil
	}
	return f.reader.snapshot(ctx, func(s *snapshot) error {
		if s.sealed < 0 {
			return nil
		}
		first, err := firstSince(ctx, s.conn, filter.Since)
		if err == nil && f.which&Events != 0 {
			err = s.conn.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM exchanges WHERE seq < ?", first).Scan(&first)
			first -= skipShort
		}
		if err == nil {
			f.after = max(f.after, first-1)
		}
		return err
	})
}

// Next returns the next records that match, in their order; Seq says where each stands.
// There is more to read when it says so.
func (f *Follower) Next(ctx context.Context, filter Filter) (records []Record, more bool, err error) {
	var events []*event
	query := selectEvents + " WHERE seq > ? ORDER BY seq LIMIT ?"
	err = eachEvent(ctx, f.reader.db, query, []any{f.after, eventPage}, func(e *event) error {
		events = append(events, e)
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	for _, e := range events {
		r, err := f.whole(ctx, e, &filter)
		if err != nil {
			return nil, false, fmt.Errorf("follow the trail: %w", err)
		}
		if r != (Record{}) {
			records = append(records, r)
		}
		f.after = int64(e.seq)
	}
	return records, len(events) == eventPage, nil
}

// whole is what e makes whole, if that is wanted.
func (f *Follower) whole(ctx context.Context, e *event, filter *Filter) (Record, error) {
	if e.typ != TypeIntent && e.typ != TypeOutcome {
		if f.which&Events == 0 || e.removed {
			return Record{}, nil
		}
		row, err := e.decode()
		if err != nil || !filter.matchesEvent(&row) {
			return Record{}, err
		}
		return Record{Event: &row}, nil
	}
	x, err := f.take(ctx, e)
	if err != nil || x == nil || f.which&Exchanges == 0 || !filter.matches(x) {
		return Record{}, err
	}
	return Record{Exchange: x}, nil
}

// take returns the exchange that e ends, if it ends one.
func (f *Follower) take(ctx context.Context, e *event) (*Exchange, error) {
	switch {
	case e.removed:
		return nil, nil //nolint:nilnil // retention has removed what e told
	case e.typ == TypeIntent:
		f.begun[e.exchange] = e
		return nil, nil //nolint:nilnil // it has not ended
	}
	intent := f.begun[e.exchange]
	if intent == nil { // begun before the start
		return f.reader.ending(ctx, e)
	}
	delete(f.begun, e.exchange)
	x := new(Exchange)
	if err := x.fromIntent(intent); err != nil {
		return nil, err
	}
	return x, x.fromOutcome(e)
}

func (r *Reader) ending(ctx context.Context, e *event) (x *Exchange, err error) {
	err = r.snapshot(ctx, func(s *snapshot) error {
		x, err = s.find(ctx, e.exchange)
		return err
	})
	return x, err
}
