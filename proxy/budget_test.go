package proxy_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/credentials"
)

const pulls = "https://api.github.com/repos/acme/web/pulls"

func TestOneRunawayAgentLeavesTheOthersTheirShare(t *testing.T) {
	t.Parallel()
	r, s := newApp(t)
	s.Limit("acme", 200)
	start := time.Now()
	runaway := r.client(r.agent("runaway"), true)
	served := 0
	for range 300 {
		response, err := runaway.Get(pulls)
		require.NoError(t, err)
		text := body(t, response)
		if response.StatusCode == http.StatusOK {
			served++
			continue
		}
		require.Equal(t, http.StatusTooManyRequests, response.StatusCode)
		after, err := strconv.Atoi(response.Header.Get("Retry-After"))
		require.NoError(t, err)
		assert.Positive(t, after)
		assert.Contains(t, text, "urn:sallyport:refusal:limit")
	}
	assert.Less(t, served, 120, "half of it, and a little of its share")
	for n := range 19 {
		status, text := call(t, r.client(r.agent(strconv.Itoa(n)), true), "GET", pulls, "")
		assert.Equal(t, 200, status, text)
	}
	all := r.proxy.RateLimits(func(a credentials.Account) bool { return a.App == appID })
	require.Len(t, all, 1)
	for account, standings := range all {
		assert.Equal(t, credentials.Account{Server: "github.com", App: appID, Installation: installationID, Owner: "acme"}, account)
		require.Len(t, standings, 1)
		assert.Equal(t, "core", standings[0].Resource)
		assert.Equal(t, 200-served-19, standings[0].Remaining)
		assert.Equal(t, 20, standings[0].Agents)
	}
	refused := 0
	for _, row := range r.rows() {
		if row.Operation == "github:pulls/list" && row.Refusal == "" {
			assert.Contains(t, details(t, row), "rate_limit_remaining")
		} else if row.Refusal == "limit" {
			refused++
			assert.Equal(t, "github core", details(t, row)["limit"])
		}
	}
	windows := int(time.Since(start)/(10*time.Second)) + 1
	assert.LessOrEqual(t, refused, 2*windows+2, "what a runaway is refused is summed up")
}

func TestWhenGitHubSaysToBackOffNobodyAsks(t *testing.T) {
	t.Parallel()
	secondary := func(w io.Writer) {
		_, _ = io.WriteString(w, `{"message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}`)
	}
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter)
		after  int
	}{
		"saying when": {func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "30")
			w.WriteHeader(http.StatusForbidden)
		}, 30},
		"in the body alone": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusForbidden)
			secondary(w)
		}, 60},
		"in a compressed body": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(http.StatusForbidden)
			z := gzip.NewWriter(w)
			secondary(z)
			_ = z.Close()
		}, 60},
		"not at all": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"message":"Resource not accessible by integration"}`)
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, s := newApp(t)
			s.answers = []func(http.ResponseWriter){c.answer}
			status, text := call(t, r.client(r.agent("a"), true), "GET", pulls, "")
			require.Equal(t, http.StatusForbidden, status, "the answer is the agent's")
			if c.after == 60 {
				assert.Contains(t, text, "secondary rate limit")
			}
			var second audit.Exchange
			require.Eventually(t, func() bool { second = r.rows()[0]; return second.Ended }, within, 1)
			response, err := r.client(r.agent("b"), true).Get(pulls)
			require.NoError(t, err)
			_ = response.Body.Close()
			if c.after == 0 {
				assert.Equal(t, 200, response.StatusCode)
				return
			}
			assert.Equal(t, http.StatusTooManyRequests, response.StatusCode)
			after, err := strconv.Atoi(response.Header.Get("Retry-After"))
			require.NoError(t, err)
			assert.InDelta(t, c.after, after, 5)
			assert.Len(t, s.minted(), 1, "nothing is minted either")
		})
	}
}

func TestGraphQLErrorsAreOnTheRecord(t *testing.T) {
	t.Parallel()
	r, s := newApp(t)
	const answer = `{"data":{"repository":null},"errors":[{"type":"NOT_FOUND","path":["repository"],"message":"Could not resolve"}]}`
	s.answers = []func(http.ResponseWriter){func(w http.ResponseWriter) { _, _ = io.WriteString(w, answer) }}
	client := r.client(r.agent("a"), true)
	request, err := http.NewRequest(http.MethodPost, "https://api.github.com/graphql", strings.NewReader(`{"query":"{viewer{login}}"}`))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	require.NoError(t, err)
	assert.True(t, answer == body(t, response), "it is not touched, to the byte")
	status, _ := call(t, client, "POST", "https://api.github.com/graphql", `{"query":"{viewer{login}}"}`)
	require.Equal(t, 200, status)
	found := 0
	for _, row := range r.rows() {
		if row.Operation == "github:graphql/query.viewer" && row.Outcome.Error != "" {
			found++
			assert.Equal(t, "completed", row.Outcome.Outcome)
			assert.Equal(t, "GraphQL: NOT_FOUND: Could not resolve", row.Outcome.Error)
			assert.Equal(t, []any{"NOT_FOUND: Could not resolve"}, details(t, row)["graphql_errors"])
		}
	}
	assert.Equal(t, 1, found)
}
