package proxy_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const recordPolicy = `
policy: operator
rules:
  - name: listed
    allow: {host: api.test, path: /listed}
    credential: key
    record: {query: [page, q], headers: [x-request-id, x-echo]}
  - {name: plain, allow: {host: api.test, path: /plain}, credential: key}
  - name: refused
    deny: {host: api.test, path: /refused}
    record: {query: [page], headers: [x-request-id]}
`

// TestRecordKeepsWhatIsListed, and nothing else of query, headers and body, and
// no secret even where the upstream gives it back or the agent sends it.
func TestRecordKeepsWhatIsListed(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		r := newRig(t, func(r *rig) { r.policy = recordPolicy })
		r.upstream(func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("X-Request-Id", "up-1")
			w.Header().Set("X-Other", "hidden-answer")
			w.Header().Set("X-Echo", "you sent "+req.Header.Get("Authorization"))
		}, upstreamSide, "api.test")
		client := r.client(r.agent("a"), agentSide)
		long := strings.Repeat("x", 500)
		ask := func(path string) {
			req, err := http.NewRequest(http.MethodPost, "https://api.test"+path+"?page=2&page=3%20b&Page=hidden-case&other=hidden-query&q="+canary+"&q="+long,
				strings.NewReader("hidden-body"))
			require.NoError(t, err)
			req.Header.Set("X-Request-Id", "mine")
			req.Header.Set("X-Secretive", "hidden-header")
			response, err := client.Do(req)
			require.NoError(t, err)
			_ = body(t, response)
		}
		ask("/listed")
		ask("/plain")
		ask("/refused")
		rows := r.rows()
		require.Len(t, rows, 3)
		refused, plain, listed := rows[0], rows[1], rows[2]

		query := listed.Details["query"].(map[string]any)
		assert.Equal(t, []any{"2", "3 b"}, query["page"])
		q := query["q"].([]any)
		assert.NotContains(t, q[0], canary)
		assert.Contains(t, q[1], "…sha256:")
		assert.Equal(t, map[string]any{"X-Request-Id": []any{"mine"}}, listed.Details["request_headers"])
		answer := listed.Outcome.Details["response_headers"].(map[string]any)
		assert.Equal(t, []any{"up-1"}, answer["X-Request-Id"])
		assert.NotContains(t, answer["X-Echo"].([]any)[0], canary)

		for _, key := range []string{"query", "request_headers"} {
			assert.NotContains(t, plain.Details, key)
			assert.Contains(t, refused.Details, key, "a refusal has no answer of an upstream, but it has this")
		}
		assert.NotContains(t, plain.Outcome.Details, "response_headers")
		for _, row := range rows {
			text, err := row.MarshalJSON()
			require.NoError(t, err)
			assert.NotContains(t, string(text), "hidden")
			assert.NotContains(t, string(text), canary)
		}
	})
}
