// Package mint keeps credentials that are minted for a while, such as tokens of one
// installation and sessions of a role. It knows when to mint and when to mint anew, and
// nothing of how. Every kind of credential that is minted uses it; there is no other.
//
// A kind makes one [Cache] that outlives reloads of the configuration, with a key that
// holds all that the minted value depends on (the agent among it, unless agents share),
// and asks it with a [Func] that mints for that key.
//
// It promises that
//
//   - a value is never handed out past its expiry, by the wall clock and by the time
//     that has passed, so that a clock set back does not lengthen its life;
//   - one mint is in flight per key, on a context of its own: a caller that leaves does
//     not fail the others, and one that hangs ends for all of them at the limit and
//     touches no other key;
//   - in the last part of its life a value is minted anew in the background, while
//     callers go on with the one there is;
//   - a failure is the answer for a moment only, longer if it repeats or says so itself,
//     and never while a value is still good;
//   - what is removed is not handed out again, not even by a mint that was in flight, and
//     no value is forgotten while it is good: it comes out of [Cache.Remove], or it goes
//     to [Options].Discard.
//
// It never retries by itself, never logs, and never looks into a value.
package mint

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Options shapes a Cache. Every field must be set but Discard.
type Options[V any] struct {
	Limit time.Duration // for one mint
	// Refresh is the share of a value's life after which it is minted anew: 5.0/6 for
	// 50 minutes of an hour. Jitter comes on top.
	Refresh float64
	Margin  time.Duration    // what a value must have left to be handed out
	Failure time.Duration    // how long a failure is the answer; doubled with each that follows, up to 8 times this
	Size    int              // keys at most; the one that was not used for longest goes
	Now     func() time.Time // the wall clock: time.Now
	Jitter  func() float64   // in [0, 1): spreads mints that began together over a tenth of a life
	Discard func(V)          // takes, on a goroutine of its own, a good value that is not kept
}

// Minted is a value and when it ends, by the clock that is Options.Now: a Func that has
// learnt that its issuer's clock differs translates, and one that knows how long its
// values live at most says no later than that.
type Minted[V any] struct {
	Value   V
	Expires time.Time
}

// Func mints one value. It must return soon after ctx is done. Its error may have a
// method RetryAfter() time.Duration, which says how long there is no point in another try.
type Func[V any] func(ctx context.Context) (Minted[V], error)

// ErrRemoved is what callers get whose key was removed while they waited.
var ErrRemoved = errors.New("removed while it was minted")

// Cache holds one value per key. It is safe for concurrent use.
type Cache[K comparable, V any] struct {
	options Options[V]
	mints   sync.WaitGroup

	mu      sync.Mutex
	entries map[K]*entry[V]
}

// entry is all that is known of one key.
type entry[V any] struct {
	lease[V]
	before lease[V]      // what it was minted anew for; requests may be under way with it
	fresh  time.Duration // since it was minted, until it is minted anew
	used   time.Time

	err      error // of the last mint, the answer
	until    time.Duration
	failed   time.Time // since this
	failures int       // in a row
	flight   *flight[V]
	removed  bool
}

// lease is a value and its time. The zero lease is over.
type lease[V any] struct {
	value   V
	expires time.Time     // by the wall clock
	minted  time.Time     // by the process's own clock, which is never set
	life    time.Duration // from minted on
}

// good reports whether the value has more than margin left, by both clocks.
func (l *lease[V]) good(wall time.Time, margin time.Duration) bool {
	return l.life > 0 && wall.Add(margin).Before(l.expires) && time.Since(l.minted)+margin < l.life
}

// flight is one mint. value and err may be read once done is closed.
type flight[V any] struct {
	done  chan struct{}
	late  <-chan struct{} // the limit is reached, whatever the mint does
	value V
	err   error
}

// New returns an empty Cache.
func New[K comparable, V any](options Options[V]) *Cache[K, V] {
	return &Cache[K, V]{options: options, entries: map[K]*entry[V]{}}
}

// Get returns the value of key, minted by mint if there is none that is good. In this
// order:
//
//  1. a value that is good is the answer; late in its life, it is minted anew meanwhile;
//  2. a recent failure is the answer;
//  3. the mint in flight, or a new one, is waited for.
func (c *Cache[K, V]) Get(ctx context.Context, key K, mint Func[V]) (V, error) {
	c.mu.Lock()
	now := time.Now()
	e := c.entry(key)
	e.used = now
	failing := e.err != nil && now.Sub(e.failed) < e.until
	good := e.good(c.options.Now(), c.options.Margin)
	if e.flight == nil && !failing && (!good || now.Sub(e.minted) >= e.fresh) {
		c.start(ctx, e, mint)
	}
	value, err, flight := e.value, e.err, e.flight
	c.mu.Unlock()

	var none V
	switch {
	case good:
		return value, nil
	case flight == nil:
		return none, err
	}
	select {
	case <-flight.done:
	case <-flight.late:
	case <-ctx.Done():
	}
	// An answer counts even if the limit or the caller's end came with it.
	select {
	case <-flight.done:
		return flight.value, flight.err
	default:
	}
	if ctx.Err() != nil {
		return none, fmt.Errorf("mint: %w", context.Cause(ctx))
	}
	return none, c.late()
}

