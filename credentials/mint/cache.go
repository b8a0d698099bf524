// Package mint keeps credentials that are minted for a while: installation tokens, STS
// sessions. It knows when to mint and when to mint anew, and nothing of how.
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
//   - a failure is the answer for a moment only, and never while a value is still good;
//   - what is removed is not handed out again, not even by a mint that was in flight.
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
	Limit   time.Duration    // for one mint
	Refresh float64          // the share of a value's life after which it is minted anew
	Margin  time.Duration    // what a value must have left to be handed out
	Failure time.Duration    // how long a failure is the answer
	Size    int              // keys at most; the one that expires first goes
	Now     func() time.Time // time.Now
	Jitter  func() float64   // in [0, 1): spreads mints that began together over a tenth of a life
	Discard func(V)          // takes a value that came after its key was removed
}

// Minted is a value and when it ends.
type Minted[V any] struct {
	Value   V
	Expires time.Time
}

// Func mints one value. It must return soon after ctx is done.
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
	value   V
	good    bool          // value was minted
	expires time.Time     // by the wall clock
	minted  time.Time     // with a monotonic reading
	life    time.Duration // from minted on
	fresh   time.Duration // until it is minted anew

	err     error     // of the last mint, while
	failed  time.Time // is recent
	flight  *flight[V]
	removed bool
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
	now := c.options.Now()
	e := c.entry(key, now)
	failing := e.err != nil && now.Sub(e.failed) < c.options.Failure
	usable := e.usable(now, c.options.Margin)
	if e.flight == nil && !failing && (!usable || now.Sub(e.minted) >= e.fresh) {
		c.start(ctx, e, mint)
	}
	value, err, flight := e.value, e.err, e.flight
	c.mu.Unlock()

	var none V
	switch {
	case usable:
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
	if err := ctx.Err(); err != nil {
		return none, fmt.Errorf("mint: %w", context.Cause(ctx))
	}
	return none, fmt.Errorf("mint: no answer within %v", c.options.Limit)
}

func (e *entry[V]) usable(now time.Time, margin time.Duration) bool {
	return e.good && now.Add(margin).Before(e.expires) && now.Sub(e.minted)+margin < e.life
}

// entry returns the entry of key, making room for it if it is new.
func (c *Cache[K, V]) entry(key K, now time.Time) *entry[V] {
	if e, ok := c.entries[key]; ok {
		return e
	}
	if len(c.entries) >= c.options.Size {
		c.makeRoom(now)
	}
	e := &entry[V]{}
	c.entries[key] = e
	return e
}

// makeRoom drops what is of no use any more, or else the value that ends first.
func (c *Cache[K, V]) makeRoom(now time.Time) {
	var first K
	var ends time.Time
	found := false
	for key, e := range c.entries {
		switch {
		case e.flight != nil:
		case !e.usable(now, c.options.Margin):
			delete(c.entries, key)
		case !found || e.expires.Before(ends):
			first, ends, found = key, e.expires, true
		}
	}
	if found && len(c.entries) >= c.options.Size {
		delete(c.entries, first)
	}
}

// start begins a mint for e. The caller holds the lock.
func (c *Cache[K, V]) start(ctx context.Context, e *entry[V], mint Func[V]) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.options.Limit)
	e.flight = &flight[V]{done: make(chan struct{}), late: ctx.Done()}
	began := c.options.Now()
	c.mints.Go(func() {
		minted, err := mint(ctx)
		c.finish(e, minted, err, began)
		cancel() // last: its end means the limit to those who wait
	})
}

// finish keeps the outcome of a mint and answers those who wait for it.
func (c *Cache[K, V]) finish(e *entry[V], minted Minted[V], err error, began time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := e.flight
	defer close(f.done)
	e.flight = nil
	now := c.options.Now()
	life := minted.Expires.Sub(began.Round(0))
	switch {
	case err == nil && e.removed:
		f.err = ErrRemoved
		if c.options.Discard != nil {
			c.mints.Go(func() { c.options.Discard(minted.Value) })
		}
		return
	case err == nil && life <= c.options.Margin:
		err = errors.New("mint: what was minted has expired already; check this machine's clock")
	}
	if err != nil {
		e.err, e.failed, f.err = err, now, err
		return
	}
	e.value, e.good, e.err, f.value = minted.Value, true, nil, minted.Value
	e.expires, e.minted, e.life = minted.Expires, began, life
	e.fresh = time.Duration(float64(life) * c.options.Refresh * (1 - c.options.Jitter()/10))
}

// Remove forgets every key that match names, and returns the values it had that may
// still be good, to be revoked where they came from.
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
		if e.usable(c.options.Now(), 0) {
			values = append(values, e.value)
		}
	}
	return values
}

// Len returns the number of keys.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}

// Wait returns once no mint is in flight: the last call of whoever made the cache.
func (c *Cache[K, V]) Wait() { c.mints.Wait() }
