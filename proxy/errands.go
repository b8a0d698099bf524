package proxy

import (
	"context"
	"sync"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/credentials"
	"sallyport/proxy/upstream"
)

// errands are the requests that Sallyport makes by itself, and what it does beside
// exchanges. They are safe for concurrent use.
type errands struct {
	standing
	clerk  *clerk
	ways   *upstream.Ways
	tokens *credentials.Tokens // what is minted; nil if nothing can be revoked

	life       context.Context //nolint:containedctx // of what runs beside exchanges
	end        context.CancelFunc
	mu         sync.Mutex     // held to start what has life, and to end it
	background sync.WaitGroup // of what has life
}

func newErrands(c *clerk, ways *upstream.Ways, tokens *credentials.Tokens) *errands {
	e := &errands{standing: c.standing, clerk: c, ways: ways, tokens: tokens}
	e.life, e.end = context.WithCancel(context.Background())
	return e
}

// errand is one for a credential; "" for none in particular.
func (e *errands) errand(g *Generation, credential string) *errand {
	return &errand{by: e, generation: g, intent: audit.Intent{Credential: credential}}
}

// disown revokes the tokens that were minted for an agent which is gone for good. What
// is being minted meanwhile is revoked by whoever mints it: see errand.begin.
func (e *errands) disown(id uuid.UUID) {
	if e.tokens == nil {
		return
	}
	e.inBackground(func() {
		g := e.generation()
		one := e.errand(g, "")
		record, found := e.registry.Lookup(id)
		if one.intent.Agent = id; found {
			one.intent.Who = g.who(id, record, e.now())
		}
		one.intent.Details = map[string]any{"for": "revocation of the agent"}
		revoked, err := e.tokens.Revoke(e.life, id.String(), one)
		if err != nil {
			e.clerk.log.Warn("a token of a revoked agent could not be revoked; it ends by itself within the hour", "agent", id, "error", err)
		}
		if revoked > 0 {
			e.clerk.log.Info("tokens revoked", "agent", id, "tokens", revoked)
		}
	})
}

// inBackground runs something beside exchanges, unless Shutdown no longer waits for it.
func (e *errands) inBackground(do func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.life.Err() == nil {
		e.background.Go(do)
	}
}

// close breaks off what Sallyport asks by itself, and waits for its rows.
func (e *errands) close() {
	e.mu.Lock()
	e.end()
	e.mu.Unlock()
	e.background.Wait()
	if e.tokens != nil {
		e.tokens.Wait()
	}
	e.ways.CloseIdle()
}
