package proxy_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A container registry answers with a token of its own, for requests to itself
// (distribution.github.io, "Token Authentication Specification").
func TestRegistryTokensNeverReachTheAgent(t *testing.T) {
	t.Parallel()
	s := newAppServer(t)
	s.Permit("acme", "packages", "read")
	r := newRig(t, func(r *rig) {
		r.credentials = appCredentials
		r.getenv = func(string) string { return s.PrivateKey() }
		r.policy = `
policy: operator
rules:
  - name: registry
    allow: {host: ghcr.io, methods: [GET]}
    credential: app
    unnamed: allow
    repositories: [acme/web]
    permissions: {packages: read}
`
	})
	r.upstream(s.ServeHTTP, true, "api.github.com")
	var seen []string
	r.upstream(func(w http.ResponseWriter, q *http.Request) {
		user, token, basic := q.BasicAuth()
		switch {
		case strings.Contains(q.URL.Path, "oken") && q.Header.Get("X-Status") != "":
			status, _ := strconv.Atoi(q.Header.Get("X-Status"))
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"Token":"live-registry-token"}`))
		case q.URL.Path == "/token" && basic && user == "x-access-token" && s.May(token, "acme/web", "packages", "read"):
			_, _ = w.Write([]byte(`{"token":"live-registry-token","access_token":"live-registry-token"}`))
		case strings.HasPrefix(q.URL.Path, "/v2/") && q.Header.Get("Authorization") == "Bearer live-registry-token":
			_, _ = w.Write([]byte("a manifest"))
		default:
			w.Header().Set("Www-Authenticate", `Bearer realm="https://ghcr.io/token",service="ghcr.io"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
		seen = append(seen, q.URL.Path)
	}, true, "ghcr.io")
	client := r.client(r.agent("a"), true)
	get := func(client *http.Client, url, authorization string) (int, string) {
		request, err := http.NewRequest(http.MethodGet, url, nil)
		require.NoError(t, err)
		request.Header.Set("Authorization", authorization)
		response, err := client.Do(request)
		require.NoError(t, err)
		return response.StatusCode, body(t, response)
	}
	status, text := get(client, "https://ghcr.io/token?service=ghcr.io&scope=repository:acme/web:pull", "Basic eDp4")
	require.Equal(t, 200, status, text)
	assert.NotContains(t, text, "live-")
	var answer map[string]string
	require.NoError(t, json.Unmarshal([]byte(text), &answer))
	status, text = get(client, "https://ghcr.io/v2/acme/web/manifests/latest", "Bearer "+answer["token"])
	assert.Equal(t, 200, status)
	assert.Equal(t, "a manifest", text)
	for _, path := range []string{"/token", "/Token/", "/token;x", "/v2/token", "/%74oken", "/x/token?callback=f"} {
		for _, status := range []string{"200", "201", "203", "401", "404", "500"} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://ghcr.io"+path, http.NoBody)
			require.NoError(t, err)
			request.Header.Set("X-Status", status)
			response, err := client.Do(request)
			require.NoError(t, err)
			assert.NotContains(t, body(t, response), "live-", "%s %s", path, status)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://ghcr.io/v2/acme/web/manifests/token", http.NoBody)
	require.NoError(t, err)
	request.Header = http.Header{"X-Status": {"200"}, "Authorization": {"Basic eDp4"}}
	response, err := client.Do(request)
	require.NoError(t, err)
	assert.Equal(t, `{"Token":"live-registry-token"}`, body(t, response), "a manifest that is tagged so comes as it is, for its digest") //nolint:testifylint // to the letter
	before := len(seen)
	status, _ = get(r.client(r.agent("b"), true), "https://ghcr.io/v2/acme/web/manifests/latest", "Bearer "+answer["token"])
	assert.Equal(t, http.StatusBadGateway, status, "another agent's placeholder")
	assert.Len(t, seen, before)
}
