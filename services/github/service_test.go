package github_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials"
	"sallyport/policy"
	"sallyport/services"
	"sallyport/services/github"
	"sallyport/services/github/api"
	"sallyport/services/github/app"
)

const enterprise = "github.example.com"

const credentialsFile = `credentials:
  dotcom: {kind: github_token, secret: {env: TOKEN}}
  server: {kind: github_token, base_url: https://` + enterprise + `, secret: {env: TOKEN}}
`

func files(t *testing.T, s *github.Service) services.Files {
	t.Helper()
	set, err := credentials.Parse("credentials.yaml", []byte(credentialsFile), credentials.Options{
		Kinds: s.Kinds(), Getenv: func(string) string { return "ghp_0123456789abcdef" },
	})
	require.NoError(t, err)
	return services.Files{Credentials: set}
}

// body is a request's body, of which nothing is denied unread.
type body struct{ text string }

func (b *body) Denied(policy.Meaning, ...policy.Outline) bool { return false }
func (b *body) Stream(_ int64, read func(io.Reader) int64)    { read(strings.NewReader(b.text)) }
func (b *body) Room(int64) bool                               { return true }
func (b *body) Replace(printed []byte, _ string)              { b.text = string(printed) }
func (b *body) Peek(most, _ int64) ([]byte, bool, error) {
	return []byte(b.text), int64(len(b.text)) > most, nil
}

// visit is one request, read.
func visit(t *testing.T, sites services.Sites, method, url, text string) (services.Visit, policy.Meaning) {
	t.Helper()
	q, err := policy.ParseRequest(method, url)
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(text))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	v := sites.Find(&services.Line{Query: q, Request: r})
	if v == nil {
		return nil, policy.Meaning{}
	}
	return v, v.Read(&body{text})
}

func TestRequestsAreFoundByTheirServer(t *testing.T) {
	t.Parallel()
	s := github.New()
	sites := s.Sites(files(t, s))
	for url, want := range map[string]string{
		"https://api.github.com/repos/acme/web":                             "github.com repos/get acme/web",
		"https://" + enterprise + "/api/v3/repos/acme/web":                  enterprise + " repos/get acme/web",
		"https://" + enterprise + "/acme/web/info/refs":                     enterprise + " ? ",
		"https://github.com/acme/web.git/info/refs?service=git-upload-pack": "github.com git/fetch acme/web",
		"https://api.github.com/nothing/of/the/kind":                        "github.com ? ",
		"https://github.example.org/api/v3/repos/acme/web":                  "",
		"https://example.com/":                                              "",
	} {
		v, m := visit(t, sites, http.MethodGet, url, "")
		if want == "" {
			assert.Nil(t, v, url)
			continue
		}
		require.NotNil(t, v, url)
		name, resource := "?", ""
		if len(m.Calls) > 0 {
			name, resource = m.Calls[0].Operation, m.Calls[0].Resource
		} else {
			assert.NotEmpty(t, m.Unclassified, url)
		}
		assert.Equal(t, want, m.Server+" "+name+" "+resource, url)
	}
}

// What a server says of the permissions that an operation needs is asked for at that server
// alone.
func TestWhatIsLearntIsKeptForItsServer(t *testing.T) {
	t.Parallel()
	s := github.New()
	sites := s.Sites(files(t, s))
	const path = "/repos/acme/web/subscription" // of which GitHub does not say what it needs
	dotcom, server := "https://api.github.com"+path, "https://"+enterprise+"/api/v3"+path
	needs := func(url string) string {
		v, m := visit(t, sites, http.MethodGet, url, "")
		require.Len(t, m.Calls, 1, m.Unclassified)
		use := credentials.Use{}
		_, err := sites.(services.Narrower).Narrow(&services.Need{
			Kind: "github_app", Decision: &policy.Decision{}, Use: &use,
			Errands: func() (http.RoundTripper, http.RoundTripper) { return nil, nil },
		}, v)
		require.NoError(t, err)
		var sets []string
		for _, set := range use.For.(app.Scope).Permissions {
			sets = append(sets, set.String())
		}
		return strings.Join(sets, ";")
	}
	before := needs(dotcom)
	require.Equal(t, before, needs(server))
	v, _ := visit(t, sites, http.MethodGet, server, "")
	v.(services.Learner).Learn(&http.Response{StatusCode: http.StatusOK, Header: http.Header{"X-Accepted-Github-Permissions": {"deployments=read"}}})
	assert.Equal(t, "deployments=read", needs(server))
	assert.Equal(t, before, needs(dotcom), "github.com has said nothing")
}

