package proxy

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"sallyport/credentials"
	"sallyport/internal/host"
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

// keeper is the exchange as visits see it that look at an answer.
type keeper exchange

// Now implements [services.Keeper].
func (k *keeper) Now() time.Time { return k.p.now() }

// Note implements [services.Keeper].
func (k *keeper) Note(key string, value any) { (*exchange)(k).found(key, value) }

// Keep implements [services.Keeper].
func (k *keeper) Keep(to host.Authority, target, authorization string, life time.Duration) string {
	return (*exchange)(k).keep(to, target, authorization, life)
}

// keep keeps one authorization for this agent and returns its placeholder; "" if it is
// none that can be sent.
func (x *exchange) keep(to host.Authority, target, authorization string, life time.Duration) string {
	injection, err := credentials.Kept(x.credential, to, authorization, map[string]any{"kept_from": x.id.String()})
	if err != nil {
		x.p.log.Warn("an authorization cannot be kept; it is left out", "exchange", x.id, "error", err)
		return ""
	}
	if life <= 0 || life > keptLife {
		life = keptLife
	}
	handle := placeholderPrefix + strings.ToLower(rand.Text())
	x.agent.hold(handle, &kept{injection: injection, to: to, target: target, until: x.p.now().Add(life)}, x.p.now())
	if _, cut := errors.AsType[*cutError](context.Cause(x.flow.Context())); cut {
		x.agent.forget() // perhaps after what it had was dropped
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

// placeholder returns the placeholder that the request authenticates with, or "".
func (x *exchange) placeholder() string {
	values := x.r.Header["Authorization"]
	if len(values) != 1 {
		return ""
	}
	handle, found := strings.CutPrefix(values[0], "Bearer ")
	if !found || !strings.HasPrefix(handle, placeholderPrefix) {
		return ""
	}
	return handle
}

// redeem puts what is kept in the place of its placeholder, at the address that it was
// given for and nowhere else.
func (x *exchange) redeem(handle string) *refusal {
	x.agent.mu.Lock()
	k := x.agent.kept[handle]
	x.agent.mu.Unlock()
	t := &x.target
	switch {
	case k == nil || !x.p.now().Before(k.until):
		return credentialUnavailable.because("What this placeholder stands for is not kept any more; ask again for what it came with.")
	case t.scheme != "https" || t.authority != k.to || k.target != "" && t.requestTarget() != k.target:
		return credentialUnavailable.because("What this placeholder stands for was given for another address.")
	}
	x.injection, x.credential = k.injection, k.injection.Name()
	return nil
}

// requestTarget is path and query as they were sent.
func (t *target) requestTarget() string {
	if t.rawQuery != "" || t.forceQuery {
		return t.rawPath + "?" + t.rawQuery
	}
	return t.rawPath
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
