package api_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	github "sallyport/services/github/api"
)

func TestSurfaces(t *testing.T) {
	t.Parallel()
	dotcom, ghes := github.DotCom(), server(t)
	tenant, err := github.ParseService("https://acme.ghe.com/")
	require.NoError(t, err)
	for _, c := range []struct {
		service    github.Service
		host, path string
		want       github.Surface
	}{
		{dotcom, "api.github.com", "/", github.API},
		{dotcom, "uploads.github.com", "/", github.Uploads},
		{dotcom, "github.com", "/acme/web", github.Web},
		{dotcom, "raw.githubusercontent.com", "/", github.Raw},
		{dotcom, "objects.githubusercontent.com", "/", github.Download},
		{dotcom, "release-assets.githubusercontent.com", "/", github.Download},
		{dotcom, "codeload.github.com", "/", github.Download},
		{dotcom, "ghcr.io", "/", github.Packages},
		{dotcom, "npm.pkg.github.com", "/", github.Packages},
		{dotcom, "lfs.github.com", "/", github.LFS},
		{dotcom, "gist.github.com", "/", github.Other},
		{dotcom, "alive.github.com", "/", github.Other},
		{dotcom, "evilgithub.com", "/", github.NotGitHub},
		{dotcom, "github.com.example.org", "/", github.NotGitHub},
		{dotcom, "github.example.com", "/api/v3/", github.NotGitHub},
		{tenant, "acme.ghe.com", "/", github.Web},
		{tenant, "api.acme.ghe.com", "/", github.API},
		{tenant, "raw.acme.ghe.com", "/", github.Raw},
		{tenant, "containers.acme.ghe.com", "/", github.Packages},
		{tenant, "other.acme.ghe.com", "/", github.Other},
		{tenant, "api.other.ghe.com", "/", github.NotGitHub},
		{tenant, "api.github.com", "/", github.NotGitHub},
		{ghes, "github.example.com", "/api/v3", github.API},
		{ghes, "github.example.com", "/api/v3/meta", github.API},
		{ghes, "github.example.com", "/api/graphql", github.API},
		{ghes, "github.example.com", "/api/uploads/x", github.Uploads},
		{ghes, "github.example.com", "/api/v30/x", github.Other},
		{ghes, "github.example.com", "/acme/web", github.Web},
		{ghes, "github.example.com", "/manage/v1/version", github.Manage},
		{ghes, "raw.github.example.com", "/", github.Raw},
		{ghes, "uploads.github.example.com", "/", github.Uploads},
		{ghes, "codeload.github.example.com", "/", github.Download},
		{ghes, "github.example.com", "/codeload/acme/web", github.Download},
		{ghes, "github.example.com", "/media/x", github.Download},
		{ghes, "github.example.com", "/raw/acme/web/main/x", github.Raw},
		{ghes, "github.example.com", "/_registry/npm/x", github.Packages},
		{ghes, "github.example.com", "/rawhide/web", github.Web},
		{dotcom, "github.com", "/raw/web/info/refs", github.Web},
		{ghes, "example.com", "/", github.NotGitHub},
		{github.Service{}, "github.com", "/", github.NotGitHub},
	} {
		assert.Equal(t, c.want, c.service.Surface(c.host, c.path), "%s: %s%s", c.service.Host(), c.host, c.path)
	}
}

func TestParseService(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"https://github.com", "https://github.com/", "https://GitHub.com.", "https://api.github.com"} {
		s, err := github.ParseService(base)
		require.NoError(t, err, base)
		assert.Equal(t, github.DotCom(), s)
	}
	s, err := github.ParseService("https://10.0.0.7:8443")
	require.NoError(t, err)
	assert.True(t, s.Enterprise())
	assert.Equal(t, github.NotGitHub, s.Surface("raw.10.0.0.7", "/"))
	for _, bad := range []string{
		"", "github.com", "http://github.com", "https://", "https://u:p@github.com", "https://github.example.com/api/v3",
		"https://github.com?x", "https://github.com#x", "https://gist.github.com", "https://api.acme.ghe.com", "https://%zz",
	} {
		_, err := github.ParseService(bad)
		assert.Error(t, err, bad)
	}
}

// A tenant of ghe.com serves what github.com does.
func TestTenantResolves(t *testing.T) {
	t.Parallel()
	s, err := github.ParseService("https://acme.ghe.com")
	require.NoError(t, err)
	o, err := s.Resolve(github.Request{Method: "POST", Host: "api.acme.ghe.com", Path: "/repos/acme/web/pulls"})
	require.NoError(t, err)
	assert.Equal(t, "pulls/create", o.Name)
}
