package proxy

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"sallyport/credentials"
	"sallyport/internal/host"
	"sallyport/proxy/wire"
)

// Bounds of what is kept for one agent.
const (
	maxKept  = 1024
	keptLife = time.Hour // of what does not say, and the longest
)

// kept is an authorization that an upstream gave in an answer. The agent got a
// placeholder, which stands for it in a request to the same address, by the same agent.
type kept struct {
	injection *credentials.Injection
	to        host.Authority
	target    string // path and query, as sent; "" for every one
	until     time.Time
}

// placeholderPrefix makes placeholders known as such: one whose authorization is gone is
// told from what an agent makes up.
const placeholderPrefix = "sallyport-kept-"

// keeper is what visits are given that look at an answer.
type keeper struct {
	row        *row
	flow       *wire.Flow
	credential string // by which the answer came
}

// Now implements [services.Keeper].
func (k *keeper) Now() time.Time { return k.row.clerk.now() }

// Note implements [services.Keeper].
func (k *keeper) Note(key string, value any) { k.row.found(key, value) }

// Keep implements [services.Keeper].
func (k *keeper) Keep(to host.Authority, target, authorization string, life time.Duration) string {
	injection, err := credentials.Kept(k.credential, to, authorization, map[string]any{"kept_from": k.row.id.String()})
	if err != nil {
		k.row.clerk.log.Warn("an authorization cannot be kept; it is left out", "exchange", k.row.id, "error", err)
		return ""
	}
	if life <= 0 || life > keptLife {
		life = keptLife
	}
	handle := placeholderPrefix + strings.ToLower(rand.Text())
	agent, now := k.row.agent, k.Now()
	agent.hold(handle, &kept{injection: injection, to: to, target: target, until: now.Add(life)}, now)
	if _, cut := errors.AsType[*cutError](context.Cause(k.flow.Context())); cut {
		agent.forget() // perhaps after what it had was dropped
	}
	return handle
}

// hold makes room by what is over, or else by what ends first.
func (a *agent) hold(handle string, k *kept, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.kept) >= maxKept {
		first := ""
		for handle, one := range a.kept {
			switch {
			case !now.Before(one.until):
				delete(a.kept, handle)
			case first == "" || one.until.Before(a.kept[first].until):
				first = handle
			}
		}
		if len(a.kept) >= maxKept {
			delete(a.kept, first)
		}
	}
	if a.kept == nil {
		a.kept = map[string]*kept{}
	}
	a.kept[handle] = k
}

// forget drops what is kept for the agent.
func (a *agent) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.kept)
}

// keeps returns what a placeholder stands for; nil for nothing.
func (a *agent) keeps(handle string) *kept {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.kept[handle]
}

// placeholderIn returns the placeholder that a request authenticates with, or "".
func placeholderIn(r *http.Request) string {
	values := r.Header["Authorization"]
	if len(values) != 1 {
		return ""
	}
	handle, found := strings.CutPrefix(values[0], "Bearer ")
	if !found || !strings.HasPrefix(handle, placeholderPrefix) {
		return ""
	}
	return handle
}

// forget drops what is kept for an agent, if it is at work.
func (a *agents) forget(id uuid.UUID) {
	a.mu.RLock()
	one := a.at[id]
	a.mu.RUnlock()
	if one != nil {
		one.forget()
	}
}
