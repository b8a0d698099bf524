package api_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	github "sallyport/services/github/api"
)

// What people paste reads what the API reads, under the API's names.
func TestPagesOfARepositoryAreItsOperations(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"":                                       "repos/get",
		"/releases/download/v1/tool.tar.gz":      "repos/get-release-asset",
		"/releases/download/a/b/tool.tar.gz":     "repos/get-release-asset",
		"/releases/latest/download/tool.tar.gz":  "repos/get-release-asset",
		"/releases":                              "repos/list-releases",
		"/releases/latest":                       "repos/get-latest-release",
		"/releases/tag/v1":                       "repos/get-release-by-tag",
		"/archive/refs/heads/main.zip":           "repos/download-zipball-archive",
		"/archive/refs/tags/v1.tar.gz":           "repos/download-tarball-archive",
		"/archive/0123abc.tar.gz":                "repos/download-tarball-archive",
		"/tarball/main":                          "repos/download-tarball-archive",
		"/zipball/main":                          "repos/download-zipball-archive",
		"/raw/main/README.md":                    "raw/get-content",
		"/raw/refs/heads/main/docs/a%20b.md":     "raw/get-content",
		"/blob/main/README.md?raw=true":          "repos/get-content",
		"/tree/main":                             "repos/get-content",
		"/pull/17":                               "pulls/get",
		"/pull/17.diff":                          "pulls/get",
		"/pull/17.patch?full_index=1":            "pulls/get",
		"/pull/17/files":                         "pulls/list-files",
		"/pull/17/commits":                       "pulls/list-commits",
		"/pulls?q=is%3Aopen":                     "pulls/list",
		"/issues/3":                              "issues/get",
		"/issues":                                "issues/list-for-repo",
		"/commit/0123abc.patch":                  "repos/get-commit",
		"/commits/main":                          "repos/list-commits",
		"/compare/main...agent/x.diff":           "repos/compare-commits",
		"/info/refs?service=git-upload-pack":     "git/fetch",
		".git/info/refs?service=git-upload-pack": "git/fetch",
	} {
		path, query, _ := cut(path)
		for _, server := range []github.Service{github.DotCom(), server(t)} {
			for _, method := range []string{"GET", "HEAD"} {
				if method == "HEAD" && want == "git/fetch" {
					continue
				}
				o, err := server.Resolve(github.Request{Method: method, Host: server.Host(), Path: "/Acme/Web" + path, Query: query})
				require.NoError(t, err, path)
				assert.Equal(t, want, o.Name, path)
				assert.Equal(t, "acme/web", o.Repo, path)
				assert.Equal(t, "read", o.Access.String(), path)
			}
		}
		o, err := github.DotCom().Resolve(github.Request{Method: "GET", Host: "www.github.com", Path: "/acme/web" + path, Query: query})
		require.NoError(t, err, path)
		assert.Equal(t, want, o.Name, "www.github.com leads to it")
	}
}

func cut(address string) (path, query string, found bool) {
	for i := range len(address) {
		if address[i] == '?' {
			return address[:i], address[i+1:], true
		}
	}
	return address, "", false
}

func TestWhatIsNoPageOfARepositoryHasNoName(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"POST", "/acme/web/pull/17", ""},
		{"POST", "/acme/web/releases/download/v1/x", ""},
		{"DELETE", "/acme/web/raw/main/x", ""},
		{"GET", "/acme/web/raw/main/x", "token=ABC"},
		{"GET", "/acme/web/blob/main/x", "access_token=ABC"},
		{"GET", "/acme/web/pull/17", "_method=DELETE"},
		{"GET", "/acme/web/settings", ""},
		{"GET", "/acme/web/settings/secrets/actions", ""},
		{"GET", "/acme/web/pull/new/agent/x", ""},
		{"GET", "/acme/web/pull/17.diff/files", ""},
		{"GET", "/acme/web/pull/17/../../../other/raw/main/x", ""},
		{"GET", "/acme/web/raw/main/%2e%2e/x", ""},
		{"GET", "/acme/web/raw/main//x", ""},
		{"GET", "/acme/web/raw/main/", ""},
		{"GET", "/acme/web/releases/new", ""},
		{"GET", "/acme/web/releases/edit/v1", ""},
		{"GET", "/acme/web/archive/x", ""},
		{"GET", "/acme/w%65b/raw/main/x", ""},
		{"GET", "/acme/web%2Fraw/main/x/y", ""},
		{"GET", "/acme/web.git/raw/main/x", ""},
		{"GET", "/orgs/acme/issues", ""},
		{"GET", "/Orgs/acme/tree/x", ""},
		{"GET", "/login/oauth/commit/x", ""},
		{"GET", "/settings/apps/issues", ""},
		{"GET", "/", ""},
		{"GET", "/acme", ""},
	} {
		for _, host := range []string{"github.com", "www.github.com"} {
			_, err := github.DotCom().Resolve(github.Request{Method: c[0], Host: host, Path: c[1], Query: c[2]})
			assert.Error(t, err, "%s %s", c[0], c[1])
		}
	}
	_, err := github.DotCom().Resolve(github.Request{Method: "POST", Host: "www.github.com", Path: "/acme/web.git/git-receive-pack"})
	assert.Error(t, err, "www.github.com is only read")
}

func TestRefsAreReadOnTheirOlderPathToo(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/git/refs", "/git/refs/", "/git/refs/heads", "/git/refs/heads/agent/x", "/git/refs/heads%2Fmain"} {
		o, err := github.DotCom().Resolve(github.Request{Method: "GET", Host: "api.github.com", Path: "/repos/acme/web" + path})
		require.NoError(t, err, path)
		assert.Equal(t, "git/list-matching-refs", o.Name, path)
		assert.Equal(t, "read", o.Access.String())
	}
	for method, want := range map[string]string{"DELETE": "git/delete-ref", "PATCH": "git/update-ref"} {
		o, err := github.DotCom().Resolve(github.Request{Method: method, Host: "api.github.com", Path: "/repos/acme/web/git/refs/heads/main"})
		require.NoError(t, err)
		assert.Equal(t, want, o.Name)
	}
}