// How a token is written at a surface has one home: what the credential writes is what the
// surface takes.
func TestATokenIsWrittenAsItsSurfaceTakesIt(t *testing.T) {
	t.Parallel()
	s := github.New()
	set := files(t, s).Credentials
	for _, c := range []struct{ credential, url string }{
		{"dotcom", "https://api.github.com/user"},
		{"dotcom", "https://uploads.github.com/repos/a/b/releases/1/assets"},
		{"dotcom", "https://github.com/a/b.git/info/refs"},
		{"dotcom", "https://raw.githubusercontent.com/a/b/main/c"},
		{"dotcom", "https://media.githubusercontent.com/media/a/b/main/c"},
		{"dotcom", "https://codeload.github.com/a/b/zip/main"},
		{"dotcom", "https://objects.githubusercontent.com/x"},
		{"dotcom", "https://release-assets.githubusercontent.com/x"},
		{"dotcom", "https://ghcr.io/v2/a/b/manifests/latest"},
		{"server", "https://" + enterprise + "/api/v3/user"},
		{"server", "https://" + enterprise + "/api/graphql"},
		{"server", "https://" + enterprise + "/a/b.git/info/refs"},
		{"server", "https://codeload." + enterprise + "/a/b/zip/main"},
	} {
		q, err := policy.ParseRequest(http.MethodGet, c.url)
		require.NoError(t, err)
		at := api.DotCom()
		if c.credential == "server" {
			at, err = api.ParseService("https://" + enterprise)
			require.NoError(t, err)
		}
		want := ""
		switch at.Surface(q.Authority.Name.String(), q.Path.String()) {
		case api.API, api.Uploads, api.Raw:
			want = "Bearer"
		case api.Web, api.Packages:
			want = "Basic"
		case api.Download, api.LFS, api.Manage, api.Front, api.Other, api.NotGitHub:
		}
		injection, err := set.Lookup(c.credential).Retrieve(context.Background(), credentials.Use{})
		require.NoError(t, err)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url, http.NoBody)
		require.NoError(t, err)
		require.NoError(t, injection.Apply(r), c.url)
		scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		assert.Equal(t, want, scheme, c.url)
	}
}

