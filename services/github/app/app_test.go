package app_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials"
	"sallyport/services/github/app"
)

// gitHub answers an App's requests without a network, so that its clock is the bubble's.
// It verifies the App's tokens as GitHub does.
type gitHub struct {
	key   *rsa.PublicKey
	ahead time.Duration // its clock
	slow  time.Duration // every mint

	mu       sync.Mutex
	mints    []string // the permissions asked for
	lookups  int      // of the installation
	revoked  []string
	down     bool
	hang     bool
	limited  time.Duration // mints are to be asked for again after it
	refusing bool          // the transport refuses, as for an agent that is revoked
	form     func(n int) string
}

var errHung = errors.New("hung")

func (g *gitHub) RoundTrip(r *http.Request) (*http.Response, error) {
	g.mu.Lock()
	hang, slow, refuse := g.hang, g.slow, g.refusing
	g.mu.Unlock()
	if refuse {
		return nil, errors.New("the agent is revoked")
	}
	if hang {
		<-r.Context().Done()
		return nil, errHung
	}
	if r.Method == http.MethodPost {
		time.Sleep(slow)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	status, header, answer := g.answer(r)
	text, _ := json.Marshal(answer)
	header.Set("Date", time.Now().Add(g.ahead).UTC().Format(http.TimeFormat))
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(text)), Request: r}, nil
}

func (g *gitHub) answer(r *http.Request) (int, http.Header, any) {
	h := http.Header{"Content-Type": {"application/json"}}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if r.Method == http.MethodDelete && r.URL.Path == "/installation/token" {
		g.revoked = append(g.revoked, token)
		return http.StatusNoContent, h, nil
	}
	if err := g.verify(token); err != nil {
		return http.StatusUnauthorized, h, map[string]string{"message": err.Error()}
	}
	switch {
	case g.down:
		return http.StatusServiceUnavailable, h, map[string]string{"message": "unicorn"}
	case r.URL.Path == "/orgs/acme/installation":
		g.lookups++
		return http.StatusOK, h, map[string]any{"id": 99, "account": map[string]string{"login": "ACME"}, "permissions": map[string]string{"contents": "write"}}
	case r.Method != http.MethodPost || r.URL.Path != "/app/installations/99/access_tokens":
		return http.StatusNotFound, h, map[string]string{"message": "Not Found"}
	case g.limited > 0:
		h.Set("Retry-After", fmt.Sprint(int(g.limited.Seconds())))
		return http.StatusForbidden, h, map[string]string{"message": "You have exceeded a secondary rate limit"}
	}
	var asked struct {
		Repositories  []string          `json:"repositories"`
		RepositoryIDs []int             `json:"repository_ids"`
		Permissions   map[string]string `json:"permissions"`
	}
	_ = json.NewDecoder(r.Body).Decode(&asked)
	text, _ := json.Marshal(asked.Permissions)
	g.mints = append(g.mints, string(text))
	listed := []any{}
	if len(asked.Repositories)+len(asked.RepositoryIDs) > 0 {
		listed = append(listed, map[string]any{"id": 1, "full_name": "acme/web"})
	}
	form := g.form
	if form == nil {
		form = func(n int) string { return fmt.Sprintf("ghs_%d", n) }
	}
	return http.StatusCreated, h, map[string]any{
		"token": form(len(g.mints)), "expires_at": time.Now().Add(g.ahead + time.Hour).UTC().Format(time.RFC3339),
		"permissions": asked.Permissions, "repositories": listed,
	}
}

func (g *gitHub) verify(token string) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("no JWT")
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	if err := rsa.VerifyPKCS1v15(g.key, crypto.SHA256, digest[:], signature); err != nil {
		return err
	}
	var head struct{ Alg string }
	text, _ := base64.RawURLEncoding.DecodeString(parts[0])
	_ = json.Unmarshal(text, &head)
	var claims struct {
		Iss      string
		Iat, Exp int64
	}
	text, _ = base64.RawURLEncoding.DecodeString(parts[1])
	if err := json.Unmarshal(text, &claims); err != nil {
		return err
	}
	now := time.Now().Add(g.ahead).Unix()
	if head.Alg != "RS256" || claims.Iss != "4711" || claims.Iat > now || claims.Exp <= now || claims.Exp > now+600 || claims.Exp-claims.Iat > 600 {
		return fmt.Errorf("claims %s at %d", text, now)
	}
	return nil
}

