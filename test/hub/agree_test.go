package hub_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	github "sallyport/services/github/api"
	"sallyport/test/hub"
)

// What the product names, GitHub does: two readings of one path, written apart and
// from the same descriptions, agree on the operation and on the repository. Where
// they could differ, the product must have no name.
func FuzzOneMeaning(f *testing.F) {
	h, err := hub.NewReader()
	require.NoError(f, err)
	for i, line := range h.Templates() {
		if method, path, _ := strings.Cut(line, " "); i%8 == 0 {
			f.Add(method, fill(path, "1"))
			f.Add(method, fill(path, []string{"main", "a%2Fb", "x...y", "Public-Key"}[i/8%4]))
		}
	}
	for _, path := range []string{
		"/repositories/1296001", "/repositories/1296001/pulls", "/repos/acme/web/contents", "/repos/acme/web/contents/", "/repos/acme/web/tarball/", "/repos/acme/web/compare/a...b",
		"/repos/acme/web/branches/a/b/protection", "/repos/acme/web/git/ref/heads/a%2Fb", "/repos/acme/web/../api", "//repos/acme/web", "/repos/acme/web/labels/a%20b",
	} {
		f.Add("GET", path)
		f.Add("DELETE", path)
	}
	f.Fuzz(func(t *testing.T, method, path string) {
		o, err := github.DotCom().Resolve(github.Request{Method: method, Host: "api.github.com", Path: path})
		if err != nil || o.Body != github.NoBody {
			return
		}
		name, repository := h.Means(method, path)
		if o.Name == "repos/compare-commits" { // GitHub's descriptions hold it under two names
			o.Name = "repos/compare-commits-with-basehead"
		}
		assert.Equal(t, name, o.Name, "%s %s", method, path)
		assert.Equal(t, repository, o.Repo, "%s %s", method, path)
	})
}

// fill writes a value for each parameter of a template.
func fill(template, value string) string {
	segments := strings.Split(template, "/")
	for i, s := range segments {
		switch {
		case s == "{owner}" || s == "{org}" || s == "{username}":
			segments[i] = "acme"
		case s == "{repo}":
			segments[i] = "web"
		case strings.HasPrefix(s, "{"):
			segments[i] = value
		}
	}
	return strings.Join(segments, "/")
}

// Every operation of the descriptions has one meaning, too.
func TestOneMeaning(t *testing.T) {
	t.Parallel()
	h, err := hub.NewReader()
	require.NoError(t, err)
	named := 0
	for _, line := range h.Templates() {
		method, path, _ := strings.Cut(line, " ")
		for _, value := range []string{"1", "main"} {
			o, err := github.DotCom().Resolve(github.Request{Method: method, Host: "api.github.com", Path: fill(path, value)})
			if err != nil {
				continue // a closed list, or a number, that the value is not in
			}
			named++
			name, _ := h.Means(method, fill(path, value))
			if o.Name != "repos/compare-commits" && o.Name != "repos/compare-commits-with-basehead" {
				assert.Equal(t, name, o.Name, line)
			}
		}
	}
	require.Greater(t, named, 1200)
}
