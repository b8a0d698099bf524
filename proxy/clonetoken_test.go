package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// GitHub puts a live token into what it tells of a repository, over REST and over GraphQL.
func TestTokensToCloneWithAreKeptFromTheAgent(t *testing.T) {
	t.Parallel()
	const token = "AABBCC-live-token"
	r := newRig(t)
	reached, encoding := 0, ""
	r.upstream(func(w http.ResponseWriter, req *http.Request) {
		reached++
		encoding = req.Header.Get("Accept-Encoding")
		switch {
		case strings.HasSuffix(req.URL.Path, "/gzip"):
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
		case strings.Contains(req.URL.Path, "/contents/"):
			w.Header().Set("Content-Type", "application/vnd.github.raw+json")
		case req.Method == http.MethodPost:
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.WriteHeader(http.StatusCreated)
		default:
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
		}
		_, _ = io.WriteString(w, `{"name":"web","temp_clone_token":"`+token+`"}`)
	}, true, "api.github.com")
	r.configure(`
policy: operator
rules:
  - {name: repositories, allow: {github: {repos: [acme/*], access: write}}, credential: hub}
  - {name: fields, allow: {github: {operations: [graphql/query.repository, graphql/query.viewer]}}, credential: hub}
  - {name: everything, allow: {host: api.github.com, path: /graphql}, credential: hub}
`)
	client := r.client(r.agent("a"), true)
	ask := func(method, path, sent string) (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), method, "https://api.github.com"+path, strings.NewReader(sent))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Accept-Encoding", "gzip")
		response, err := client.Do(request)
		require.NoError(t, err)
		return response.StatusCode, body(t, response)
	}

	empty := `{"name":"web","temp_clone_token":""` + strings.Repeat(" ", len(token)) + `}`
	status, text := ask(http.MethodGet, "/repos/acme/web", "")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, empty, text)
	assert.Equal(t, "identity", encoding)
	status, text = ask(http.MethodPost, "/repos/acme/web/forks", "{}")
	assert.Equal(t, http.StatusCreated, status)
	assert.Equal(t, empty, text)
	status, text = ask(http.MethodGet, "/repos/acme/web/contents/answer.json", "")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, text, token, "a file is what it is")
	status, text = ask(http.MethodGet, "/repos/acme/web/branches/gzip", "")
	assert.Equal(t, http.StatusBadGateway, status)
	assert.NotContains(t, text, token)

	before := reached
	for _, document := range []string{
		`query { repository(owner: \"acme\", name: \"web\") { a: tempCloneToken } }`,
		`query { viewer { ...f } } fragment f on User { repositories(first: 1) { nodes { ... on Repository { tempCloneToken } } } }`,
	} {
		status, text = ask(http.MethodPost, "/graphql", `{"query":"`+document+`"}`)
		assert.Equal(t, http.StatusForbidden, status, text)
		assert.Contains(t, text, "tempCloneToken")
	}
	assert.Equal(t, before, reached)
}
