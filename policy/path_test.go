package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/policy"
)

func TestParsePathRefuses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                 "begin",
		"*":                "begin",
		"v1":               "begin",
		"https://a/":       "begin",
		"/.":               "dot segment",
		"/..":              "dot segment",
		"/a/../b":          "dot segment",
		"/a/./b":           "dot segment",
		"/a/..":            "dot segment",
		"/a/.":             "dot segment",
		"/a/%2e%2E/b":      "dot segment",
		"/a/.%2e":          "dot segment",
		"/a/%2e":           "dot segment",
		"/a%2F..%2Fb":      "dot segment",
		"/a%2f%2e%2e":      "dot segment",
		"/a/..;/b":         "dot segment",
		"/a/..;x=y/b":      "dot segment",
		"/a/%2e%2e%3b/b":   "dot segment",
		"/a/.;/b":          "dot segment",
		"/..//":            "dot segment",
		"/a%00b":           "NUL",
		"/%00":             "NUL",
		"/a%5Cb":           "backslash",
		"/a%5c..%5cb":      "backslash",
		`/a\b`:             "backslash",
		"/%":               "escape",
		"/%2":              "escape",
		"/%zz":             "escape",
		"/a%2":             "escape",
		"/%u002e":          "escape",
		"/a?b":             "ends a path",
		"/a#b":             "ends a path",
		"/a b":             "space",
		"/a/..%20/b":       "dot segment", // file systems drop the space
		"/a/.%20%20":       "dot segment",
		"/a/%c0%ae%c0%ae/": "overlong",
		"/a%c0%af..":       "overlong",
		"/a/%e0%80%ae":     "overlong",
		"/a/%f0%80%80%ae":  "overlong",
		"/\xc0\xae/a":      "overlong",
		"/a\tb":            "control",
		"/a\nb":            "control",
		"/a\x00b":          "control",
		"/a\x7fb":          "control",
		"/good/then/../up": "dot segment",
	} {
		path, err := policy.ParsePath(in)
		if assert.Error(t, err, "%q", in) {
			assert.Contains(t, err.Error(), want, "%q", in)
		}
		assert.Zero(t, path, "%q", in)
	}
}

func TestParsePathKeepsBytes(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"/", "//", "/a//b/", "/a%2Fb", "/a%20b", "/%61", "/...", "/..a", "/a..", "/.a/..b/c.", "/.well-known/x", "/é", "/%C3%A9", "/%ff",
		"/a;b=c", "/;..", "/a:b@c!$&'()*+,=", "/%252e%252e/x", "/{x}|\"<>^`", "/a..;/b",
	} {
		path, err := policy.ParsePath(in)
		if assert.NoError(t, err, "%q", in) {
			assert.Equal(t, in, path.String())
		}
	}
}

func TestPathMatching(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, matches, not string
	}{
		{"/", "/", "// /a"},
		{"/v1", "/v1 /%76%31", "/v1/ /v1/x /v11 /V1"},
		{"/v1/", "/v1/", "/v1 /v1/x"},
		{"/v1/**", "/v1 /v1/ /v1/a /v1/a/b /v1//", "/v11 /v2/v1 /"},
		{"/**", "/ // /a /a/b/c", ""},
		{"/**/.env", "/.env /a/.env /a/b/.env //.env", "/.env/ /a.env /.envx"},
		{"/a/**/b", "/a/b /a/x/b /a/x/y/b /a/b/b", "/a /b /a/b/x /ab"},
		{"/a/**/b/**/c", "/a/b/c /a/x/b/y/c /a/b/b/c/c", "/a/c/b /a/b/x"},
		{"/**/a/**", "/a /x/a /a/x /x/a/y", "/x /xa"},
		{"/**/**/a", "/a /x/a", "/x"},
		{"/v1/*", "/v1/a /v1/a%2Fb /v1/*", "/v1 /v1/ /v1/a/b /v1/a/"},
		{"/v1/*/", "/v1/a/", "/v1/a /v1//"},
		{"/repos/*/*/pulls", "/repos/a/b/pulls", "/repos/a/pulls /repos/a/b/c/pulls /repos//b/pulls"},
		{"/a*", "/a /ab /a%2Fb", "/b /a/b"},
		{"/*a", "/a /ba", "/ab"},
		{"/a*c", "/ac /abc /abcc", "/a /c /abcd"},
		{"/a*b*c", "/abc /axbxc /abbc /abcbc", "/ac /acb /abcd"},
		{"/*a*", "/a /xax", "/b"},
		{"/aa*aa", "/aaaa /aaxaa", "/aaa"},
		{"/%2A", "/* /%2a", "/a"},
		{"/a%2Fb", "/a%2fb", "/a/b"},
		{"/a%20b", "/a%20b", "/a+b"},
		{"/é", "/é /%C3%A9", "/e"},
		{"/%41%2541", "/A%2541", "/AA /A%41"},
		{"/*.tar.gz", "/a.tar.gz /.tar.gz /.tar.tar.gz", "/a.tar /a.tar.gzx"},
	} {
		p := parse(t, "rules:\n  - {name: a, allow: {host: a.example, path: \""+c.pattern+"\"}}\n")
		for path := range strings.FieldsSeq(c.matches) {
			assert.Equal(t, policy.Allow, p.Decide(query(t, "GET https://a.example"+path)).Effect, "%s matches %s", c.pattern, path)
		}
		for path := range strings.FieldsSeq(c.not) {
			assert.Equal(t, policy.Deny, p.Decide(query(t, "GET https://a.example"+path)).Effect, "%s does not match %s", c.pattern, path)
		}
	}
}

