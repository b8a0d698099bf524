package policy_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/yamldoc"
	"sallyport/policy"
)

// probes are asked of every policy that the fuzzer makes.
var probes = []string{
	"GET https://a.example/", "POST https://a.example/v1/x?state=open", "DELETE https://b.a.example:8443//v1/x%2Fy?a;b",
	"GET http://a.example/", "GET http://a.example:443/.env", "WEBSOCKET https://192.0.2.1/feed", "GET https://[2001:db8::1]/",
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/bad/*.yaml"} {
		files, err := filepath.Glob(pattern)
		require.NoError(f, err)
		for _, file := range files {
			data, err := os.ReadFile(file)
			require.NoError(f, err)
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := policy.Parse("-", data)
		if err != nil {
			require.Nil(t, p)
			checkErrors(t, err)
			return
		}
		again, err := policy.Parse("-", slices.Clone(data))
		require.NoError(t, err)
		require.Equal(t, p.Hash(), again.Hash())
		require.Equal(t, p.RunTests(), again.RunTests())
		require.Equal(t, p.Warnings(), again.Warnings())
		for _, use := range p.CredentialUses() {
			require.NotEmpty(t, use.Hosts, "a credential without hosts")
			require.Equal(t, "https", use.Scheme)
		}
		for _, probe := range probes {
			q := query(t, probe)
			d := p.Decide(q)
			require.Equal(t, d, again.Decide(q))
			require.Equal(t, d, p.Explain(q).Decision, "the index and the rules one by one agree")
			checkDecision(t, q, d)
		}
	})
}

func checkErrors(t *testing.T, err error) {
	t.Helper()
	var list yamldoc.Errors
	require.ErrorAs(t, err, &list)
	require.NotEmpty(t, list)
	for i, e := range list {
		require.Positive(t, e.Line)
		require.NotEmpty(t, e.Msg)
		require.NotContains(t, e.Error(), "\n", "one line for each error")
		require.True(t, i == 0 || list[i-1].Line <= e.Line, "in the order of the file")
	}
}

func checkDecision(t *testing.T, q policy.Query, d policy.Decision) {
	t.Helper()
	require.NotEmpty(t, d.Reason)
	require.True(t, d.Effect == policy.Deny || d.Rule != "", "only a rule grants")
	require.True(t, d.Credential == "" || q.Scheme == "https", "no credential in clear text")
	require.True(t, d.Credential == "" || !d.AgentAuth)
	require.True(t, d.Effect != policy.Deny || d.Credential == "" && !d.AgentAuth && !d.Cookies, "a denial carries nothing")
}

// FuzzDecide builds policies around one match and checks how effects combine.
func FuzzDecide(f *testing.F) {
	f.Add("a.example", "/v1/**", "GET", "state", "open", "GET", "https://a.example/v1/x?state=open")
	f.Add("*.example", "/**/.env", "", "", "", "post", "https://b.example//x%2F.env")
	f.Add("*:*", "", "WEBSOCKET", "q", "a b", "WEBSOCKET", "http://b.example:81/?q=a+b&q=%zz")
	f.Add("", "/a*b*c", "PUT", "q", "", "put", "https://192.0.2.1/abc?q=1;q=2")
	f.Fuzz(func(t *testing.T, host, path, method, key, value, sentMethod, sentURL string) {
		q, err := policy.ParseRequest("GET", sentURL)
		if err != nil || sentMethod == "" {
			return
		}
		q.Method = sentMethod
		match := matchText(host, path, method, key, value)
		decide := func(effects ...string) policy.Decision {
			p, err := policy.Parse("-", []byte(policyText(match, effects)))
			if err != nil {
				checkErrors(t, err)
				t.Skip()
			}
			d := p.Decide(q)
			checkDecision(t, q, d)
			require.Equal(t, d, p.Explain(q).Decision)
			return d
		}
		require.Equal(t, policy.Deny, decide().Effect, "no rule, no way out")
		alone := decide("allow")
		asked := decide("ask")
		denied := decide("deny")
		require.NotEqual(t, policy.Allow, asked.Effect)
		require.Equal(t, policy.Deny, denied.Effect)
		if alone.Effect == policy.Allow {
			assert.Equal(t, policy.Ask, asked.Effect, "ask means what allow means")
			assert.Equal(t, "r0", denied.Rule, "deny covers what allow means")
		}
		for _, order := range [][]string{{"deny", "ask", "allow"}, {"allow", "ask", "deny"}, {"allow", "allow", "deny"}, {"ask", "deny"}} {
			assert.Equal(t, policy.Deny, decide(order...).Effect, "deny beats all: %v", order)
		}
		assert.Equal(t, decide("allow", "ask").Effect, decide("ask", "allow").Effect, "the order does not matter")
		assert.NotEqual(t, policy.Allow, decide("allow", "ask").Effect, "ask beats allow")
		assert.Equal(t, alone, decide("allow", "allow"), "the first of equals decides")
	})
}

func matchText(host, path, method, key, value string) string {
	var parts []string
	if host != "" {
		parts = append(parts, fmt.Sprintf("host: %q", host))
	}
	if path != "" {
		parts = append(parts, fmt.Sprintf("path: %q", path))
	}
	if method != "" {
		parts = append(parts, fmt.Sprintf("methods: [%q]", method))
	}
	if key != "" {
		parts = append(parts, fmt.Sprintf("query: {%q: [%q]}", key, value))
	}
	return strings.Join(parts, ", ")
}

func policyText(match string, effects []string) string {
	text := "policy: fuzz\nrules: []\n"
	if len(effects) > 0 {
		text = "policy: fuzz\nrules:\n"
	}
	for i, effect := range effects {
		text += fmt.Sprintf("  - {name: r%d, %s: {%s}}\n", i, effect, match)
	}
	return text
}

