package api_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	github "sallyport/services/github/api"
)

// reasonOf is the typed reason of an error of this package.
func reasonOf(t testing.TB, err error) github.Reason {
	t.Helper()
	require.Error(t, err)
	u, ok := errors.AsType[*github.Unresolved](err)
	require.True(t, ok, "%T", err)
	assert.NotEmpty(t, u.Detail)
	return u.Reason
}

func TestResolve(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, host, path, query string
		name, resource, access    string
	}{
		{"POST", "api.github.com", "/repos/acme/web/pulls", "", "pulls/create", "acme/web", "write"},
		{"GET", "api.github.com", "/repos/ACME/Web/pulls", "state=open&page=2", "pulls/list", "acme/web", "read"},
		{"HEAD", "api.github.com", "/repos/acme/web/pulls/7", "", "pulls/get", "acme/web", "read"},
		{"GET", "api.github.com", "/", "", "meta/root", "", "read"},
		{"GET", "api.github.com", "/orgs/Acme/repos", "", "repos/list-for-org", "acme", "read"},
		{"GET", "api.github.com", "/users/dependabot%5Bbot%5D", "", "users/get-by-username", "dependabot[bot]", "read"},
		{"GET", "api.github.com", "/repos/acme/web/contents", "", "repos/get-content", "acme/web", "read"},
		{"GET", "api.github.com", "/repos/acme/web/contents/", "ref=main", "repos/get-content", "acme/web", "read"},
		{"GET", "api.github.com", "/repos/acme/web/git/matching-refs/", "", "git/list-matching-refs", "acme/web", "read"},
		{"GET", "api.github.com", "/repos/acme/web/tarball", "", "repos/download-tarball-archive", "acme/web", "read"},
		{"GET", "api.github.com", "/repos/acme/web/zipball/", "", "repos/download-zipball-archive", "acme/web", "read"},
		{"GET", "codeload.github.com", "/acme/web/legacy.tar.gz/main", "token=A", "download/get", "", "read"},
		{"PUT", "github-cloud.s3.amazonaws.com", "/alambic/media/1", "X-Amz-Signature=a%2Bb", "download/put", "", "write"},
		{"GET", "api.github.com", "/repos/acme/web/contents/docs/a%20b/c.md", "ref=main", "repos/get-content", "acme/web", "read"},
		{"GET", "api.github.com", "/repos/acme/web/contents/docs%2Fc.md", "", "repos/get-content", "acme/web", "read"},
		{"GET", "api.github.com", "/repos/acme/web/git/ref/heads/feature/a/b", "", "git/get-ref", "acme/web", "read"},
		{"GET", "api.github.com", "/repos/acme/web/git/ref/heads%2Fmain", "", "git/get-ref", "acme/web", "read"},
		{"GET", "api.github.com", "/repos/acme/web/branches/feature/x/protection", "", "repos/get-branch-protection", "acme/web", "read"},
		{"GET", "api.github.com", "/repos/acme/web/branches/protection", "", "repos/get-branch", "acme/web", "read"},
		{"GET", "api.github.com", "/repos/acme/web/branches/feature%2Fx", "", "repos/get-branch", "acme/web", "read"},
		{"GET", "api.github.com", "/repos/acme/web/compare/main...bob:feature/x", "", "repos/compare-commits", "acme/web", "read"},
		{"GET", "api.github.com", "/repos/acme/web/compare/main", "", "repos/compare-commits-with-basehead", "acme/web", "read"},
		{"GET", "api.github.com", "/repos/acme/web/releases/latest", "", "repos/get-latest-release", "acme/web", "read"},
		{"GET", "api.github.com", "/repos/acme/web/releases/12", "", "repos/get-release", "acme/web", "read"},
		{"GET", "api.github.com", "/repos/acme/web/releases/tags/v1/rc", "", "repos/get-release-by-tag", "acme/web", "read"},
		{"GET", "api.github.com", "/repos/acme/web/issues/comments/3", "", "issues/get-comment", "acme/web", "read"},
		{"GET", "api.github.com", "/repos/acme/web/issues/3/comments", "", "issues/list-comments", "acme/web", "read"},
		{"GET", "api.github.com", "/repos/acme/web/pages/health", "", "repos/get-pages-health-check", "acme/web", "admin"},
		{"POST", "api.github.com", "/repos/acme/web/forks", "", "repos/create-fork", "acme/web", "write"},
		{"POST", "api.github.com", "/markdown", "", "markdown/render", "", "read"},
		{"POST", "api.github.com", "/orgs/acme/secret_scanning/enable_all", "", "orgs/enable-or-disable-security-product-on-all-org-repos", "acme", "admin"},
		{"PUT", "api.github.com", "/orgs/acme/teams/core/repos/Other/Lib", "", "teams/add-or-update-repo-permissions-in-org", "other/lib", "admin"},
		{"POST", "uploads.github.com", "/repos/acme/web/releases/1/assets", "name=a.zip", "repos/upload-release-asset", "acme/web", "write"},
		{"GET", "github.com", "/Acme/Web.git/info/refs", "service=git-upload-pack", "git/fetch", "acme/web", "read"},
		{"GET", "github.com", "/acme/web/info/refs", "service=git-receive-pack", "git/push", "acme/web", "write"},
		{"POST", "github.com", "/acme/web.git/git-upload-pack", "", "git/fetch", "acme/web", "read"},
		{"POST", "github.com", "/acme/web.git/git-receive-pack", "", "git/push", "acme/web", "write"},
		{"POST", "github.com", "/acme/web.wiki.git/git-receive-pack", "", "git/push", "acme/web.wiki", "write"},
		{"POST", "github.com", "/acme/web.git/info/lfs/locks/verify", "", "git/lfs-upload", "acme/web", "write"},
		{"GET", "github.com", "/acme/web.git/info/lfs/locks", "limit=10", "git/lfs-download", "acme/web", "read"},
		{"POST", "lfs.github.com", "/Acme/Web/verify", "", "git/lfs-upload", "acme/web", "write"},
		{"GET", "raw.githubusercontent.com", "/Acme/Web/main/README.md", "", "raw/get-content", "acme/web", "read"},
	} {
		t.Run(c.method+" "+c.host+c.path, func(t *testing.T) {
			t.Parallel()
			o, err := github.DotCom().Resolve(github.Request{Method: c.method, Host: c.host, Path: c.path, Query: c.query})
			require.NoError(t, err)
			assert.Equal(t, c.name, o.Name)
			assert.Equal(t, c.resource, o.Resource())
			assert.Equal(t, c.access, o.Access.String())
		})
	}
}

