package api_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	github "sallyport/services/github/api"
)

// Each of these is a way to say one thing to the proxy and another to GitHub. None may
// get a name.
func TestBypassAttemptsHaveNoName(t *testing.T) {
	t.Parallel()
	const api, web, raw = "api.github.com", "github.com", "raw.githubusercontent.com"
	for name, c := range map[string]struct {
		method, host, path, query string
		reason                    github.Reason
	}{
		"numeric alias":                {"DELETE", api, "/repositories/1296269", "", github.ReasonNumericAlias},
		"numeric alias, deeper":        {"POST", api, "/repositories/1296269/pulls", "", github.ReasonNumericAlias},
		"upper-case fixed segment":     {"GET", api, "/REPOS/acme/web", "", github.ReasonUnknown},
		"almost a fixed segment":       {"GET", api, "/gists/Public", "", github.ReasonPath},
		"almost a literal, secrets":    {"GET", api, "/repos/acme/web/actions/secrets/Public-Key", "", github.ReasonPath},
		"encoded letter":               {"DELETE", api, "/repos/acme/w%65b", "", github.ReasonPath},
		"encoded fixed segment":        {"GET", api, "/r%65pos/acme/web", "", github.ReasonPath},
		"encoded slash in owner":       {"GET", api, "/repos/acme%2Fweb", "", github.ReasonUnknown},
		"encoded slash in repo":        {"GET", api, "/repos/acme/web%2Fpulls", "", github.ReasonName},
		"encoded slash, two names":     {"GET", api, "/repos/acme/web/branches/main%2Fprotection", "", github.ReasonPath},
		"encoded slash, gist":          {"GET", api, "/gists/aa5a315d61ae9438b18d%2Fcomments", "", github.ReasonPath},
		"dot segment":                  {"GET", api, "/repos/acme/web/../other", "", github.ReasonPath},
		"dot segment in contents":      {"GET", api, "/repos/acme/web/contents/../../other/contents/x", "", github.ReasonPath},
		"encoded dot segment":          {"GET", api, "/repos/acme/web/contents/%2e%2e/x", "", github.ReasonPath},
		"dots behind encoded slash":    {"GET", api, "/repos/acme/web/contents/a%2F..%2F..%2Fx", "", github.ReasonPath},
		"encoded twice":                {"GET", api, "/repos/acme/web/contents/%252e%252e/x", "", github.ReasonPath},
		"single dot":                   {"GET", api, "/repos/./acme/web", "", github.ReasonPath},
		"empty segment":                {"GET", api, "/repos//acme/web", "", github.ReasonPath},
		"leading double slash":         {"GET", api, "//repos/acme/web", "", github.ReasonPath},
		"trailing slash":               {"DELETE", api, "/repos/acme/web/", "", github.ReasonPath},
		"trailing slash, many":         {"GET", api, "/repos/acme/web/contents/a/", "", github.ReasonPath},
		"two trailing slashes":         {"GET", api, "/repos/acme/web/contents//", "", github.ReasonPath},
		"short, but not read":          {"PUT", api, "/repos/acme/web/contents", "", github.ReasonUnknown},
		"backslash":                    {"GET", api, `/repos/acme\web`, "", github.ReasonPath},
		"encoded backslash":            {"GET", api, "/repos/acme/web/contents/a%5C..%5Cb", "", github.ReasonPath},
		"encoded NUL":                  {"GET", api, "/repos/acme/web/contents/a%00b", "", github.ReasonPath},
		"encoded newline":              {"GET", api, "/repos/acme/web/contents/a%0Ab", "", github.ReasonPath},
		"invalid escape":               {"GET", api, "/repos/acme/web/contents/a%zz", "", github.ReasonPath},
		"not UTF-8":                    {"GET", api, "/repos/acme/web/contents/a%FF", "", github.ReasonPath},
		"raw non-ASCII":                {"GET", api, "/repos/acme/w\u00e9b", "", github.ReasonPath},
		"no leading slash":             {"GET", api, "repos/acme/web", "", github.ReasonPath},
		"empty path":                   {"GET", api, "", "", github.ReasonPath},
		".git in the API":              {"DELETE", api, "/repos/acme/web.git", "", github.ReasonName},
		".GIT in the API":              {"DELETE", api, "/repos/acme/web.GIT", "", github.ReasonName},
		"path parameter":               {"DELETE", api, "/repos/acme/web;x=1", "", github.ReasonName},
		"repo called ..":               {"GET", api, "/repos/acme/%2e%2e", "", github.ReasonPath},
		"_method":                      {"GET", api, "/repos/acme/web", "_method=DELETE", github.ReasonQuery},
		"_method, later":               {"POST", api, "/repos/acme/web/issues", "a=1&_method=DELETE", github.ReasonQuery},
		"_method, after semicolon":     {"POST", api, "/repos/acme/web/issues", "a=1;_method=DELETE", github.ReasonQuery},
		"_method, encoded":             {"POST", api, "/repos/acme/web/issues", "%5Fmethod=DELETE", github.ReasonQuery},
		"_method, case":                {"POST", api, "/repos/acme/web/issues", "_METHOD=DELETE", github.ReasonQuery},
		"lower-case method":            {"delete", api, "/repos/acme/web", "", github.ReasonUnknown},
		"odd method":                   {"PURGE", api, "/repos/acme/web", "", github.ReasonUnknown},
		"POST for PATCH":               {"POST", api, "/repos/acme/web/issues/1", "", github.ReasonUnknown},
		"number that is none":          {"GET", api, "/repos/acme/web/issues/1e3", "", github.ReasonUnknown},
		"closed list":                  {"POST", api, "/orgs/acme/everything/enable_all", "", github.ReasonUnknown},
		"GraphQL by GET":               {"GET", api, "/graphql", "query={viewer{login}}", github.ReasonUnknown},
		"GraphQL with a query":         {"POST", api, "/graphql", "query=mutation", github.ReasonUnknown},
		"GraphQL, trailing slash":      {"POST", api, "/graphql/", "", github.ReasonPath},
		"asset on the API host":        {"POST", api, "/repos/acme/web/releases/1/assets", "name=x", github.ReasonUnknown},
		"API on the upload host":       {"DELETE", "uploads.github.com", "/repos/acme/web", "", github.ReasonUnknown},
		"API on the web host":          {"GET", web, "/api/v3/repos/acme/web", "", github.ReasonUnknown},
		"page of the web site":         {"POST", web, "/acme/web/settings/delete", "", github.ReasonUnknown},
		"two services":                 {"GET", web, "/acme/web/info/refs", "service=git-upload-pack&service=git-receive-pack", github.ReasonQuery},
		"service, encoded":             {"GET", web, "/acme/web/info/refs", "service=git%2Dreceive-pack", github.ReasonQuery},
		"service, case":                {"GET", web, "/acme/web/info/refs", "service=git-Receive-Pack", github.ReasonQuery},
		"dumb protocol":                {"GET", web, "/acme/web.git/info/refs", "", github.ReasonQuery},
		"dumb protocol, objects":       {"GET", web, "/acme/web.git/objects/info/packs", "", github.ReasonUnknown},
		".git twice":                   {"POST", web, "/acme/web.git.git/git-receive-pack", "", github.ReasonName},
		".GIT":                         {"POST", web, "/acme/web.GIT/git-receive-pack", "", github.ReasonName},
		"push with a query":            {"POST", web, "/acme/web.git/git-receive-pack", "x=1", github.ReasonUnknown},
		"push by GET":                  {"GET", web, "/acme/web.git/git-receive-pack", "", github.ReasonUnknown},
		"push, trailing slash":         {"POST", web, "/acme/web.git/git-receive-pack/", "", github.ReasonPath},
		"push, case":                   {"POST", web, "/acme/web.git/git-Receive-pack", "", github.ReasonUnknown},
		"push, encoded":                {"POST", web, "/acme/web.git/git-receive%2Dpack", "", github.ReasonPath},
		"push, one segment too many":   {"POST", web, "/acme/web.git/x/git-receive-pack", "", github.ReasonUnknown},
		"push, no owner":               {"POST", web, "/web.git/git-receive-pack", "", github.ReasonUnknown},
		"LFS, case":                    {"POST", web, "/acme/web.git/info/LFS/objects/batch", "", github.ReasonUnknown},
		"LFS, legacy":                  {"POST", web, "/acme/web.git/info/lfs/objects", "", github.ReasonUnknown},
		"LFS unlock of no number":      {"POST", web, "/acme/web.git/info/lfs/locks/x/unlock", "", github.ReasonUnknown},
		"LFS confirmation by GET":      {"GET", "lfs.github.com", "/acme/web/verify", "", github.ReasonUnknown},
		"LFS confirmation of a number": {"POST", "lfs.github.com", "/1234/verify", "", github.ReasonUnknown},
		"raw with a token":             {"GET", raw, "/acme/web/main/x", "token=AAAA", github.ReasonQuery},
		"raw by POST":                  {"POST", raw, "/acme/web/main/x", "", github.ReasonUnknown},
		"gist host":                    {"GET", "gist.github.com", "/acme/1.git/info/refs", "service=git-upload-pack", github.ReasonHost},
		"registry":                     {"GET", "ghcr.io", "/v2/acme/web/manifests/latest", "", github.ReasonHost},
		"signed download, deleted":     {"DELETE", "codeload.github.com", "/acme/web/zip/main", "", github.ReasonUnknown},
		"not GitHub":                   {"GET", "api.github.com.example.org", "/meta", "", github.ReasonHost},
		"not GitHub, suffix":           {"GET", "notgithub.com", "/acme/web/info/refs", "", github.ReasonHost},
		"too long":                     {"GET", api, "/repos/acme/web/contents/" + strings.Repeat("a", 9000), "", github.ReasonTooLarge},
		"too many segments":            {"GET", api, "/repos/acme/web/contents" + strings.Repeat("/a", 300), "", github.ReasonTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, err := github.DotCom().Resolve(github.Request{Method: c.method, Host: c.host, Path: c.path, Query: c.query})
			assert.Equal(t, c.reason, reasonOf(t, err))
			assert.Zero(t, o)
		})
	}
}
