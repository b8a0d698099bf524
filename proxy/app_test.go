package proxy_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

const appPolicy = `
policy: operator
rules:
  - name: read-code
    allow: {github: {repos: [acme/web, acme/api], access: read}}
    credential: app
  - name: pull-requests
    allow: {github: {repos: [acme/web], operations: [pulls/create]}}
    credential: app
  - name: push-agent-branches
    allow: {github: {repos: [acme/web], operations: [git/push], refs: ["refs/heads/agent/**"]}}
    credential: app
  - name: elsewhere
    allow: {github: {repos: [other/*], access: read}}
    credential: app
  - name: pinned
    allow: {host: api.github.com, path: /zen}
    credential: app
    repositories: [acme/web, acme/api]
    permissions: {issues: write}
    shared: true
`

const appCredentials = `
credentials:
  app: {kind: github_app, app_id: 4711, private_key: {env: APP_KEY}, owners: [Acme], installation: auto}
`

// newApp is a rig whose credential is an App of the server.
func newApp(t *testing.T) (*rig, *appServer) {
	s := newAppServer(t)
	r := newRig(t, func(r *rig) {
		r.policy, r.credentials = appPolicy, appCredentials
		r.getenv = func(string) string { return s.PrivateKey() }
	})
	r.upstream(s.ServeHTTP, true, "api.github.com")
	return r, s
}

// call sends a request as an agent and returns the status and the answer.
func call(t *testing.T, client *http.Client, method, url, text string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(method, url, strings.NewReader(text))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer placeholder")
	response, err := client.Do(request)
	require.NoError(t, err)
	return response.StatusCode, body(t, response)
}

func TestAppTokensAreNarrowedToTheRequest(t *testing.T) {
	t.Parallel()
	r, s := newApp(t)
	client := r.client(r.agent("a"), true)
	for _, c := range []struct {
		request, body, repositories, permissions string
		status                                   int
	}{
		{"GET https://api.github.com/repos/Acme/Web/pulls", "", "web", "metadata=read,pull_requests=read", 200},
		{"POST https://api.github.com/repos/acme/web/pulls", `{"title":"one","head":"agent/one","base":"main"}`, "web", "metadata=read,pull_requests=write", 201},
		{"GET https://api.github.com/repos/acme/api/branches", "", "api", "contents=read,metadata=read", 200},
		{"POST https://api.github.com/graphql", `{"query":"{viewer{login}}"}`, "api,web", "checks=read,contents=read,issues=read,metadata=read,pull_requests=read,statuses=read", 200},
		{"GET https://api.github.com/zen", "", "api,web", "issues=write,metadata=read", 200},
	} {
		method, url, _ := strings.Cut(c.request, " ")
		status, text := call(t, client, method, url, c.body)
		require.Equal(t, c.status, status, "%s: %s", c.request, text)
		mints := s.minted()
		repositories, permissions := mints[len(mints)-1].may()
		assert.Equal(t, c.repositories, repositories, c.request)
		assert.Equal(t, c.permissions, permissions, c.request)
	}
	assert.Equal(t, []int64{1296000}, s.minted()[1].RepositoryIDs, "once its id is known, a repository is asked for by it")
	status, text := call(t, client, "GET", "https://api.github.com/repos/other/web/pulls", "")
	assert.Equal(t, http.StatusBadGateway, status)
	assert.Contains(t, text, "urn:sallyport:refusal:credential")
	assert.NotContains(t, r.log.String(), "ghs_")
}

func TestMintsAreExchangesOfTheirOwn(t *testing.T) {
	t.Parallel()
	r, s := newApp(t)
	a := r.agent("a")
	status, text := call(t, r.client(a, true), "GET", "https://api.github.com/repos/acme/web/pulls", "")
	require.Equal(t, 200, status, text)
	rows := map[string]audit.Exchange{}
	for _, row := range r.rows() {
		rows[row.Operation] = row
		assert.Equal(t, a.ID, row.Agent)
		assert.Equal(t, "app", row.Credential)
		assert.Regexp(t, "^[0-9A-F]{4}:[0-9]+$", row.Outcome.UpstreamRequestID)
	}
	require.Len(t, rows, 3)
	hash := hashedToken(s.live()[0])
	mint, request := rows["github:apps/create-installation-access-token"], rows["github:pulls/list"]
	assert.Equal(t, "acme", rows["github:apps/get-org-installation"].Resource)
	assert.Equal(t, "acme/web", mint.Resource)
	assert.Equal(t, hash, details(t, mint)["hashed_token"])
	assert.Equal(t, request.ID.String(), details(t, mint)["for"])
	seen := details(t, request)
	assert.Equal(t, hash, seen["hashed_token"])
	assert.EqualValues(t, appID, seen["app_id"])
	assert.EqualValues(t, installationID, seen["installation_id"])
	assert.Equal(t, []any{1296000.0}, seen["repository_ids"])
	assert.Equal(t, "metadata=read,pull_requests=read", seen["permissions"])
	assert.Len(t, request.CredentialFingerprint, 64)
}