// A rule's token is for the request and no more.
func TestATokenIsNarrowedToItsRequest(t *testing.T) {
	t.Parallel()
	s := github.New()
	sites := s.Sites(files(t, s))
	narrow := func(kind, method, url, text string, d policy.Decision) (credentials.Use, bool, error) {
		v, _ := visit(t, sites, method, url, text)
		use := credentials.Use{}
		bare, err := sites.(services.Narrower).Narrow(&services.Need{
			Kind: kind, Credential: "app", Decision: &d, Use: &use, Errands: func() (http.RoundTripper, http.RoundTripper) { return http.DefaultTransport, nil }, //nolint:forbidigo // nothing is sent
		}, v)
		return use, bare, err
	}
	use, bare, err := narrow("github_app", http.MethodPut, "https://api.github.com/repos/acme/web/contents/a", "{}", policy.Decision{})
	require.NoError(t, err)
	assert.False(t, bare)
	assert.Equal(t, []string{"acme/web"}, use.For.(app.Scope).Repositories)
	assert.Equal(t, "contents=write", use.For.(app.Scope).Permissions[0].String())
	assert.NotNil(t, use.Transport)

	_, bare, err = narrow("github_app", http.MethodGet, "https://codeload.github.com/acme/web/zip/main", "", policy.Decision{})
	require.NoError(t, err)
	assert.True(t, bare, "a signed link takes no token")

	var denied *services.Denied
	_, _, err = narrow("github_app", http.MethodPut, "https://api.github.com/repos/acme/web/contents/a", "{}", policy.Decision{Scope: &github.Scope{Access: policy.Read}})
	require.ErrorAs(t, err, &denied)
	assert.Contains(t, denied.Detail, "GitHub asks for more than access read for repos/create-or-update-file-contents")
	_, _, err = narrow("github_app", http.MethodGet, "https://api.github.com/nothing/of/the/kind", "", policy.Decision{})
	require.ErrorAs(t, err, &denied)
	_, _, err = narrow("github_app", http.MethodGet, "https://example.com/", "", policy.Decision{})
	require.ErrorAs(t, err, &denied, "it is no request to GitHub")

	document := `{"query":"query { repository(owner: \"acme\", name: \"web\") { id } }"}`
	use, _, err = narrow("github_app", http.MethodPost, "https://api.github.com/graphql", document, policy.Decision{Scope: &github.Scope{Repos: []string{"acme/web", "acme/api"}}})
	require.NoError(t, err)
	assert.Equal(t, []string{"acme/web", "acme/api"}, use.For.(app.Scope).Repositories)
	assert.Equal(t, "read", use.For.(app.Scope).Documents)
	_, _, err = narrow("github_token", http.MethodPost, "https://api.github.com/graphql", document, policy.Decision{Scope: &github.Scope{Repos: []string{"acme/web"}}})
	require.ErrorAs(t, err, &denied, "a fixed token cannot be narrowed")
	use, _, err = narrow("github_token", http.MethodGet, "https://api.github.com/user", "", policy.Decision{})
	require.NoError(t, err)
	assert.Nil(t, use.Transport, "nothing is minted")
}

// A refused push is told in git's own protocol, ref by ref, after git has sent all of it.
func TestAPushIsRefusedInGitsOwnWords(t *testing.T) {
	t.Parallel()
	s := github.New()
	sites := s.Sites(files(t, s))
	const command = "0000000000000000000000000000000000000000 1111111111111111111111111111111111111111 refs/heads/main\x00 report-status side-band-64k agent=git/2"
	push := pkt(command) + "0000PACK"
	q, err := policy.ParseRequest(http.MethodPost, "https://github.com/acme/web.git/git-receive-pack")
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://github.com/acme/web.git/git-receive-pack", http.NoBody)
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-git-receive-pack-request")
	v := sites.Find(&services.Line{Query: q, Request: r})
	m := v.Read(&body{push})
	require.Len(t, m.Calls, 1, m.Unclassified)
	assert.Equal(t, "refs/heads/main", m.Calls[0].Facts.(*github.Facts).Ref)

	w := &answer{header: http.Header{}}
	rest := strings.NewReader("the rest of the pack")
	told := v.(services.Refuser).Refuse(w, r, &services.Refusal{
		Title: "Denied", Exchange: "id", Header: func(http.Header) {}, Body: rest,
		Reason: func(*policy.Meaning, int) string { return "main is not the agent's" },
	})
	assert.True(t, told)
	assert.Zero(t, rest.Len())
	assert.Equal(t, http.StatusOK, w.status)
	assert.Contains(t, w.text.String(), "ng refs/heads/main main is not the agent's")

	plain, _ := visit(t, sites, http.MethodGet, "https://api.github.com/user", "")
	assert.False(t, plain.(services.Refuser).Refuse(w, r, &services.Refusal{}), "others read a problem document")

	v = sites.Find(&services.Line{Query: q, Request: r})
	v.Read(&body{push})
	assert.PanicsWithError(t, http.ErrAbortHandler.Error(), func() {
		v.(services.Refuser).Refuse(w, r, &services.Refusal{Header: func(http.Header) {}, Body: broken{}, Reason: func(*policy.Meaning, int) string { return "" }})
	}, "an empty answer would have git wait for ever")
}

func pkt(line string) string {
	const hex = "0123456789abcdef"
	n := len(line) + 4
	return string([]byte{hex[n>>12&15], hex[n>>8&15], hex[n>>4&15], hex[n&15]}) + line
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("gone") }

// answer keeps what is written to it.
type answer struct {
	header http.Header
	status int
	text   strings.Builder
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(p []byte) (int, error) { return a.text.Write(p) }
