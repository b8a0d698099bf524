package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sallyport/audit"
)

const (
	// every is the least time between two publications.
	every = 10 * time.Second
	// patience bounds one publication to one place.
	patience = 8 * time.Second
)

// Place takes a checkpoint. An error must hold no secret: it is logged.
type Place interface {
	Name() string
	Publish(ctx context.Context, note []byte) error
}

// Trail is what is published, and held back when it cannot be.
type Trail interface {
	Stats() audit.Stats
	Hold(why error)
	Record(ctx context.Context, e audit.Event) error
}

// Config is what a Publisher works with; the caller owns all of it.
type Config struct {
	Places []Place
	Newest func(ctx context.Context) (audit.SignedCheckpoint, error)
	Trail  Trail
	// Limit is how long a place may be behind before nothing new may begin; 0
	// means for ever.
	Limit time.Duration
	Log   *slog.Logger
}

// Publisher publishes to all places. Run it once; Err is safe to call meanwhile.
type Publisher struct {
	Config

	mu      sync.Mutex // guards what is below
	states  []state
	holding bool
}

// state is how far one place has got.
type state struct {
	size  uint64    // events that its newest checkpoint covers
	since time.Time // when it fell behind; zero: it has not
	err   error     // of the last attempt
}

// New returns a publisher for c.
func New(c Config) *Publisher {
	return &Publisher{Config: c, states: make([]state, len(c.Places))}
}

// Run publishes until ctx is done, and then once more.
func (p *Publisher) Run(ctx context.Context) {
	if len(p.Places) == 0 {
		return
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		p.round(ctx)
		select {
		case <-ctx.Done():
			p.round(context.WithoutCancel(ctx))
			return
		case <-ticker.C:
		}
	}
}

// round publishes the newest checkpoint to every place that lacks it.
func (p *Publisher) round(ctx context.Context) {
	start := time.Now()
	events := p.Trail.Stats().Events
	newest, err := p.Newest(ctx)
	if errors.Is(err, audit.ErrNoCheckpoint) {
		err = nil // of a trail that has just begun
	}
	var all sync.WaitGroup
	for i, place := range p.Places {
		all.Go(func() {
			p.update(i, start, events, newest.Size, errors.Join(err, p.send(ctx, place, i, newest)))
		})
	}
	all.Wait()
	p.hold(ctx)
}

func (p *Publisher) send(ctx context.Context, place Place, i int, newest audit.SignedCheckpoint) error {
	p.mu.Lock()
	has := p.states[i].size
	p.mu.Unlock()
	if newest.Size <= has {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return place.Publish(ctx, []byte(newest.Note))
}

// update notes what came of one publication, and logs when that changes.
func (p *Publisher) update(i int, start time.Time, events, size uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.states[i]
	before := s.err
	s.err = err
	if err == nil && size > s.size {
		s.size, s.since = size, time.Time{}
	}
	switch {
	case s.size >= events:
		s.since = time.Time{}
	case s.since.IsZero():
		s.since = start
	}
	switch name := p.Places[i].Name(); {
	case err != nil && before == nil:
		p.Log.Warn("checkpoints cannot be published", "place", name, "error", err)
	case err == nil && before != nil:
		p.Log.Info("checkpoints are published again", "place", name, "events", size)
	}
}

// hold holds the trail while a place has been behind for too long.
func (p *Publisher) hold(ctx context.Context) {
	if p.Limit == 0 {
		return
	}
	late := p.late(time.Now())
	if late != nil {
		p.Trail.Hold(late)
	} else {
		p.Trail.Hold(nil)
	}
	p.mu.Lock()
	changed := p.holding != (late != nil)
	p.holding = late != nil
	p.mu.Unlock()
	if !changed {
		return
	}
	event := audit.Event{Type: audit.TypeTrailReleased}
	if late != nil {
		event = audit.Event{Type: audit.TypeTrailHeld, Payload: map[string]any{"why": late.Error()}}
		p.Log.Error("new requests are refused", "error", late)
	} else {
		p.Log.Info("new requests are served again")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := p.Trail.Record(ctx, event); err != nil {
		p.Log.Warn("event not recorded", "type", event.Type, "error", err)
	}
}

// late names a place that has been behind for longer than the limit.
func (p *Publisher) late(now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, s := range p.states {
		if !s.since.IsZero() && now.Sub(s.since) > p.Limit {
			return fmt.Errorf("%s has had no checkpoint since %s, which is longer than max_unpublished (%s): %w",
				p.Places[i].Name(), s.since.UTC().Format(time.RFC3339), p.Limit, cause(s.err))
		}
	}
	return nil
}

var errUnsigned = errors.New("none was signed")

func cause(err error) error {
	if err == nil {
		return errUnsigned
	}
	return err
}

// Err names the places whose last publication failed; nil if none did.
func (p *Publisher) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for i, s := range p.states {
		if s.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.Places[i].Name(), s.err))
		}
	}
	return errors.Join(errs...)
}

// Behind is how long the place that is furthest behind has been so.
func (p *Publisher) Behind() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	var most time.Duration
	for _, s := range p.states {
		if !s.since.IsZero() {
			most = max(most, time.Since(s.since))
		}
	}
	return most
}