func (c *Cache[K, V]) late() error {
	return fmt.Errorf("mint: no answer within %v", c.options.Limit)
}

// entry returns the entry of key, making room for it if it is new.
func (c *Cache[K, V]) entry(key K) *entry[V] {
	if e, ok := c.entries[key]; ok {
		return e
	}
	if len(c.entries) >= c.options.Size {
		c.makeRoom()
	}
	e := &entry[V]{}
	c.entries[key] = e
	return e
}

// makeRoom drops what is of no use any more, or else what was not used for longest.
func (c *Cache[K, V]) makeRoom() {
	wall := c.options.Now()
	var oldest *entry[V]
	var oldestKey K
	for key, e := range c.entries {
		switch {
		case e.flight != nil:
		case !e.good(wall, 0) && !e.before.good(wall, 0):
			delete(c.entries, key)
		case oldest == nil || e.used.Before(oldest.used):
			oldest, oldestKey = e, key
		}
	}
	if oldest == nil || len(c.entries) < c.options.Size {
		return
	}
	delete(c.entries, oldestKey)
	for _, value := range c.left(oldest) {
		c.discard(value)
	}
}

// Spoil ends the value of a key before its time, if it is one that spoilt names: the next
// caller mints anew. For what its issuer no longer takes; as that may be a mistake, the
// value goes to Options.Discard.
func (c *Cache[K, V]) Spoil(key K, spoilt func(V) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[key]; e != nil && e.life > 0 && spoilt(e.value) {
		if e.good(c.options.Now(), 0) {
			c.discard(e.value)
		}
		e.lease = lease[V]{}
	}
}

// left are the values of an entry that are good where they came from.
func (c *Cache[K, V]) left(e *entry[V]) (values []V) {
	for _, l := range []*lease[V]{&e.before, &e.lease} {
		if l.good(c.options.Now(), 0) {
			values = append(values, l.value)
		}
	}
	return values
}

func (c *Cache[K, V]) discard(value V) {
	if c.options.Discard != nil {
		c.mints.Go(func() { c.options.Discard(value) })
	}
}

// start begins a mint for e. The caller holds the lock.
func (c *Cache[K, V]) start(ctx context.Context, e *entry[V], mint Func[V]) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.options.Limit)
	e.flight = &flight[V]{done: make(chan struct{}), late: ctx.Done()}
	began, wall := time.Now(), c.options.Now()
	c.mints.Go(func() {
		minted, err := mint(ctx)
		if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = c.late()
		}
		c.finish(e, lease[V]{minted.Value, minted.Expires, began, minted.Expires.Sub(wall)}, err)
		cancel() // last: its end means the limit to those who wait
	})
}

// finish keeps the outcome of a mint and answers those who wait for it.
func (c *Cache[K, V]) finish(e *entry[V], minted lease[V], err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := e.flight
	defer close(f.done)
	e.flight = nil
	switch {
	case err == nil && e.removed:
		f.err = ErrRemoved
		c.discard(minted.value)
		return
	case err == nil && minted.life <= c.options.Margin:
		err = errors.New("mint: what was minted has expired already; check this machine's clock")
		c.discard(minted.value)
	}
	if err != nil {
		f.err = err
		c.fail(e, err)
		return
	}
	e.before, e.lease, f.value = e.lease, minted, minted.value
	e.err, e.failures = nil, 0
	e.fresh = time.Duration(float64(minted.life) * (c.options.Refresh + c.options.Jitter()/10))
}

// How long a failure may be the answer: by how often it is doubled, and by what it says.
const (
	maxDoublings   = 3
	longestFailure = time.Hour
)

func (c *Cache[K, V]) fail(e *entry[V], err error) {
	e.err, e.failed = err, time.Now()
	e.until = c.options.Failure << min(e.failures, maxDoublings)
	e.failures++
	var later interface{ RetryAfter() time.Duration }
	if errors.As(err, &later) {
		e.until = max(e.until, min(later.RetryAfter(), longestFailure))
	}
}

// Remove forgets every key that match names, and returns the values that are still
// good, to be revoked where they came from: also the one before, for each that was
// minted anew. What is in flight goes to Options.Discard.
func (c *Cache[K, V]) Remove(match func(K) bool) []V {
	c.mu.Lock()
	defer c.mu.Unlock()
	var values []V
	for key, e := range c.entries {
		if !match(key) {
			continue
		}
		delete(c.entries, key)
		e.removed = true
		values = append(values, c.left(e)...)
	}
	return values
}

// Len returns the number of keys.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}

// Wait returns once no mint and no Discard is under way: the last call of whoever made
// the cache.
func (c *Cache[K, V]) Wait() { c.mints.Wait() }