func TestResolveBodies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		host, path string
		body       github.Body
	}{
		{"api.github.com", "/graphql", github.GraphQLBody},
		{"github.com", "/acme/web.git/git-receive-pack", github.PushBody},
		{"github.com", "/acme/web.git/info/lfs/objects/batch", github.LFSBody},
		{"api.github.com", "/repos/acme/web/issues", github.NoBody},
	} {
		o, err := github.DotCom().Resolve(github.Request{Method: "POST", Host: c.host, Path: c.path})
		require.NoError(t, err, c.path)
		assert.Equal(t, c.body, o.Body, c.path)
		if c.body == github.GraphQLBody || c.body == github.LFSBody {
			assert.Empty(t, o.Name, "only the body tells")
		}
	}
}

func TestResolveEnterpriseServer(t *testing.T) {
	t.Parallel()
	s := server(t)
	for _, c := range []struct{ method, path, query, name string }{
		{"GET", "/api/v3/", "", "meta/root"},
		{"POST", "/api/v3/repos/acme/web/pulls", "", "pulls/create"},
		{"GET", "/api/v3/admin/hooks", "", "enterprise-admin/list-global-webhooks"},
		{"GET", "/manage/v1/version", "", "enterprise-admin/get-version"},
		{"POST", "/api/uploads/repos/acme/web/releases/1/assets", "name=x", "repos/upload-release-asset"},
		{"POST", "/api/graphql", "", ""},
		{"GET", "/acme/web/info/refs", "service=git-upload-pack", "git/fetch"},
		{"GET", "/raw/acme/web/main/README.md", "", "raw/get-content"},
		{"GET", "/codeload/acme/web/tar.gz/main", "token=A", "download/get"},
	} {
		o, err := s.Resolve(github.Request{Method: c.method, Host: "github.example.com", Path: c.path, Query: c.query})
		require.NoError(t, err, c.path)
		assert.Equal(t, c.name, o.Name, c.path)
	}
	o, err := s.Resolve(github.Request{Method: "POST", Host: "uploads.github.example.com", Path: "/repos/acme/web/releases/1/assets"})
	require.NoError(t, err)
	assert.Equal(t, "repos/upload-release-asset", o.Name, "with subdomain isolation")
	for _, path := range []string{"/repos/acme/web/pulls", "/graphql", "/api/v3", "/api/v3x/meta", "/api/repos/acme/web", "/api/v3/graphql"} {
		_, err := s.Resolve(github.Request{Method: "POST", Host: "github.example.com", Path: path})
		assert.Error(t, err, path)
	}
	_, err = s.Resolve(github.Request{Method: "GET", Host: "api.github.com", Path: "/meta"})
	assert.Equal(t, github.ReasonHost, reasonOf(t, err), "another GitHub")
}

// What only an Enterprise Server has is not an operation of github.com.
func TestEditionsStayApart(t *testing.T) {
	t.Parallel()
	_, err := github.DotCom().Resolve(github.Request{Method: "GET", Host: "api.github.com", Path: "/admin/hooks"})
	assert.Equal(t, github.ReasonUnknown, reasonOf(t, err))
	_, err = server(t).Resolve(github.Request{Method: "GET", Host: "github.example.com", Path: "/api/v3/marketplace_listing/plans"})
	assert.Equal(t, github.ReasonUnknown, reasonOf(t, err))
}

func TestZeroServiceResolvesNothing(t *testing.T) {
	t.Parallel()
	_, err := github.Service{}.Resolve(github.Request{Method: "GET", Path: "/meta"})
	assert.Equal(t, github.ReasonHost, reasonOf(t, err))
}
