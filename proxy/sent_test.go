package proxy_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const sentPolicy = `
policy: operator
rules:
  - {name: artifacts, allow: {host: bucket.store.test, path: "/artifacts/*"}, credential: store}
  - {name: agents, allow: {host: bucket.store.test, path: "/artifacts/agents/**"}, credential: store}
  - {name: page, allow: {host: bucket.store.test, path: /pages, query: {prefix: ["a b"]}}, credential: store}
  - {name: own, allow: {host: dynamodb.eu-west-1.amazonaws.com, path: /artifacts/*}}
`

// TestAnAllowJudgesWhatIsSignedAndSent: signing has a form of its own for path and query.
func TestAnAllowJudgesWhatIsSignedAndSent(t *testing.T) {
	t.Parallel()
	for name, protocol := range signingProtocols {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := signingRig(t, protocol.upstream)
			var arrived atomic.Pointer[string]
			r.upstreamSpeaking(protocol.upstream, func(_ http.ResponseWriter, q *http.Request) {
				uri := q.RequestURI
				arrived.Store(&uri)
				_, _ = io.Copy(io.Discard, q.Body)
			}, storeHost, dynamoHost)
			r.credentials = strings.Replace(signingCredentials, `["*.store.test"`, `[store.test, "*.store.test"`, 1)
			r.configure(sentPolicy)
			client := r.client(r.agent("a"), protocol.agent2)
			for _, c := range []struct {
				target string
				rule   string
				sent   string // empty if nothing is
				header []string
			}{
				{"/artifacts/key", "artifacts", "/artifacts/key", nil},
				{"/artifacts/a%7Eb+c", "artifacts", "/artifacts/a~b%2Bc", nil},
				{"/artifacts/secret%2Fkey", "", "", nil},
				{"/artifacts%2Fsecret/key", "", "", nil},
				{"/artifacts/agents%2Fkey", "", "", nil}, // each rule matches one of its forms, and none both
				{"/pages?prefix=a%20b", "page", "/pages?prefix=a%20b", nil},
				{"/pages?prefix=a+b", "", "", nil},
				{"/artifacts/agents/k", "", "", []string{"X-Amz-Copy-Source", "secrets/k"}},
				{"/artifacts/agents/k", "", "", []string{"X-Amz-Copy-Source", "artifacts/agents/../prod/k"}},
				{"/artifacts/agents/k", "", "", []string{"X-Amz-Meta-Snowball-Auto-Extract", "true"}},
			} {
				arrived.Store(nil)
				q := signed(t, http.MethodPut, "https://"+storeHost+"/", "s3", strings.NewReader("data"),
					append([]string{"X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"}, c.header...)...)
				aim(t, q, c.target)
				answer, err := client.Do(q)
				require.NoError(t, err)
				text := body(t, answer)
				row := r.rows()[0]
				assert.Equal(t, c.rule, row.Rule, "%s: %s", c.target, text)
				if c.sent == "" {
					assert.Equal(t, http.StatusForbidden, answer.StatusCode, c.target)
					assert.Equal(t, "policy", row.Outcome.Refusal, c.target)
					assert.Nil(t, arrived.Load(), c.target)
					continue
				}
				assert.Equal(t, http.StatusOK, answer.StatusCode, "%s: %s", c.target, text)
				require.NotNil(t, arrived.Load(), c.target)
				assert.Equal(t, c.sent, *arrived.Load())
			}
			// What is not signed leaves as it came.
			q := signed(t, http.MethodPut, "https://"+dynamoHost+"/", "dynamodb", strings.NewReader("data"))
			aim(t, q, "/artifacts/secret%2Fkey")
			answer, err := client.Do(q)
			require.NoError(t, err)
			assert.Equal(t, http.StatusOK, answer.StatusCode, body(t, answer))
			assert.Equal(t, "/artifacts/secret%2Fkey", *arrived.Load())
		})
	}
}

// aim gives a request its target byte for byte.
func aim(t *testing.T, q *http.Request, target string) {
	t.Helper()
	path, query, _ := strings.Cut(target, "?")
	decoded, err := url.PathUnescape(path)
	require.NoError(t, err)
	q.URL.Path, q.URL.RawPath, q.URL.RawQuery = decoded, path, query
}

// TestParametersThatEndHereAllowNothing: an allow that needs one is not met by what does
// not leave.
func TestParametersThatEndHereAllowNothing(t *testing.T) {
	t.Parallel()
	r := hygieneRig(t, false, func(http.ResponseWriter, *http.Request) {})
	r.configure(`
policy: operator
rules:
  - {name: keyed, allow: {host: open.test, query: {api_key: [mine], mode: [read]}}}
  - {name: moded, allow: {host: open.test, query: {mode: [list]}}}
`)
	client := r.client(r.agent("a"), false)
	for query, want := range map[string]int{"mode=list": 200, "mode=list&api_key=mine": 200, "mode=read&api_key=mine": 403} {
		response, err := client.Get("https://open.test/?" + query)
		require.NoError(t, err)
		text := body(t, response)
		assert.Equal(t, want, response.StatusCode, text)
		if want == 403 {
			assert.Contains(t, text, "what would be sent is / with a query")
			assert.NotContains(t, text, "mine")
		}
	}
}
