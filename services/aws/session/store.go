package session

import (
	"context"
	"crypto/sha256"
	"math/rand/v2"
	"net/http"
	"time"

	"sallyport/credentials/mint"
	"sallyport/services/aws/sigv4"
)

// Bounds of minting.
const (
	mintLimit     = 10 * time.Second
	expiryMargin  = time.Minute
	failureMemory = 2 * time.Second
	maxSessions   = 20_000
	maxChains     = 10_000
	// refreshAt is the share of a session's life after which it is minted anew.
	refreshAt = 0.5
	// lastingChain is how long keys of the default chain are kept that do not expire.
	lastingChain = 5 * time.Minute
)

// store keeps what STS has given, whichever file asks for it. It is safe for concurrent use.
type store struct {
	sessions *mint.Cache[sessionKey, *granted]
	chains   *mint.Cache[chainKey, *secrets]
	spool    *sigv4.Spool // of what is signed, whose room is the same after a reload
	now      func() time.Time
}

func newStore(now func() time.Time) *store {
	return &store{
		sessions: mint.New[sessionKey](mint.Options[*granted]{
			Limit: mintLimit, Refresh: refreshAt, Margin: expiryMargin, Failure: failureMemory, Size: maxSessions,
			Now: now, Jitter: rand.Float64,
		}),
		chains: mint.New[chainKey](mint.Options[*secrets]{
			Limit: mintLimit, Refresh: refreshAt, Failure: failureMemory, Size: maxChains, Now: now, Jitter: rand.Float64,
		}),
		spool: &sigv4.Spool{}, now: now,
	}
}

// sessionKey is all that a session depends on.
type sessionKey struct {
	agent string
	shape [sha256.Size]byte
}

// chainKey is all that the default chain depends on.
type chainKey struct {
	region   string
	metadata bool
}

func (t *store) chain(ctx context.Context, key chainKey, via http.RoundTripper) (*secrets, error) {
	return t.chains.Get(ctx, key, func(ctx context.Context) (mint.Minted[*secrets], error) {
		keys, err := defaultChain(ctx, key.region, key.metadata, via)
		if err != nil {
			return mint.Minted[*secrets]{}, err
		}
		expires := keys.expires
		if expires.IsZero() {
			expires = t.now().Add(lastingChain)
		}
		return mint.Minted[*secrets]{Value: keys, Expires: expires}, nil
	})
}

// Revoke implements [credentials.Store]: sessions are forgotten, for STS cannot revoke them.
func (t *store) Revoke(_ context.Context, agent string, _ http.RoundTripper) (revoked int, err error) {
	t.sessions.Remove(func(k sessionKey) bool { return k.agent == agent })
	return 0, nil
}

// Wait implements [credentials.Store].
func (t *store) Wait() {
	t.sessions.Wait()
	t.chains.Wait()
}