func (g *gitHub) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

func (g *gitHub) minted() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.mints)
}

var appKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// minter is a credential of kind github_app, what it mints, and the GitHub that it asks.
type minter struct {
	*credentials.Credential
	hub    *gitHub
	tokens *credentials.Tokens
}

// newApp parses the entry's further keys. now is the wall clock.
func newApp(t *testing.T, now func() time.Time, keys string) *minter {
	t.Helper()
	key := appKey()
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	a := &minter{hub: &gitHub{key: &key.PublicKey}, tokens: credentials.NewTokens(now)}
	set, err := credentials.Parse("credentials.yaml", []byte("credentials:\n  app: {kind: github_app, app_id: 4711, private_key: {env: KEY}, owners: [acme], "+keys+"}\n"), credentials.Options{
		Kinds: app.Kinds(),
		Home:  t.TempDir(), Getenv: func(string) string { return string(text) }, Now: now, Tokens: a.tokens,
	})
	require.NoError(t, err)
	a.Credential = set.Lookup("app")
	return a
}

// scope is what a read of acme/web needs.
func scope() app.Scope {
	return app.Scope{Owner: "acme", Repositories: []string{"acme/web"}, Permissions: []app.PermissionSet{{"contents": "read"}}}
}

// use is a read of acme/web.
func (a *minter) use(agent string) credentials.Use {
	return credentials.Use{
		Agent: agent, For: scope(), Transport: a.hub, Cleanup: a.hub,
	}
}

// token retrieves the credential for an agent and returns the token.
func (a *minter) token(ctx context.Context, agent string) (string, error) {
	injection, err := a.Retrieve(ctx, a.use(agent))
	if err != nil {
		return "", err
	}
	return applied(injection)
}

func applied(injection *credentials.Injection) (string, error) {
	r, err := http.NewRequest(http.MethodGet, "https://api.github.com/repos/acme/web/contents/x", nil)
	if err != nil {
		return "", err
	}
	if err := injection.Apply(r); err != nil {
		return "", err
	}
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), nil
}

func TestAppTokensOverTwoHours(t *testing.T) {
	t.Parallel()
	appKey()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, time.Now, "installation: auto")
		start := time.Now()
		minted := map[string]time.Time{}
		for time.Since(start) < 2*time.Hour {
			token, err := a.token(t.Context(), "agent")
			require.NoError(t, err)
			if _, known := minted[token]; !known {
				minted[token] = time.Now()
			}
			require.Less(t, time.Since(minted[token]), 59*time.Minute, "never past its expiry")
			time.Sleep(30 * time.Second)
			synctest.Wait()
		}
		assert.Len(t, minted, 3, "each is minted anew between minute 50 and 57")
		assert.Equal(t, 3, a.hub.minted())
		a.tokens.Wait()
	})
}

func TestAppTokensFor200CallersOfWhomOneLeaves(t *testing.T) {
	t.Parallel()
	appKey()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, time.Now, "installation: auto")
		a.hub.slow = 3 * time.Second
		ctx, leave := context.WithCancel(t.Context())
		go func() {
			_, err := a.token(ctx, "agent")
			assert.ErrorIs(t, err, context.Canceled)
		}()
		synctest.Wait()
		var callers sync.WaitGroup
		for range 200 {
			callers.Go(func() {
				token, err := a.token(t.Context(), "agent")
				assert.NoError(t, err)
				assert.Equal(t, "ghs_1", token)
			})
		}
		leave()
		callers.Wait()
		assert.Equal(t, 1, a.hub.minted())
		assert.Equal(t, 1, a.hub.lookups)
		a.tokens.Wait()
	})
}