// details is what a row tells besides its columns, as its readers get it.
func details(t *testing.T, row audit.Exchange) map[string]any {
	t.Helper()
	var seen struct{ Details map[string]any }
	text, err := json.Marshal(row)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &seen))
	return seen.Details
}

func TestTokensNameOneAgentUnlessShared(t *testing.T) {
	t.Parallel()
	r, s := newApp(t)
	first, second := r.client(r.agent("a"), true), r.client(r.agent("b"), true)
	for _, client := range []*http.Client{first, second, first, second} {
		status, text := call(t, client, "GET", "https://api.github.com/repos/acme/web/pulls", "")
		require.Equal(t, 200, status, text)
		status, text = call(t, client, "GET", "https://api.github.com/zen", "")
		require.Equal(t, 200, status, text)
	}
	assert.Len(t, s.minted(), 3, "two of their own, and one that they share")
}

func TestOneMintForManyCallers(t *testing.T) {
	t.Parallel()
	r, s := newApp(t)
	client := r.client(r.agent("a"), true)
	var callers sync.WaitGroup
	for range 100 { // as many as GitHub takes at once
		callers.Go(func() {
			response, err := client.Get("https://api.github.com/repos/acme/web/pulls")
			if assert.NoError(t, err) {
				assert.Equal(t, 200, response.StatusCode)
				_ = response.Body.Close()
			}
		})
	}
	callers.Wait()
	assert.Len(t, s.minted(), 1)
}

func TestMintFailuresAreRefusals(t *testing.T) {
	t.Parallel()
	r, s := newApp(t)
	client := r.client(r.agent("a"), true)
	s.set(func() { s.broken = true })
	status, text := call(t, client, "GET", "https://api.github.com/repos/acme/web/pulls", "")
	assert.Equal(t, http.StatusBadGateway, status)
	assert.Contains(t, text, "The credential app cannot be had.")
	row := r.rows()[0]
	for _, one := range r.rows() {
		if one.Operation == "github:pulls/list" {
			row = one
		}
	}
	assert.Equal(t, "credential", row.Refusal)
	assert.Contains(t, row.Outcome.Error, "unicorn")
	assert.NotRegexp(t, "eyJ", row.Outcome.Error+r.log.String(), "the server repeats the App's own token")
	s.Permit("acme", "contents", "")
	s.set(func() { s.broken = false })
	status, text = call(t, client, "GET", "https://api.github.com/repos/acme/api/branches", "")
	assert.Equal(t, http.StatusForbidden, status, "what the App has not been given is not asked for in another way")
	assert.Contains(t, text, "GitHub gives no token for acme/api: it is not there, or the App is not installed on it")
	assert.Contains(t, text, "Trying again will not help.")
}

// A token can be revoked at GitHub before its time. The next request gets another; one
// that never worked is no reason to mint again and again.
func TestARevokedTokenIsReplaced(t *testing.T) {
	t.Parallel()
	r, s := newApp(t)
	client := r.client(r.agent("a"), true)
	ask := func() int {
		status, _ := call(t, client, "GET", "https://api.github.com/repos/acme/web/pulls", "")
		return status
	}
	require.Equal(t, 200, ask())
	s.forget()
	assert.Equal(t, http.StatusUnauthorized, ask(), "GitHub's own answer, as it is")
	assert.Equal(t, 200, ask())
	assert.Len(t, s.minted(), 2)
	s.forget()
	s.set(func() { s.wrong = func(answer map[string]any) { answer["token"] = "ghs_of-nobody" } })
	for range 4 {
		assert.Equal(t, http.StatusUnauthorized, ask())
	}
	assert.Len(t, s.minted(), 3, "one that is refused from its first day on is kept")
}

func TestAClockThatIsWrongIsLearntFrom(t *testing.T) {
	t.Parallel()
	r, s := newApp(t)
	s.Advance(25 * time.Minute)
	status, text := call(t, r.client(r.agent("a"), true), "GET", "https://api.github.com/repos/acme/web/pulls", "")
	assert.Equal(t, 200, status, text)
}