// FuzzPath compares ParsePath and path patterns with a plain and slow reading of
// the same rules.
func FuzzPath(f *testing.F) {
	for _, pattern := range []string{"/", "/**", "/v1/**", "/**/a*b/**/c", "/a%2Fb/*", "/%2A*%2A", "/a//b", "/*/"} {
		for _, path := range []string{"/", "/v1/x", "/x/aXb/y/c", "/a%2fb/c", "/*x%2A", "//", "/a/../b", "/%2e", "/a;b", "/%00", "/x/"} {
			f.Add(pattern, path)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, sent string) {
		path, err := policy.ParsePath(sent)
		if err != nil {
			require.Zero(t, path)
			return
		}
		require.Equal(t, sent, path.String())
		segments := decodeSegments(t, sent)
		for _, s := range segments {
			for part := range strings.SplitSeq(s, "/") {
				require.NotContains(t, []string{".", ".."}, part, "a dot segment in %q", sent)
			}
			require.NotContains(t, s, "\\")
			require.NotContains(t, s, "\x00")
		}
		if len(pattern) > 30 || len(sent) > 60 {
			return // the reference is exponential
		}
		p, err := policy.Parse("-", []byte(policyText(fmt.Sprintf("host: a.example, path: %q", pattern), []string{"allow"})))
		if err != nil {
			checkErrors(t, err)
			return
		}
		q := query(t, "GET https://a.example/")
		q.Path = path
		got := p.Decide(q).Effect == policy.Allow
		require.Equal(t, matchSegments(t, strings.Split(pattern[1:], "/"), segments), got, "%q on %q", pattern, sent)
	})
}

// FuzzDenyReadings: what is denied stays denied, however a path that lenient servers
// take for the same is written.
func FuzzDenyReadings(f *testing.F) {
	for _, pattern := range []string{"/", "/**/.env", "/admin/**", "/v1/", "/a/*/b", "/a*c/**/d", "/a/b%2Fc/d", "/a/b%2F*/**"} {
		for _, path := range []string{"/", "/.env", "/x/.env", "/admin/x", "/v1/", "/a/x/b", "/abc/x/d", "/a/b%2Fc/d", "/a/b%2Fc/b"} {
			f.Add(pattern, path, []byte{1, 2, 3, 4, 5, 6, 7})
		}
	}
	f.Fuzz(func(t *testing.T, pattern, sent string, disguise []byte) {
		if len(pattern) > 30 || len(sent) > 60 || len(disguise) == 0 || strings.ContainsAny(strings.ReplaceAll(sent, "%2F", ""), ";%") || strings.Contains(sent, "//") {
			return
		}
		p, err := policy.Parse("-", []byte(policyText(fmt.Sprintf("host: a.example, path: %q", pattern), []string{"deny"})))
		if err != nil {
			return
		}
		q := query(t, "GET https://a.example/")
		if q.Path, err = policy.ParsePath(sent); err != nil || p.Decide(q).Rule == "" {
			return
		}
		segments := strings.Split(sent[1:], "/")
		disguised := ""
		for i, s := range segments {
			if strings.TrimRight(s, ". ") != s || strings.HasPrefix(s, "%2F") || strings.HasSuffix(s, "%2F") {
				return
			}
			if s != "" {
				s += []string{"", ".", "%20", ";x", ";", "%3B", ".;x=1"}[int(disguise[i%len(disguise)])%7]
			}
			disguised += []string{"/", "//", "/;/", "///"}[int(disguise[(i+1)%len(disguise)])%4] + s
		}
		disguised += []string{"", "/", "//", "%2F"}[int(disguise[0])%4]
		q.Path, err = policy.ParsePath(disguised)
		require.NoError(t, err, disguised)
		require.NotEmpty(t, p.Decide(q).Rule, "%q denies %q, and not %q", pattern, sent, disguised)
	})
}

func decodeSegments(t *testing.T, sent string) []string {
	t.Helper()
	segments := strings.Split(sent[1:], "/")
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		require.NoError(t, err)
		segments[i] = decoded
	}
	return segments
}

// matchSegments is the definition: ** stands for zero or more segments.
func matchSegments(t *testing.T, pattern, path []string) bool {
	t.Helper()
	if len(pattern) == 0 {
		return len(path) == 0
	}
	if pattern[0] == "**" {
		return matchSegments(t, pattern[1:], path) || len(path) > 0 && matchSegments(t, pattern, path[1:])
	}
	return len(path) > 0 && matchSegment(t, pattern[0], path[0]) && matchSegments(t, pattern[1:], path[1:])
}

// matchSegment is the definition: * stands for any text, a lone * for any
// segment that is not empty.
func matchSegment(t *testing.T, pattern, segment string) bool {
	t.Helper()
	if pattern == "*" {
		return segment != ""
	}
	part, rest, more := strings.Cut(pattern, "*")
	part, err := url.PathUnescape(part)
	require.NoError(t, err)
	if !more {
		return segment == part
	}
	segment, ok := strings.CutPrefix(segment, part)
	if !ok {
		return false
	}
	if rest == "*" || rest == "" {
		return true
	}
	for i := 0; i <= len(segment); i++ {
		if matchTail(t, rest, segment[i:]) {
			return true
		}
	}
	return false
}

func matchTail(t *testing.T, pattern, segment string) bool {
	t.Helper()
	if pattern == "" || pattern == "*" {
		return pattern == "*" || segment == ""
	}
	return matchSegment(t, pattern, segment)
}