func TestAHungGitHubEndsWithin10Seconds(t *testing.T) {
	t.Parallel()
	appKey()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, time.Now, "installation: auto")
		_, err := a.token(t.Context(), "lucky")
		require.NoError(t, err)
		a.hub.set(func() { a.hub.hang = true })
		began := time.Now()
		_, err = a.token(t.Context(), "unlucky")
		require.ErrorContains(t, err, "no answer within 10")
		assert.Equal(t, 10*time.Second, time.Since(began))
		token, err := a.token(t.Context(), "lucky")
		require.NoError(t, err)
		assert.Equal(t, "ghs_1", token, "nobody else notices")
		a.hub.set(func() { a.hub.hang = false })
		time.Sleep(3 * time.Second)
		_, err = a.token(t.Context(), "unlucky")
		require.NoError(t, err)
		a.tokens.Wait()
	})
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, time.Now, "installation: auto")
		a.hub.slow = 20 * time.Second // deaf to its context, after a lookup that answers
		began := time.Now()
		_, err := a.token(t.Context(), "agent")
		require.ErrorContains(t, err, "no answer within 10")
		assert.Equal(t, 10*time.Second, time.Since(began))
		a.tokens.Wait()
	})
}

func TestAppFailuresAreKeptForAMoment(t *testing.T) {
	t.Parallel()
	appKey()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, time.Now, "installation: auto")
		_, err := a.token(t.Context(), "first")
		require.NoError(t, err)
		a.hub.set(func() { a.hub.limited = 40 * time.Second })
		var limited *credentials.LimitedError
		for range 39 {
			_, err = a.token(t.Context(), "second")
			require.ErrorAs(t, err, &limited)
			assert.Equal(t, 40*time.Second, limited.RetryAfter())
			time.Sleep(time.Second)
		}
		a.hub.set(func() { a.hub.limited = 0 })
		time.Sleep(time.Second)
		_, err = a.token(t.Context(), "second")
		require.NoError(t, err)
		assert.Equal(t, 2, a.hub.minted())
		a.tokens.Wait()
	})
}

func TestClocksThatDiffer(t *testing.T) {
	t.Parallel()
	appKey()
	for name, jump := range map[string]time.Duration{"ours jumps ahead": 3 * time.Hour, "ours jumps back": -3 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var set time.Duration
				now := func() time.Time {
					mu.Lock()
					defer mu.Unlock()
					return time.Now().Add(set).Round(0)
				}
				a := newApp(t, now, "installation: auto")
				_, err := a.token(t.Context(), "agent")
				require.NoError(t, err)
				mu.Lock()
				set = jump
				mu.Unlock()
				// Whatever our clock says, no token is used for longer than it lives.
				start := time.Now()
				last, since := "", start
				for time.Since(start) < 3*time.Hour {
					token, err := a.token(t.Context(), "agent")
					require.NoError(t, err)
					if token != last {
						last, since = token, time.Now()
					}
					require.Less(t, time.Since(since), time.Hour)
					time.Sleep(time.Minute)
					synctest.Wait()
				}
				assert.Less(t, a.hub.minted(), 7)
				a.tokens.Wait()
			})
		})
	}
}

func TestRevokeTakesTheAgentsOwnTokensOnly(t *testing.T) {
	t.Parallel()
	appKey()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, time.Now, "installation: auto")
		shared, everybodys := a.use(""), scope()
		everybodys.Shared = true
		shared.For = everybodys
		mine := map[string]bool{}
		for _, pause := range []time.Duration{0, 57 * time.Minute, 0} { // the last finds what was minted anew
			time.Sleep(pause)
			for _, agent := range []string{"a", "b"} {
				token, err := a.token(t.Context(), agent)
				require.NoError(t, err)
				if agent == "a" {
					mine[token] = true
				}
			}
			_, err := a.Retrieve(t.Context(), shared)
			require.NoError(t, err)
			a.tokens.Wait()
		}
		require.Equal(t, 6, a.hub.minted())
		n, err := a.tokens.Revoke(t.Context(), "a", a.hub)
		require.NoError(t, err)
		assert.Equal(t, 2, n, "requests may be under way with the first")
		require.Len(t, a.hub.revoked, 2)
		for _, token := range a.hub.revoked {
			assert.True(t, mine[token])
		}
		n, err = a.tokens.Revoke(t.Context(), "", a.hub)
		require.NoError(t, err)
		assert.Zero(t, n)
		a.tokens.Wait()
	})
}

// A revocation that comes after the look-up and before the mint finds nothing in the
// cache; the transport knows.
func TestRevokedBetweenLookUpAndMint(t *testing.T) {
	t.Parallel()
	a := newApp(t, time.Now, "installation: auto")
	use := a.use("agent")
	use.Admit = func(credentials.Account) error {
		a.hub.set(func() { a.hub.refusing = true })
		_, err := a.tokens.Revoke(t.Context(), "agent", a.hub)
		return err
	}
	_, err := a.Retrieve(t.Context(), use)
	require.ErrorContains(t, err, "the agent is revoked")
	assert.Zero(t, a.hub.minted())
}