func TestRevocationRevokesTheAgentsTokens(t *testing.T) {
	t.Parallel()
	r, s := newApp(t)
	a, b := r.agent("a"), r.agent("b")
	for _, one := range []agent{a, b} {
		status, text := call(t, r.client(one, true), "GET", "https://api.github.com/repos/acme/web/pulls", "")
		require.Equal(t, 200, status, text)
		status, _ = call(t, r.client(one, true), "GET", "https://api.github.com/zen", "")
		require.Equal(t, 200, status)
	}
	require.Len(t, s.live(), 3)
	_, err := r.registry.Revoke(t.Context(), a.ID, "test")
	require.NoError(t, err)
	r.proxy.Cut(a.ID)
	require.Eventually(t, func() bool { return len(s.live()) == 2 }, within, 5*time.Millisecond)
	found := false
	for _, row := range r.rows() {
		if row.Operation == "github:apps/revoke-installation-access-token" {
			found = true
			assert.Equal(t, a.ID, row.Agent)
		}
	}
	assert.True(t, found)
	status, _ := call(t, r.client(b, true), "GET", "https://api.github.com/repos/acme/web/pulls", "")
	assert.Equal(t, 200, status, "the other agent's token is its own")
}

func TestRevocationOvertakesAMintThatIsUnderWay(t *testing.T) {
	t.Parallel()
	r, s := newApp(t)
	a := r.agent("a")
	asked, release := s.hold("access_tokens")
	done := get(r.client(a, false), http.StatusForbidden, t)
	<-asked
	_, err := r.registry.Revoke(t.Context(), a.ID, "test")
	require.NoError(t, err)
	r.proxy.Cut(a.ID)
	release()
	<-done
	require.Eventually(t, func() bool { return len(s.minted()) == 1 && s.revocations() == 1 }, within, 5*time.Millisecond)
	assert.Empty(t, s.live())
}

func TestNothingIsMintedForAnAgentThatIsRevoked(t *testing.T) {
	t.Parallel()
	s := newAppServer(t)
	r := newRig(t, func(r *rig) {
		r.policy, r.credentials, r.sweep = appPolicy, appCredentials, time.Hour
		r.getenv = func(string) string { return s.PrivateKey() }
	})
	r.upstream(s.ServeHTTP, true, "api.github.com")
	a := r.agent("a")
	asked, release := s.hold("installation")
	done := get(r.client(a, false), http.StatusForbidden, t)
	<-asked
	_, err := r.registry.Revoke(t.Context(), a.ID, "test") // marked, and not yet cut
	require.NoError(t, err)
	release()
	<-done
	assert.Empty(t, s.minted())
}

// get asks for pull requests. done is closed once there is an answer, or no more.
func get(client *http.Client, expected int, t *testing.T) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		if response, err := client.Get("https://api.github.com/repos/acme/web/pulls"); err == nil {
			assert.Equal(t, expected, response.StatusCode)
			_ = response.Body.Close()
		}
	}()
	return done
}

func TestATokenForSomethingElseIsRevokedAndNotUsed(t *testing.T) {
	t.Parallel()
	for what, wrong := range map[string]func(answer map[string]any){
		"more permissions": func(answer map[string]any) { answer["permissions"] = map[string]string{"contents": "write"} },
		"another repository": func(answer map[string]any) {
			answer["repositories"] = []any{map[string]any{"id": 1296002, "full_name": "acme/secret"}}
		},
		"unknown repositories": func(answer map[string]any) { delete(answer, "repositories") },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r, s := newApp(t)
			s.set(func() { s.wrong = wrong })
			client := r.client(r.agent("a"), false)
			status, _ := call(t, client, "GET", "https://api.github.com/repos/acme/web/pulls", "")
			assert.Equal(t, http.StatusBadGateway, status)
			assert.Len(t, s.minted(), 1)
			assert.Empty(t, s.live())
		})
	}
}

func TestReloadedBindingsHoldForTokensThatAreThere(t *testing.T) {
	t.Parallel()
	r, s := newApp(t)
	client := r.client(r.agent("a"), false)
	status, text := call(t, client, "GET", "https://api.github.com/repos/acme/web/pulls", "")
	require.Equal(t, 200, status, text)
	r.credentials = strings.Replace(appCredentials, "installation: auto", "hosts: [github.com]", 1)
	r.configure(r.policy)
	status, text = call(t, client, "GET", "https://api.github.com/repos/acme/web/pulls", "")
	assert.Equal(t, http.StatusBadGateway, status, text)
	assert.Len(t, s.minted(), 1)
}

func TestCheckMintsForEachOwnerAndLeavesNothing(t *testing.T) {
	t.Parallel()
	r, s := newApp(t)
	check := func() error {
		_, err := r.current.Load().Credentials.Lookup("app").Check(t.Context(), r.proxy.Errand("app"))
		return err
	}
	require.NoError(t, check())
	require.NoError(t, check())
	assert.Len(t, s.minted(), 2, "what worked before says nothing of now")
	assert.Empty(t, s.live())
	r.credentials = strings.Replace(appCredentials, "[Acme]", "[Acme, gone, lost]", 1)
	r.configure(r.policy)
	err := check()
	require.ErrorContains(t, err, "owner gone: ")
	require.ErrorContains(t, err, "owner lost: ")
	assert.NotContains(t, err.Error(), "owner acme: ")
}