// A deny rule also holds for the path that a lenient server makes of it.
func TestDenyReadsPathsLeniently(t *testing.T) {
	t.Parallel()
	p := parse(t, `
rules:
  - {name: all, allow: {host: a.example}}
  - {name: no-admin, deny: {host: a.example, path: /admin/**}}
`)
	for path, want := range map[string]policy.Effect{
		"/admin":       policy.Deny,
		"/admin/x":     policy.Deny,
		"//admin/x":    policy.Deny,
		"/%61dmin":     policy.Deny,
		"/admin%2Fx":   policy.Deny,
		"/%2Fadmin/x":  policy.Deny,
		"///admin//x":  policy.Deny,
		"/administer":  policy.Allow,
		"/x/admin":     policy.Allow,
		"/%2561dmin/x": policy.Allow, // decoded once, as promised
	} {
		assert.Equal(t, want, p.Decide(query(t, "GET https://a.example"+path)).Effect, path)
	}
}

// What servers leave out of a path does not pass a deny, and what an allow means does not
// grow by it.
func TestReadingsOfAPath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, doubtful, not string
	}{
		{
			"/**/.env",
			"/.env/ /a/.env/ /.env; /.env;x /.env;x=1;y/ /a;x/.env /.env%3Bx /.env%3b /.env%2F /.env%2F%2F /.env. /.env%20 /.env..;x/ /.env;%2Fx /;x/.env /a//.env// /.env;x%2F",
			"/.envx /.env/x /.ENV /a.env /.env;x/y /.env.x",
		},
		{"/admin/**", "/admin;x /admin;x/y /;/admin/y //admin/ /admin./y /admin%20/y", "/administer /x;/y /x/admin"},
		{"/v1/", "/v1 /v1;x/ /v1;x //v1", "/v1/x /v2/"},
		{"/a/*/b", "/a/x/b/ /a/x;y/b /a//x/b /a;/x./b.", "/a//b /a/b"},
		{"/", "// /;x /%2F /%2F;x", "/x /x/"},
		{"/a;x", "/a;x/ /a%3Bx/", "/a /a;y"},
		{"/a.", "/a./", "/a /a%20"},
		{
			"/p/acme%2Fweb/hooks",
			"/p/acme%2Fweb/hooks/ //p/acme%2Fweb/hooks /p//acme%2fweb//hooks /p/acme%2Fweb/hooks;x /p;x/acme%2Fweb/hooks /p/acme%2Fweb;y/hooks%20 /p/acme%2Fweb/hooks. " +
				"/p/acme;x%2Fweb/hooks /p/acme%2F%2Fweb/hooks /p/acme%2Fweb/hooks%2F /p/%2Facme%2Fweb/hooks /p/acme%2Fweb%2F/hooks /p/acme%2Fweb%2Fhooks /p%2Facme%2Fweb/hooks",
			"/p/acme%2Fweb/hook /p/acme/web/hooks /p/acme%2Fweb/x/hooks /p/acme%2Fwebs/hooks/ /p/acme%252Fweb/hooks/",
		},
		{"/p/acme%2Fweb/variables/**", "/p//acme%2Fweb/variables/X /p/acme%2Fweb/variables;x/X /p/acme%2Fweb/variables%20 /p/acme%2Fweb/variables/", "/p/acme%2Fweb/other/X"},
		{"/p/*/hooks", "/p/acme%2Fweb/hooks/ //p/acme%2Fweb/hooks /p/acme%2Fweb/hooks;x /p/acme%2Fweb/hooks%20 /p/acme%2Fweb/hooks%2F", "/p/acme/web/hooks /p/acme%2Fweb/x"},
		{"/p/acme%2F*/hooks", "/p/acme%2Fa%2Fb/hooks/ /p//acme%2Fa/hooks", "/p/other%2Fa/hooks/"},
		{"/a%2F", "/a%2F/ /a%2F%2F", "/a /a/x"},
		{"/**/secret", "/a/secret/ /secret;v=1", "/secrets/ /a/secretly;"},
	} {
		denies := parse(t, "rules:\n  - {name: all, allow: {host: a.example}}\n  - {name: no, deny: {host: a.example, path: \""+c.pattern+"\"}}\n")
		asks := parse(t, "rules:\n  - {name: all, allow: {host: a.example}}\n  - {name: first, ask: {host: a.example, path: \""+c.pattern+"\"}}\n")
		allows := parse(t, "rules:\n  - {name: one, allow: {host: a.example, path: \""+c.pattern+"\"}}\n")
		for path := range strings.FieldsSeq(c.doubtful) {
			q := query(t, "GET https://a.example"+path)
			assert.Equal(t, policy.Deny, denies.Decide(q).Effect, "%s on %s", c.pattern, path)
			assert.Equal(t, policy.Ask, asks.Decide(q).Effect, "%s on %s", c.pattern, path)
			if allows.Decide(q).Effect == policy.Allow { // as it was sent, which needs no doubt
				assert.Equal(t, "decides", denies.Explain(q).Rules[1].Why, "%s on %s", c.pattern, path)
				continue
			}
			assert.Contains(t, denies.Explain(q).Rules[1].Why, "decides, to be careful: path "+c.pattern+" matches "+path+" only if ")
			assert.Contains(t, allows.Explain(q).Rules[0].Why, " only if ")
		}
		for path := range strings.FieldsSeq(c.not) {
			q := query(t, "GET https://a.example"+path)
			assert.Equal(t, policy.Allow, denies.Decide(q).Effect, "%s on %s", c.pattern, path)
			assert.Equal(t, policy.Allow, asks.Decide(q).Effect, "%s on %s", c.pattern, path)
		}
	}
}

