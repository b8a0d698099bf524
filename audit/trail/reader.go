package trail

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/internal/sqlite"
)

// errStop ends an iteration that has all it wants.
var errStop = errors.New("stop")

// Reader reads a trail, from any process, while another writes it. It never
// changes anything and holds no lock that a writer waits for. It is safe for
// concurrent use.
type Reader struct {
	path string
	db   *sql.DB
}

// readerCacheKiB holds the inner pages of the index of some ten million
// exchanges; it is taken as it is needed.
const readerCacheKiB = 16384

// OpenReader opens the trail at path for reading only.
func OpenReader(path string) (*Reader, error) {
	db, err := sqlite.Open(path, sqlite.Options{ReadOnly: true, CacheKiB: readerCacheKiB})
	if err != nil {
		return nil, fmt.Errorf("audit trail: %w", err)
	}
	return &Reader{path: path, db: db}, nil
}

// Close closes the reader.
func (r *Reader) Close() error { return r.db.Close() }

// List returns the newest exchanges that match, newest first. An exchange
// committed before the call is in it, projected or not.
func (r *Reader) List(ctx context.Context, f audit.Filter) ([]audit.Exchange, error) {
	list := []audit.Exchange{}
	err := r.Each(ctx, f, func(x *audit.Exchange) error {
		list = append(list, *x)
		return nil
	})
	return list, err
}

// Each calls fn for the exchanges of List, one by one.
func (r *Reader) Each(ctx context.Context, f audit.Filter, fn func(*audit.Exchange) error) error {
	return r.snapshot(ctx, func(s *snapshot) error {
		left := f.Limit
		err := s.each(ctx, &f, func(x *audit.Exchange) error {
			if err := fn(x); err != nil {
				return err
			}
			if left--; left == 0 {
				return errStop
			}
			return nil
		})
		if errors.Is(err, errStop) {
			return nil
		}
		return err
	})
}

// Show returns one exchange and all its events, oldest first.
func (r *Reader) Show(ctx context.Context, id uuid.UUID) (audit.Exchange, []audit.EventRow, error) {
	var x audit.Exchange
	var events []audit.EventRow
	err := r.snapshot(ctx, func(s *snapshot) error {
		found, err := s.find(ctx, id)
		if err != nil {
			return err
		}
		x = *found
		events, err = s.events(ctx, found)
		return err
	})
	return x, events, err
}

// eventPage bounds a read transaction of Events, so that a slow reader does
// not keep the write-ahead log from being reused.
const eventPage = 1000

// Events calls fn for every matching event, oldest first.
func (r *Reader) Events(ctx context.Context, f audit.EventFilter, fn func(audit.EventRow) error) error {
	left := f.Limit
	for {
		page := eventPage
		if f.Limit > 0 {
			page = min(page, left)
		}
		events, err := eventsAt(ctx, r, f, page)
		if err != nil {
			return err
		}
		for _, e := range events {
			row, err := e.Decode()
			if err != nil {
				return err
			}
			if err := fn(row); err != nil {
				return err
			}
			f.After = e.Seq
		}
		left -= len(events)
		if len(events) < page || (f.Limit > 0 && left == 0) {
			return nil
		}
	}
}

func eventsAt(ctx context.Context, r *Reader, f audit.EventFilter, n int) ([]*audit.Encoded, error) {
	c := condition{}
	c.add("seq > ?", int64(f.After))
	if f.Type != "" && f.Type != audit.TypeIntent && f.Type != audit.TypeOutcome {
		c.add("type NOT IN ('intent', 'outcome')") // the index is of these
	}
	c.text("type", f.Type)
	var events []*audit.Encoded
	query := selectEvents + " WHERE " + c.String() + " ORDER BY seq LIMIT ?"
	err := eachEvent(ctx, r.db, query, append(c.args, n), func(e *audit.Encoded) error {
		events = append(events, e)
		return nil
	})
	return events, err
}

// Last returns the newest event of one of these types, which are none of an
// exchange's, or ErrNotFound.
func (r *Reader) Last(ctx context.Context, types ...string) (audit.EventRow, error) {
	var newest *audit.Encoded
	for _, typ := range types {
		query := selectEvents + " WHERE type NOT IN ('intent', 'outcome') AND type = ? ORDER BY seq DESC LIMIT 1"
		err := eachEvent(ctx, r.db, query, []any{typ}, func(e *audit.Encoded) error {
			if newest == nil || e.Seq > newest.Seq {
				newest = e
			}
			return nil
		})
		if err != nil {
			return audit.EventRow{}, err
		}
	}
	if newest == nil {
		return audit.EventRow{}, fmt.Errorf("%w: no event of type %s", audit.ErrNotFound, strings.Join(types, " or "))
	}
	return newest.Decode()
}

const (
	// tailLength exchanges are shown before those to come.
	tailLength = 10
	// tailPoll is how often a followed trail is looked at.
	tailPoll = 250 * time.Millisecond
)

// Tail calls fn for the last ten exchanges, oldest first. With follow set it
// tells only exchanges that have ended, and goes on with each one as it ends,
// until ctx is done, which is no error.
func (r *Reader) Tail(ctx context.Context, follow bool, fn func(audit.Exchange) error) error {
	last, err := tailStart(ctx, r, follow, fn)
	if err != nil || !follow {
		return err
	}
	ticker := time.NewTicker(tailPoll)
	defer ticker.Stop()
	for {
		if last, err = tailNext(ctx, r, last, fn); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// tailStart tells the last exchanges and returns the seq they go up to.
func tailStart(ctx context.Context, r *Reader, ended bool, fn func(audit.Exchange) error) (int64, error) {
	var head int64
	var list []audit.Exchange
	err := r.snapshot(ctx, func(s *snapshot) error {
		head = s.head
		return s.each(ctx, &audit.Filter{}, func(x *audit.Exchange) error {
			if !ended || x.Ended {
				list = append(list, *x)
			}
			if len(list) == tailLength {
				return errStop
			}
			return nil
		})
	})
	if err != nil && !errors.Is(err, errStop) {
		return 0, err
	}
	slices.Reverse(list)
	for _, x := range list {
		if err := fn(x); err != nil {
			return 0, err
		}
	}
	return head, nil
}

// tailNext tells the exchanges that ended after seq last.
func tailNext(ctx context.Context, r *Reader, last int64, fn func(audit.Exchange) error) (int64, error) {
	var list []audit.Exchange
	err := r.snapshot(ctx, func(s *snapshot) error {
		query := selectEvents + " WHERE seq > ? AND type = 'outcome' ORDER BY seq LIMIT ?"
		var ended []*audit.Encoded
		err := eachEvent(ctx, s.conn, query, []any{last, eventPage}, func(e *audit.Encoded) error {
			ended = append(ended, e)
			return nil
		})
		if err != nil {
			return err
		}
		last = s.head
		if len(ended) == eventPage {
			last = int64(ended[eventPage-1].Seq)
		}
		list, err = s.findAll(ctx, ended)
		return err
	})
	if err != nil {
		return last, err
	}
	for _, x := range list {
		if err := fn(x); err != nil {
			return last, err
		}
	}
	return last, nil
}