func TestATokenHasNoShapeThatIsReliedOn(t *testing.T) {
	t.Parallel()
	a := newApp(t, time.Now, "installation: auto")
	for n, form := range []string{
		"ghs_0123456789abcdefABCDEF0123456789abcd", "x", "v1.0123456789abcdef", "ghs_4711_eyJ" + strings.Repeat("aB-3_.", 90), strings.Repeat("y", 4000),
	} {
		a.hub.form = func(int) string { return form }
		token, err := a.token(t.Context(), fmt.Sprint(n))
		require.NoError(t, err)
		assert.Equal(t, form, token)
	}
	a.hub.form = func(int) string { return "ghs_with\nline" }
	_, err := a.token(t.Context(), "bad")
	require.ErrorContains(t, err, "control character")
}

func TestAUseThatSaysTooLittleMintsNothing(t *testing.T) {
	t.Parallel()
	a := newApp(t, time.Now, "installation: auto")
	for want, change := range map[string]func(*app.Scope){
		"names no repository":              func(s *app.Scope) { s.Repositories = nil },
		"needs no permission":              func(s *app.Scope) { s.Permissions = nil },
		"no permissions to ask for":        func(s *app.Scope) { s.Permissions = []app.PermissionSet{{}} },
		"is no repository":                 func(s *app.Scope) { s.Repositories = []string{"web"} },
		"of acme and of other":             func(s *app.Scope) { s.Repositories = []string{"acme/web", "other/web"} },
		"bound to the repositories of acm": func(s *app.Scope) { s.Owner, s.Repositories = "other", []string{"other/web"} },
	} {
		use, changed := a.use("agent"), scope()
		change(&changed)
		use.For = changed
		_, err := a.Retrieve(t.Context(), use)
		require.ErrorContains(t, err, want)
	}
	use := a.use("agent")
	use.Transport = nil
	_, err := a.Retrieve(t.Context(), use)
	require.ErrorContains(t, err, "minted by a running server only")
	use = a.use("agent")
	use.For = nil
	_, err = a.Retrieve(t.Context(), use)
	require.ErrorContains(t, err, "names no repository", "nothing is never everything")
	assert.Zero(t, a.hub.minted())
}

// What no App can sign with is told when the files are read, not when an agent asks.
func TestWhatIsNoKeyIsWarnedOf(t *testing.T) {
	t.Parallel()
	whole, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	curveDER, err1 := x509.MarshalECPrivateKey(curve)
	curve8, err2 := x509.MarshalPKCS8PrivateKey(curve)
	require.NoError(t, errors.Join(err1, err2))
	public := x509.MarshalPKCS1PublicKey(&whole.PublicKey)
	written := func(kind string, der []byte, headers map[string]string) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Headers: headers, Bytes: der}))
	}
	for text, want := range map[string]string{
		written("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(whole), nil): "",
		"ghp_sentinel": "it is not PEM",
		written("ENCRYPTED PRIVATE KEY", []byte("sealed"), nil):                                       "it is encrypted, and no passphrase is asked for",
		written("RSA PRIVATE KEY", []byte("sealed"), map[string]string{"DEK-Info": "AES-128-CBC,00"}): "it is encrypted, and no passphrase is asked for",
		written("RSA PUBLIC KEY", public, nil):                                                        "it holds the public half, which signs nothing",
		written("EC PRIVATE KEY", curveDER, nil):                                                      "it is not an RSA key",
		written("PRIVATE KEY", curve8, nil):                                                           "it is not an RSA key",
	} {
		o := options(t)
		require.NoError(t, os.WriteFile(filepath.Join(o.Home, "acme.pem"), []byte(text), 0o600))
		set := parse(t, "credentials:\n  app:\n    kind: github_app\n    app_id: 1\n    private_key: {file: acme.pem}\n    owners: [acme]\n", o)
		if want == "" {
			assert.Empty(t, set.Warnings())
			continue
		}
		assert.Equal(t, []string{"credentials.yaml:5: credentials.app.private_key: " + want +
			"; download the App's key from GitHub, and give the .pem as it is; until then requests that need it are refused"}, set.Warnings())
	}
}