func TestReadingsAreExplained(t *testing.T) {
	t.Parallel()
	p := parse(t, "rules:\n  - {name: hidden, deny: {path: \"/**/.env\"}}\n  - {name: folder, deny: {path: /v1/}}\n  - {name: any-case, deny: {path: /Admin, case: ignore}}\n")
	for path, want := range map[string]string{
		"/.env/":    "only if a slash at its end is left out",
		"//.env/":   "only if slashes are merged or decoded",
		"/a%2F.env": "only if slashes are merged or decoded",
		"/.env;x":   "only if what follows a ; in a segment is left out",
		"/.env.":    "only if dots and spaces at the end of a segment are left out",
		"/v1":       "only if a slash at the end counts for nothing",
		"/aDMIN;x":  "only if what follows a ; in a segment is left out",
	} {
		e := p.Explain(query(t, "GET https://a.example"+path))
		var why []string
		for _, r := range e.Rules {
			if r.Decides {
				why = append(why, r.Why)
			}
		}
		require.Len(t, why, 1, path)
		assert.Contains(t, why[0], want, path)
	}
}

func TestCaseIsIgnoredWhereADenyOrAskSaysSo(t *testing.T) {
	t.Parallel()
	p := parse(t, `
rules:
  - {name: all, allow: {host: a.example}}
  - {name: minds, deny: {host: a.example, path: /Exact/**}}
  - {name: ignores, deny: {host: a.example, path: "/**/.Env*", case: ignore}}
  - {name: asks, ask: {host: a.example, path: /%C3%89t%C3%A9, case: ignore}}
`)
	for path, want := range map[string]string{
		"/Exact/x": "minds", "/exact/x": "all",
		"/.env": "ignores", "/a/.ENV.local": "ignores", "/.eNv;x/": "ignores", "/env": "all",
		"/%C3%A9T%C3%89": "asks",
	} {
		assert.Equal(t, want, p.Decide(query(t, "GET https://a.example"+path)).Rule, path)
	}
}

// Patterns made to backtrack stay within the product of the lengths.
func TestPathMatchingIsBounded(t *testing.T) {
	t.Parallel()
	patterns := []string{
		"/" + strings.Repeat("a*", 500) + "b",
		strings.Repeat("/**/a", 500) + "/b",
		strings.Repeat("/**/*a*", 400) + "/b",
	}
	paths := []string{"/" + strings.Repeat("a", 60_000), strings.Repeat("/a", 30_000)}
	for _, pattern := range patterns {
		p := parse(t, "rules:\n  - {name: a, deny: {path: \""+pattern+"\"}}\n")
		for _, path := range paths {
			parsed, err := policy.ParsePath(path)
			require.NoError(t, err)
			q := query(t, "GET https://a.example/")
			q.Path = parsed
			start := time.Now()
			assert.Empty(t, p.Decide(q).Rule)
			assert.Less(t, time.Since(start), 5*time.Second, "%.20s on %.20s", pattern, path)
		}
	}
}
