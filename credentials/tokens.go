package credentials

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// Tokens keeps what has been minted, for each service's kinds in a [Store] of their own. It
// outlives a [Set], so that a reload mints nothing anew and a revoked agent's tokens are still
// known. It is safe for concurrent use.
type Tokens struct {
	now func() time.Time

	mu     sync.Mutex
	stores []Store
}

// Store is what the kinds of one service have minted. It is safe for concurrent use.
type Store interface {
	// Revoke forgets what is the agent's own and revokes it where it came from, as far as
	// that can be done; what agents share stays. via takes the requests.
	Revoke(ctx context.Context, agent string, via http.RoundTripper) (revoked int, err error)
	// Wait returns once nothing is being minted or revoked.
	Wait()
}

// NewTokens returns Tokens that hold nothing. now is the wall clock.
func NewTokens(now func() time.Time) *Tokens { return &Tokens{now: now} }

// StoreOf returns the store of type S that outlives the file which is read: made by fresh when
// the first entry asks for it.
func StoreOf[S Store](s *Section, fresh func(now func() time.Time) S) S {
	t := s.options.Tokens
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, store := range t.stores {
		if found, ok := store.(S); ok {
			return found
		}
	}
	made := fresh(t.now)
	t.stores = append(t.stores, made)
	return made
}

// all are the stores that there are.
func (t *Tokens) all() []Store {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Store(nil), t.stores...)
}

// Revoke forgets the tokens that are the agent's own and revokes them where they came
// from; those that agents share stay. via takes the requests. The agent must have been
// marked as revoked before: what is being minted for it is revoked when it comes, and
// Use.Transport refuses what begins later.
func (t *Tokens) Revoke(ctx context.Context, agent string, via http.RoundTripper) (revoked int, err error) {
	if agent == "" {
		return 0, nil
	}
	for _, store := range t.all() {
		n, failed := store.Revoke(ctx, agent, via)
		revoked, err = revoked+n, errors.Join(err, failed)
	}
	return revoked, err
}

// Wait returns once nothing is being minted or revoked.
func (t *Tokens) Wait() {
	for _, store := range t.all() {
		store.Wait()
	}
}
