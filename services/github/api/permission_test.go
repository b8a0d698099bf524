package api_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/policy"
	github "sallyport/services/github/api"
)

func sets(t testing.TB, s string) []github.PermissionSet {
	t.Helper()
	all, ok := github.ParseAccepted(s)
	require.True(t, ok, s)
	return all
}

func TestParseAccepted(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []github.PermissionSet{
		{{Name: "pull_requests", Access: policy.Read}, {Name: "contents", Access: policy.Write}},
		{{Name: "organization_projects", Access: policy.Admin}},
	}, sets(t, "pull_requests=read,contents=write; organization_projects=admin"))
	for _, bad := range []string{
		"", ";", "contents", "contents=", "contents=all", "=read", "Contents=read", "contents=read;", "contents=read,,issues=read",
		"contents=read\x00", strings.Repeat("contents=read;", 1000),
	} {
		_, ok := github.ParseAccepted(bad)
		assert.False(t, ok, bad)
	}
	assert.Equal(t, "contents=write,workflows=write", sets(t, "contents=write, workflows=write")[0].String())
}

func TestLeast(t *testing.T) {
	t.Parallel()
	anything := func(github.Permission) bool { return true }
	for _, c := range []struct {
		sets, want string
		allowed    func(github.Permission) bool
	}{
		{"contents=write,workflows=write; contents=write", "contents=write", anything},
		{"administration=write; contents=read", "contents=read", anything},
		{"issues=read; pull_requests=read", "issues=read", anything},
		{"issues=read; pull_requests=read", "pull_requests=read", func(p github.Permission) bool { return p.Name != "issues" }},
		{"contents=read,pages=write; administration=read", "administration=read", anything},
	} {
		least, ok := github.Least(sets(t, c.sets), c.allowed)
		require.True(t, ok, c.sets)
		assert.Equal(t, c.want, least.String())
	}
	_, ok := github.Least(sets(t, "contents=write; administration=write"), func(p github.Permission) bool { return p.Access == policy.Read })
	assert.False(t, ok)
	none, ok := github.Least(nil, anything)
	assert.True(t, ok)
	assert.Empty(t, none)
}

// What the published data leaves open, and how it was decided.
func TestReviewedPermissions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, path, least, access string }{
		{"PUT", "/repos/acme/web/contents/x.md", "contents=write", "write"},
		{"POST", "/repos/acme/web/forks", "administration=write,contents=read", "write"},
		{"GET", "/repos/acme/web/pulls/1", "pull_requests=read", "read"},
		{"GET", "/repos/acme/web/issues/1/labels", "issues=read", "read"},
		{"GET", "/orgs/acme/copilot/billing", "organization_copilot_seat_management=read", "read"},
		{"GET", "/orgs/acme/codespaces", "codespaces=read,organization_codespaces=read", "read"},
		{"POST", "/repos/acme/web/hooks/1/pings", "repository_hooks=read", "admin"},
		{"PATCH", "/orgs/acme/properties/schema", "organization_custom_properties=admin", "admin"},
		{"GET", "/zen", "", "read"},
	} {
		o, err := github.DotCom().Resolve(github.Request{Method: c.method, Host: "api.github.com", Path: c.path})
		require.NoError(t, err, c.path)
		least, ok := github.Least(o.Permissions, func(github.Permission) bool { return true })
		assert.True(t, ok, c.path)
		assert.Equal(t, c.least, least.String(), c.path)
		assert.Equal(t, c.access, o.Access.String(), c.path)
	}
}
