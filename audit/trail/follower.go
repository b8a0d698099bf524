package trail

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"sallyport/audit"
)

// Follower reads exchanges in the order in which they ended and the events
// between, each once and whole. It goes through the log from any event on and holds no more than what
// is open there. It is for one goroutine.
type Follower struct {
	reader *Reader
	after  int64
	which  audit.Which
	begun  map[uuid.UUID]*audit.Encoded
}

// Follow returns what reads the exchanges that ended, and the events that happened,
// after event after.
func (r *Reader) Follow(after uint64, which audit.Which) *Follower {
	return &Follower{reader: r, after: int64(after), which: which, begun: make(map[uuid.UUID]*audit.Encoded)}
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
func (f *Follower) Skip(ctx context.Context, filter audit.Filter) error {
	if filter.Since.IsZero() {
		return nil
	}
	return f.reader.snapshot(ctx, func(s *snapshot) error {
		if s.sealed < 0 {
			return nil
		}
		first, err := firstSince(ctx, s.conn, filter.Since)
		if err == nil && f.which&audit.Events != 0 {
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
func (f *Follower) Next(ctx context.Context, filter audit.Filter) (records []audit.Record, more bool, err error) {
	var events []*audit.Encoded
	query := selectEvents + " WHERE seq > ? ORDER BY seq LIMIT ?"
	err = eachEvent(ctx, f.reader.db, query, []any{f.after, eventPage}, func(e *audit.Encoded) error {
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
		if r != (audit.Record{}) {
			records = append(records, r)
		}
		f.after = int64(e.Seq)
	}
	return records, len(events) == eventPage, nil
}

// whole is what e makes whole, if that is wanted.
func (f *Follower) whole(ctx context.Context, e *audit.Encoded, filter *audit.Filter) (audit.Record, error) {
	if e.Type != audit.TypeIntent && e.Type != audit.TypeOutcome {
		if f.which&audit.Events == 0 || e.Removed {
			return audit.Record{}, nil
		}
		row, err := e.Decode()
		if err != nil || !filter.MatchesEvent(&row) {
			return audit.Record{}, err
		}
		return audit.Record{Event: &row}, nil
	}
	x, err := f.take(ctx, e)
	if err != nil || x == nil || f.which&audit.Exchanges == 0 || !filter.Matches(x) {
		return audit.Record{}, err
	}
	return audit.Record{Exchange: x}, nil
}

// take returns the exchange that e ends, if it ends one.
func (f *Follower) take(ctx context.Context, e *audit.Encoded) (*audit.Exchange, error) {
	switch {
	case e.Removed:
		return nil, nil //nolint:nilnil // retention has removed what e told
	case e.Type == audit.TypeIntent:
		f.begun[e.Exchange] = e
		return nil, nil //nolint:nilnil // it has not ended
	}
	intent := f.begun[e.Exchange]
	if intent == nil { // begun before the start
		return f.reader.ending(ctx, e)
	}
	delete(f.begun, e.Exchange)
	x := new(audit.Exchange)
	if err := x.ReadIntent(intent); err != nil {
		return nil, err
	}
	return x, x.ReadOutcome(e)
}

func (r *Reader) ending(ctx context.Context, e *audit.Encoded) (x *audit.Exchange, err error) {
	err = r.snapshot(ctx, func(s *snapshot) error {
		x, err = s.find(ctx, e.Exchange)
		return err
	})
	return x, err
}
