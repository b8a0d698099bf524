package app

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/credentials"
	"sallyport/credentials/mint"
)

// Bounds of minting. GitHub's documents say that a token lives an hour.
const (
	mintLimit      = 10 * time.Second
	tokenLife      = time.Hour
	refreshAfter   = 5.0 / 6 // with the jitter of a tenth: between 50 and 56 minutes
	expiryMargin   = time.Minute
	failureMemory  = 2 * time.Second
	maxTokens      = 20_000
	maxFound       = 10_000
	foundFor       = 10 * time.Minute
	foundRefreshAt = 0.5
)

// errNoAnswer ends a retrieval that takes too long, however many requests it needs.
var errNoAnswer = errors.New("no answer within 10 s")

// store keeps what GitHub Apps have minted, whichever file names them. It is safe for
// concurrent use.
type store struct {
	minted *mint.Cache[tokenKey, *token]
	found  *mint.Cache[installationKey, *installation]

	mu  sync.Mutex
	ids map[repositoryKey]int64 // of repositories that tokens were narrowed to
}

func newStore(now func() time.Time) *store {
	return &store{
		minted: mint.New[tokenKey](mint.Options[*token]{
			Limit: mintLimit, Refresh: refreshAfter, Margin: expiryMargin, Failure: failureMemory, Size: maxTokens,
			Now: now, Jitter: rand.Float64, Discard: (*token).drop,
		}),
		found: mint.New[installationKey](mint.Options[*installation]{
			Limit: mintLimit, Refresh: foundRefreshAt, Failure: failureMemory, Size: maxFound, Now: now, Jitter: rand.Float64,
		}),
		ids: map[repositoryKey]int64{},
	}
}

// tokenKey is all that a token depends on. agent is empty for a shared one.
type tokenKey struct {
	agent        string
	app          appName
	installation int64
	owner        string
	repositories string
	permissions  string
}

type installationKey struct {
	app   appName
	owner string
	id    int64 // as configured, 0 if it is to be found
}

type repositoryKey struct {
	app  appName
	full string
}

// installation is where an App was installed.
type installation struct {
	id          int64
	permissions PermissionSet // that it was given
}

// token is one installation token. It is kept without the credential that it was minted
// for, because the files may change what that is bound to.
type token struct {
	text    func() string // a closure, for the reason that credentials.Secret has one
	form    credentials.Form
	traits  *credentials.Traits
	details map[string]any
	expires time.Time
	by      *client // that revokes it
	cleanup http.RoundTripper
	reaches []tokenRepository // that it was narrowed to
	shared  bool
	worked  atomic.Bool // it was taken at least once
	told    atomic.Bool // its agent knows the numbers of its repositories
}

// tell hands on what GitHub has said of the token's repositories: once to the agent whose
// token it is, and every time where several have one.
func (t *token) tell(to func(server, repository string, id int64, until time.Time)) {
	if to == nil || t.told.Swap(true) && !t.shared {
		return
	}
	for _, r := range t.reaches {
		to(t.by.server, r.FullName, r.ID, t.expires)
	}
}

func (t *store) findInstallation(ctx context.Context, a *app, owner string, via http.RoundTripper) (*installation, error) {
	key := installationKey{a.appName(), owner, a.installation}
	return t.found.Get(ctx, key, func(ctx context.Context) (mint.Minted[*installation], error) {
		i, err := a.find(ctx, owner, via)
		return mint.Minted[*installation]{Value: i, Expires: a.now().Add(foundFor)}, err
	})
}

// forgetInstallation makes the next use look again for where the App is installed.
func (t *store) forgetInstallation(a *app, owner string) {
	key := installationKey{a.appName(), owner, a.installation}
	t.found.Remove(func(k installationKey) bool { return k == key })
}

func (t *store) token(ctx context.Context, key tokenKey, get func(context.Context) (*token, error)) (*token, error) {
	return t.minted.Get(ctx, key, func(ctx context.Context) (mint.Minted[*token], error) {
		minted, err := get(ctx)
		if err != nil {
			return mint.Minted[*token]{}, err
		}
		return mint.Minted[*token]{Value: minted, Expires: minted.expires}, nil
	})
}

// answered forgets a token that GitHub has taken before and takes no more. One that never
// worked stays: another would not, either, and each request would mint one.
func (t *store) answered(key tokenKey, one *token, status int) {
	switch {
	case status != http.StatusUnauthorized:
		if !one.worked.Load() {
			one.worked.Store(true)
		}
	case one.worked.Load():
		t.minted.Spoil(key, func(kept *token) bool { return kept == one })
	}
}

// Revoke implements [credentials.Store].
func (t *store) Revoke(ctx context.Context, agent string, via http.RoundTripper) (revoked int, err error) {
	for _, one := range t.minted.Remove(func(k tokenKey) bool { return k.agent == agent }) {
		if failed := one.revoke(ctx, via); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		revoked++
	}
	return revoked, err
}

// Wait implements [credentials.Store].
func (t *store) Wait() {
	t.minted.Wait()
	t.found.Wait()
}

func (t *store) idsOf(name appName, owner string, repositories []string) []int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	ids := make([]int64, 0, len(repositories))
	for _, repository := range repositories {
		id, known := t.ids[repositoryKey{name, owner + "/" + repository}]
		if !known {
			return nil
		}
		ids = append(ids, id)
	}
	return ids
}

func (t *store) learnID(name appName, full string, id int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.ids) >= maxFound {
		clear(t.ids) // learning them again costs nothing
	}
	t.ids[repositoryKey{name, full}] = id
}

func (t *store) forgetIDs(name appName, owner string, repositories []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, repository := range repositories {
		delete(t.ids, repositoryKey{name, owner + "/" + repository})
	}
}
