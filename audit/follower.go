package audit

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// Follower reads exchanges in the order in which they ended, each once and
// whole. It goes through the log from any event on and holds no more than what
// is open there. It is for one goroutine.
type Follower struct {
	reader *Reader
	after  int64
	begun  map[uuid.UUID]*event
}

// Follow returns what reads the exchanges that ended after event after.
func (r *Reader) Follow(after uint64) *Follower {
	return &Follower{reader: r, after: int64(after), begun: make(map[uuid.UUID]*event)}
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

// Skip goes on with the first exchange that began at the time of the filter, if
// nothing before can match it.
func (f *Follower) Skip(ctx context.Context, filter Filter) error {
	if filter.Since.IsZero() {
		return nil
	}
	return f.reader.snapshot(ctx, func(s *snapshot) error {
		if s.sealed < 0 {
			return nil
		}
		first, err := firstSince(ctx, s.conn, filter.Since)
		if err == nil {
			f.after = max(f.after, first-1)
		}
		return err
	})
}

// Next returns the next exchanges that ended and match, oldest end first;
// OutcomeSeq says where each stands. There is more to read when it says so.
func (f *Follower) Next(ctx context.Context, filter Filter) (ended []*Exchange, more bool, err error) {
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
		x, err := f.take(ctx, e)
		if err != nil {
			return nil, false, fmt.Errorf("follow the trail: %w", err)
		}
		if x != nil && filter.matches(x) {
			ended = append(ended, x)
		}
		f.after = int64(e.seq)
	}
	return ended, len(events) == eventPage, nil
}

// take returns the exchange that e ends, if it ends one.
func (f *Follower) take(ctx context.Context, e *event) (*Exchange, error) {
	switch {
	case e.removed:
		return nil, nil //nolint:nilnil // retention has removed what e told
	case e.kind == typeIntent:
		f.begun[e.exchange] = e
		return nil, nil //nolint:nilnil // it has not ended
	case e.kind != typeOutcome:
		return nil, nil //nolint:nilnil // no exchange
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
