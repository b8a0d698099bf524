package proxy_test

import (
	"io"
	"net/http"
	"strconv"
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

// How an answer comes is the agent's to choose, by a callback or a range, and the server's.
// None of it brings a token.
func TestNoFormOfAnAnswerBringsATokenToCloneWith(t *testing.T) {
	t.Parallel()
	const token = "AABBCC-live-token"
	r := newRig(t)
	var upstream recorder
	r.upstream(func(w http.ResponseWriter, req *http.Request) {
		upstream.serve(w, req)
		status, _ := strconv.Atoi(req.Header.Get("X-Status"))
		if media := req.Header.Get("X-Media"); media != "" {
			w.Header().Set("Content-Type", media)
		}
		if status == http.StatusPartialContent {
			w.Header().Set("Content-Range", "bytes 20-90/91")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `/**/f({"data":{"temp_clone_token":"`+token+`"}})`)
	}, true, "api.github.com", "uploads.github.com")
	r.configure(`
policy: operator
rules:
  - {name: repositories, allow: {github: {repos: [acme/*], access: write}}, credential: hub}
  - {name: unnamed, allow: {host: "*.github.com"}, credential: hub, unnamed: allow}
`)
	client := r.client(r.agent("a"), true)
	ask := func(url, status, media string) (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		require.NoError(t, err)
		request.Header = http.Header{
			"X-Status": {status}, "X-Media": {media}, "Range": {"bytes=20-"}, "If-Range": {`"x"`}, "Request-Range": {"bytes=20-"}, "A-Im": {"range"},
			"Accept-Encoding": {"gzip"}, "Accept": {"application/vnd.github.raw+json"},
		}
		response, err := client.Do(request)
		require.NoError(t, err)
		return response.StatusCode, body(t, response)
	}
	for _, path := range []string{
		"https://api.github.com/repos/acme/web", "https://api.github.com/repos/acme/web/pulls/1", "https://api.github.com/repositories/7",
		"https://uploads.github.com/repos/acme/web/releases/1/assets",
	} {
		for _, status := range []string{"200", "201", "203", "206", "301", "404", "422", "500"} {
			for _, media := range []string{
				"application/json", "application/javascript; charset=utf-8", "application/vnd.github.raw+json", "application/vnd.github.v3.raw", "text/plain", "",
				"application/octet-stream", "application/vnd.git-lfs", "multipart/byteranges; boundary=x",
			} {
				_, text := ask(path, status, media)
				assert.NotContains(t, text, token, "%s %s %q", path, status, media)
			}
		}
		got := upstream.request().Header
		for _, name := range []string{"Range", "If-Range", "Request-Range", "A-Im"} {
			assert.Empty(t, got[name], name)
		}
		assert.Equal(t, "identity", got.Get("Accept-Encoding"))
	}

	reached := upstream.request()
	for _, query := range []string{"callback=f", "per_page=1&callback=f", "x=1;callback=f", "%63allback=f", "CALLBACK=f", "callback", "callback[]=f", "callback%5Bx%5D=f"} {
		status, text := ask("https://api.github.com/repos/acme/web?"+query, "200", "application/json")
		assert.Equal(t, http.StatusBadRequest, status, query)
		assert.Contains(t, text, "callback", query)
	}
	assert.Same(t, reached, upstream.request(), "none of them left")
	status, _ := ask("https://api.github.com/repos/acme/web?callbacks=f&x=callback", "200", "application/json")
	assert.Equal(t, http.StatusOK, status)

	_, text := ask("https://api.github.com/repos/acme/web/contents/a.json", "200", "application/vnd.github.raw+json; charset=utf-8")
	assert.Contains(t, text, token, "a file is what it is")
	_, text = ask("https://api.github.com/repos/acme/web/pulls/1", "200", "application/vnd.github.v3.diff; charset=utf-8")
	assert.Contains(t, text, token, "and so is a difference")
}

// On an Enterprise Server the surfaces are paths of one host. A path without a name that
// something before it may take for the API's brings nothing live either.
func TestOddPathsOfAnEnterpriseServerBringNothingLive(t *testing.T) {
	t.Parallel()
	const server = "github.example.test"
	r := newRig(t)
	var upstream recorder
	r.upstream(func(w http.ResponseWriter, req *http.Request) {
		upstream.serve(w, req)
		w.Header().Set("Content-Type", req.Header.Get("X-Media"))
		_, _ = io.WriteString(w, strings.ReplaceAll(req.Header.Get("X-Before"), "_", "\n ")+`{"temp_clone_token":"live-1","href":"https://x.test/y","header":{"Authorization":"live-2"}}`)
	}, true, server, "other."+server)
	r.credentials = "credentials:\n  plain: {kind: bearer, hosts: [" + server + "], secret: {env: RIG_KEY}}\n  ghes: {kind: github_token, base_url: https://" + server + ", secret: {env: RIG_KEY}}\n"
	r.configure(`
policy: operator
rules:
  - {name: named, allow: {github: {host: ` + server + `, repos: [acme/*], access: read}}, credential: ghes}
  - {name: links, allow: {host: ` + server + `, path: "/media/**"}, credential: plain}
  - {name: unnamed, allow: {host: ` + server + `}, credential: ghes, unnamed: allow}
  - {name: beside, allow: {host: "*.` + server + `"}, credential: ghes, unnamed: allow}
`)
	client := r.client(r.agent("a"), true)
	ask := func(target, media, before string) (int, string) {
		beside, path, _ := strings.Cut(target, "/") // a label before the server's name, for most none
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+beside+server+"/", http.NoBody)
		require.NoError(t, err)
		aim(t, request, "/"+path)
		request.Header = http.Header{"X-Media": {media}, "X-Before": {before}, "Range": {"bytes=2-"}, "Accept-Encoding": {"gzip"}}
		response, err := client.Do(request)
		require.NoError(t, err)
		return response.StatusCode, body(t, response)
	}
	reached := 0
	for _, path := range []string{
		"//api/v3/repos/acme/web", "/api//v3/repos/acme/web", "/API/v3/repos/acme/web", "/Api/v3/repos/acme/web", "/%61pi/v3/repos/acme/web",
		"/%2561pi/v3/repos/acme/web", "/api/%76%33/repos/acme/web", "/api/v3;x/repos/acme/web", "/api;x/v3/repos/acme/web", "/x/..;/api/v3/repos/acme/web",
		"/api/v3%2frepos/acme/web", "/api%2fv3/repos/acme/web", "/api/V3/repos/acme/web", "/raw/..%2f..%2fapi/v3/repos/acme/web", "/api/v3/x/..;/repos/acme/web",
		"/media/%252e%252e/api/v3/repos/acme/web", "/media//api/v3/repos/acme/web", "/acme/web", "/rest/repos/acme/web", "other./api/v3/repos/acme/web", "other./",
	} {
		for _, media := range []string{"application/json", "application/javascript", "text/plain", ""} {
			for _, before := range []string{"", "/**/f(", "_"} {
				status, text := ask(path, media, before)
				assert.NotContains(t, text, "live-1", "%s %q %q", path, media, before)
				if before != "/**/f(" {
					assert.NotContains(t, text, "live-2", "%s %q %q", path, media, before)
				}
				if status == http.StatusOK {
					reached++
					assert.Empty(t, upstream.request().Header["Range"], path)
				}
			}
		}
	}
	assert.Greater(t, reached, 50, "these paths do leave under unnamed: allow")
	_, text := ask("/api/v3/repos/acme/web/contents/a%20b.json", "application/vnd.github.raw+json", "")
	assert.Contains(t, text, "live-1", "a file that is named is what it is")
}
