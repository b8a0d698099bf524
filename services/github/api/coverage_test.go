package api_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	github "sallyport/services/github/api"
)

// server is a GitHub Enterprise Server.
func server(t testing.TB) github.Service {
	t.Helper()
	s, err := github.ParseService("https://github.example.com")
	require.NoError(t, err)
	return s
}

// sample builds a path from a template.
func sample(template string) string {
	segments := strings.Split(template, "/")
	for i, segment := range segments {
		if !strings.HasPrefix(segment, "{") {
			continue
		}
		name, kind, _ := strings.Cut(strings.Trim(segment, "{}"), ":")
		switch {
		case kind == "int":
			segments[i] = "42"
		case kind == "many":
			segments[i] = "some/thing"
		case kind == "range":
			segments[i] = "main...feature/some"
		case kind != "":
			segments[i], _, _ = strings.Cut(kind, "|")
		case name == "owner" || name == "template_owner" || name == "org" || name == "username":
			segments[i] = "Acme"
		case name == "repo" || name == "template_repo":
			segments[i] = "Web.app"
		default:
			segments[i] = "sample-" + strings.ReplaceAll(name, "_", "-")
		}
	}
	return strings.Join(segments, "/")
}

// requests are the ways a route can be asked for, by service.
func requests(t testing.TB, r github.Route) map[github.Service]github.Request {
	t.Helper()
	path, dotcom, ghes := sample(r.Path), github.DotCom(), server(t)
	all := map[github.Service]github.Request{}
	public := strings.ContainsAny(r.Products, "cd")
	private := strings.Contains(r.Products, "s")
	switch r.Surface {
	case "uploads":
		all[dotcom] = github.Request{Method: r.Method, Host: "uploads.github.com", Path: path}
		all[ghes] = github.Request{Method: r.Method, Host: "github.example.com", Path: "/api/uploads" + path}
	case "manage":
		all[ghes] = github.Request{Method: r.Method, Host: "github.example.com", Path: path}
	default:
		if public {
			all[dotcom] = github.Request{Method: r.Method, Host: "api.github.com", Path: path}
		}
		if private {
			all[ghes] = github.Request{Method: r.Method, Host: "github.example.com", Path: "/api/v3" + path}
		}
	}
	return all
}

func TestEveryOperationResolvesToItsOwnName(t *testing.T) {
	t.Parallel()
	routes := github.Routes()
	require.Greater(t, len(routes), 1500)
	asked, exact := 0, 0
	for _, r := range routes {
		for service, request := range requests(t, r) {
			asked++
			o, err := service.Resolve(request)
			if assert.NoError(t, err, "%s %s", request.Method, request.Path) && assert.Equal(t, r.Operation.Name, o.Name, request.Path) {
				exact++
			}
			if strings.Contains(r.Path, "{owner}/{repo}") {
				assert.Equal(t, "acme/web.app", o.Repo, request.Path)
				assert.Equal(t, "acme", o.Owner, request.Path)
			} else if strings.Contains(r.Path, "{org}") || strings.Contains(r.Path, "{username}") {
				assert.Equal(t, "acme", o.Owner, request.Path)
			}
		}
	}
	t.Logf("%d of %d requests of %d operations have their exact name (%.1f%%)", exact, asked, len(routes), 100*float64(exact)/float64(asked))
}

// The published descriptions say how many operations they hold; the table has them all.
func TestTableHoldsWholeDescriptions(t *testing.T) {
	t.Parallel()
	assert.Contains(t, github.Sources(), "@octokit/openapi 23.0.2")
	assert.Contains(t, github.Sources(), "openapi api.github.com 1223 operations")
	count := 0
	for _, r := range github.Routes() {
		if strings.Contains(r.Products, "d") {
			count++
		}
	}
	assert.Equal(t, 1223, count)
}

// Every operation has an unambiguous access; those an installation token may call have a
// permission, but for the ones listed here.
func TestPermissionCoverage(t *testing.T) {
	t.Parallel()
	installation, permitted, settled := 0, 0, 0
	lacking := map[string][]string{}
	for _, r := range github.Routes() {
		assert.NotZero(t, r.Operation.Access, r.Path)
		if !r.Operation.InstallationToken {
			assert.Empty(t, r.Operation.Permissions, r.Path)
			continue
		}
		installation++
		if len(r.Operation.Permissions) == 0 {
			category, name, _ := strings.Cut(r.Operation.Name, "/")
			lacking[category] = append(lacking[category], name)
			continue
		}
		permitted++
		if r.Operation.Settled {
			settled++
		}
	}
	t.Logf("%d operations take an installation token; %d of them (%.1f%%) have a permission, %d settled",
		installation, permitted, 100*float64(permitted)/float64(installation), settled)
	for _, category := range slices.Sorted(maps.Keys(lacking)) {
		t.Logf("no permission known: %s: %s", category, strings.Join(lacking[category], " "))
	}
	assert.Greater(t, float64(permitted)/float64(installation), 0.92)
}

func TestNamesAreUniqueAndSorted(t *testing.T) {
	t.Parallel()
	names := github.Names()
	assert.True(t, slices.IsSorted(names))
	assert.Equal(t, names, slices.Compact(slices.Clone(names)))
	for _, want := range []string{"pulls/create", "git/push", "git/lfs-upload", "graphql/mutation.createIssue", "graphql/query.repository"} {
		assert.Contains(t, names, want)
	}
}
