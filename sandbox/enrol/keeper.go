package enrol

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"sallyport/certs"
	"sallyport/identity/join"
	"sallyport/sandbox/sidecar"
)

// Store keeps an identity where the agent's clients and the next process find it. It is used
// by one goroutine at a time.
type Store interface {
	// Pending is the key of a request that was made before, and made anew if there is none. It
	// is on the disk when it is returned.
	Pending() (keyPEM []byte, err error)
	// Save keeps an identity for the pending key, which is then not pending any more.
	Save(identity join.Identity, keyPEM []byte) error
}

// Config is what a Keeper needs.
type Config struct {
	Enrol string // host:port of the enrolment listener
	Store Store
	Log   *slog.Logger
}

// Keeper holds the newest identity of an agent. It is safe for concurrent use.
type Keeper struct {
	Config
	current atomic.Pointer[sidecar.Identity]
	wait    func(ctx context.Context, d time.Duration) bool // false once ctx has ended
	now     func() time.Time
}

// Identity implements [sidecar.Source].
func (k *Keeper) Identity() *sidecar.Identity { return k.current.Load() }

// Join gets the first identity by a token.
func Join(ctx context.Context, c Config, token join.Token) (*Keeper, join.Identity, error) {
	c.Enrol = token.Enrol
	k := newKeeper(c)
	key, err := c.Store.Pending()
	if err != nil {
		return nil, join.Identity{}, err
	}
	request, err := certs.RequestFor(key)
	if err != nil {
		return nil, join.Identity{}, err
	}
	message := join.Request{Invite: token.Invite.String(), Secret: token.Secret, Request: request}
	got, err := ask(ctx, token.Enrol, join.JoinPath, pinned(token.CA), message)
	if err != nil {
		return nil, join.Identity{}, fmt.Errorf("join: %w", err)
	}
	if got.Proxy == "" {
		got.Proxy = token.Proxy
	}
	return k, got, k.take(got, key)
}

// Continue goes on with an identity that was kept.
func Continue(c Config, identity *sidecar.Identity) *Keeper {
	k := newKeeper(c)
	k.current.Store(identity)
	return k
}

func newKeeper(c Config) *Keeper {
	return &Keeper{Config: c, now: time.Now, wait: func(ctx context.Context, d time.Duration) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		}
	}}
}

// take puts an identity in force.
func (k *Keeper) take(got join.Identity, key []byte) error {
	next, err := sidecar.ParseIdentity(got.Certificate, key, got.CA)
	if err != nil {
		return fmt.Errorf("the listener's answer is no identity for this key: %w", err)
	}
	if now := k.current.Load(); now != nil && now.String() != next.String() {
		return fmt.Errorf("the listener answers with the identity %s, not %s", next, now)
	}
	if err := k.Store.Save(got, key); err != nil {
		return err
	}
	k.current.Store(next)
	return nil
}

// How long it waits before it asks again after a failure.
const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
)

// Run renews the identity until ctx ends: at half of each certificate's life, give or take a
// tenth, so that agents which began together do not ask together.
func (k *Keeper) Run(ctx context.Context) {
	state := ""
	for retry := time.Duration(0); ; {
		delay := retry
		if retry == 0 {
			delay = k.due()
		}
		if !k.wait(ctx, spread(delay)) {
			return
		}
		err := k.Renew(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			k.Log.Info("identity renewed", "agent", k.Identity().String(), "not_after", k.Identity().NotAfter())
			retry, state = 0, ""
			continue
		}
		retry = min(max(2*retry, firstRetry), lastRetry)
		refused, isRefusal := errors.AsType[*RefusedError](err)
		if isRefusal && refused.Final {
			retry = lastRetry // until people have changed something
		}
		if now := err.Error(); now != state {
			state = now
			args := []any{"agent", k.Identity().String(), "not_after", k.Identity().NotAfter(), "error", err}
			if isRefusal && refused.Try != "" {
				args = append(args, "try", refused.Try)
			}
			k.Log.Warn("identity cannot be renewed; trying on", args...)
		}
	}
}

// due is how long it is until half of the certificate's life is over.
func (k *Keeper) due() time.Duration {
	i := k.Identity()
	half := i.NotAfter().Sub(i.NotBefore()) / 2
	return max(0, i.NotBefore().Add(half).Sub(k.now()))
}

// spread moves a delay by up to a tenth.
func spread(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()-0.5)*0.2*float64(d)) //nolint:gosec // when to ask is no secret
}

// Renew gets the next certificate now. It is not called by several goroutines at a time.
func (k *Keeper) Renew(ctx context.Context) error {
	key, err := k.Store.Pending()
	if err != nil {
		return err
	}
	request, err := certs.RequestFor(key)
	if err != nil {
		return err
	}
	got, err := ask(ctx, k.Enrol, join.RenewPath, k.Identity().TLS(), join.Renewal{Request: request})
	if err != nil {
		return err
	}
	return k.take(got, key)
}

// Memory is a Store for an agent that ends with its process.
type Memory struct {
	pending []byte
	// Saved is called with each identity, for what the agent's clients read; nil for nobody.
	Saved func(join.Identity) error
}

// Pending implements [Store].
func (m *Memory) Pending() ([]byte, error) {
	if m.pending == nil {
		key, _, err := certs.MakeRequest()
		if err != nil {
			return nil, err
		}
		m.pending = key
	}
	return m.pending, nil
}

// Save implements [Store].
func (m *Memory) Save(identity join.Identity, _ []byte) error {
	if m.Saved != nil {
		if err := m.Saved(identity); err != nil {
			return err
		}
	}
	m.pending = nil
	return nil
}
