package ship

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// Destination takes records. When Send returns nil, the other side has them
// all; after an error it may have some. An error must hold no secret.
type Destination interface {
	Name() string
	Send(ctx context.Context, batch []audit.Record) error
}

// errTooLarge is the error of a batch that the other side would take in parts.
var errTooLarge = errors.New("the batch is too large")

// retryError is an error that says when to try again.
type retryError struct {
	err   error
	after time.Duration
}

func (e *retryError) Error() string { return e.err.Error() }
func (e *retryError) Unwrap() error { return e.err }

// Config is what a Shipper works with; the caller owns all of it.
type Config struct {
	Trail       *trail.Reader
	Filter      audit.Filter
	Which       audit.Which
	Destination Destination
	Cursor      *Cursor
	// InPlace reports that the trail being read is no longer the one at its path.
	InPlace func() error
	// Once stops at the end of the trail, and at the first error, instead of
	// going on.
	Once bool
	Log  *slog.Logger
}

const (
	// poll is how often the trail is looked at when there was nothing new.
	poll = 500 * time.Millisecond
	// patience bounds one delivery.
	patience = 30 * time.Second
	// leastPause and mostPause bound the pause after a failed delivery.
	leastPause = time.Second
	mostPause  = time.Minute
)

// Run ships until ctx is done, which is no error, and returns how many records
// were taken by the other side.
func Run(ctx context.Context, c Config) (shipped uint64, err error) {
	from := c.Trail.Follow(c.Cursor.After(), c.Which)
	if c.Cursor.After() == 0 {
		if err := from.Skip(ctx, c.Filter); err != nil {
			return 0, err
		}
	}
	if behind, err := from.Behind(ctx); err != nil || behind < 0 {
		return 0, errors.Join(err, endsBefore(behind, from.After()))
	}
	for ctx.Err() == nil {
		batch, more, err := from.Next(ctx, c.Filter)
		if err != nil {
			return shipped, ignoreDone(ctx, err)
		}
		if err := deliver(ctx, &c, batch); err != nil {
			return shipped, ignoreDone(ctx, err)
		}
		shipped += uint64(len(batch))
		// What is open stays behind the cursor's back, and is found when it ends.
		if from.After() != c.Cursor.After() {
			if err := c.Cursor.Store(from.After()); err != nil {
				return shipped, err
			}
		}
		if more {
			continue
		}
		if err := c.InPlace(); err != nil || c.Once {
			return shipped, err
		}
		waitFor(ctx, poll)
	}
	return shipped, nil
}

func endsBefore(behind int64, after uint64) error {
	if behind >= 0 {
		return nil
	}
	return fmt.Errorf("everything up to event %d was delivered, and the trail ends %d before it: it is another trail, or was rolled back", after, -behind)
}

func ignoreDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // whoever ended ctx knows why
	}
	return err
}

// deliver sends a batch, again and again until the other side has taken it.
func deliver(ctx context.Context, c *Config, batch []audit.Record) error {
	pause := leastPause
	for attempt := 1; len(batch) > 0; attempt++ {
		err := send(ctx, c.Destination, batch)
		if err == nil {
			if attempt > 1 {
				c.Log.Info("delivered again", "to", c.Destination.Name(), "attempts", attempt)
			}
			return nil
		}
		err = fmt.Errorf("ship to %s: %w", c.Destination.Name(), err)
		if c.Once || ctx.Err() != nil {
			return err
		}
		wait := pause/2 + rand.N(pause/2) //nolint:gosec // it spreads attempts, and hides nothing
		var retry *retryError
		if errors.As(err, &retry) && retry.after > 0 {
			wait = min(retry.after, mostPause)
		}
		c.Log.Warn("delivery failed; it is tried again", "error", err, "records", len(batch), "in", wait.Round(time.Millisecond))
		pause = min(2*pause, mostPause)
		waitFor(ctx, wait)
	}
	return nil
}

// send halves a batch that is too large for the other side.
func send(ctx context.Context, to Destination, batch []audit.Record) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := to.Send(limited, batch)
	if !errors.Is(err, errTooLarge) || len(batch) == 1 {
		return err
	}
	half := len(batch) / 2
	if err := send(ctx, to, batch[:half]); err != nil {
		return err
	}
	return send(ctx, to, batch[half:])
}

func waitFor(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
