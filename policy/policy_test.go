package policy_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/host"
	"sallyport/internal/yamldoc"
	"sallyport/policy"
)

// Each bad file begins with the errors that it must give, all of them.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			var want []string
			for line := range strings.Lines(string(data)) {
				if text, ok := strings.CutPrefix(line, "# error: "); ok {
					want = append(want, strings.TrimSpace(text))
				}
			}
			require.NotEmpty(t, want, "the file must state its error")

			p, err := policy.Parse(filepath.Base(file), data)
			require.Error(t, err)
			assert.Nil(t, p)
			assert.Equal(t, want, strings.Split(err.Error(), "\n"))
			var list yamldoc.Errors
			require.ErrorAs(t, err, &list)
			for _, e := range list {
				assert.Equal(t, filepath.Base(file), e.File)
				assert.Positive(t, e.Line)
			}
		})
	}
}

// Each good file is accepted and passes its own tests.
func TestGoodFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/good/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			p, err := policy.Parse(file, data)
			require.NoError(t, err)
			for _, failure := range p.RunTests() {
				assert.Fail(t, failure.String())
			}
			sum := sha256.Sum256(data)
			assert.Equal(t, hex.EncodeToString(sum[:]), p.Hash())
			assert.Equal(t, strings.TrimSuffix(filepath.Base(file), ".yaml"), p.Name())
		})
	}
}

func TestDecisionCarriesWhatTheRuleSays(t *testing.T) {
	t.Parallel()
	p := load(t, "effects")
	for request, want := range map[string]policy.Decision{
		"GET https://a.example/": {
			Effect: policy.Allow, Rule: "first", Reason: "rule first allows this request",
		},
		"GET https://own.example/": {
			Effect: policy.Allow, Rule: "own-key", AgentAuth: true, Reason: "rule own-key allows this request",
		},
		"GET https://session.example/": {
			Effect: policy.Allow, Rule: "session", Credential: "key", Cookies: true, Reason: "rule session allows this request",
		},
		"POST https://a.example/deploy": {
			Effect: policy.Ask, Rule: "deploy", Credential: "key",
			Reason: "rule deploy asks a person for approval of this request, and an approval is needed before it may go out: a person looks at every deployment",
		},
		"DELETE https://a.example/": {
			Effect: policy.Deny, Rule: "no-delete", Reason: "rule no-delete denies this request",
		},
		"GET https://other.example/": {
			Effect: policy.Deny, Reason: "no rule of policy effects allows this request",
		},
	} {
		assert.Equal(t, want, p.Decide(query(t, request)), request)
	}
}

// Servers exist that take method names in any case. A restriction holds for
// them, a permission does not extend to them.
func TestMethodThatServersReadAsAnother(t *testing.T) {
	t.Parallel()
	p := parse(t, `
rules:
  - {name: read, allow: {host: a.example, methods: [GET]}}
  - {name: all, allow: {host: b.example}}
  - {name: no-delete, deny: {host: b.example, methods: [DELETE]}}
  - {name: post, ask: {host: b.example, methods: [POST]}}
  - {name: no-get, deny: {host: b.example, methods: [GET], path: /feed}}
  - {name: only-ask, ask: {host: c.example, methods: [POST]}}
`)
	for request, want := range map[string]string{
		"GET https://a.example/":    "allow read",
		"get https://a.example/":    "deny ",
		"PATCH https://b.example/":  "allow all",
		"delete https://b.example/": "deny no-delete",
		"Post https://b.example/":   "ask post",
		"Post https://c.example/":   "deny ", // a doubt never grants, not even a question
		// The handshake is a GET, and a server may take it for no more.
		"WEBSOCKET https://a.example/":     "deny ",
		"WEBSOCKET https://b.example/":     "allow all",
		"WEBSOCKET https://b.example/feed": "deny no-get",
	} {
		method, url, _ := strings.Cut(request, " ")
		q := query(t, "GET "+url)
		q.Method = method
		d := p.Decide(q)
		assert.Equal(t, want, d.Effect.String()+" "+d.Rule, request)
		assert.Equal(t, d, p.Explain(q).Decision, request)
	}
}

func TestIncompleteQueriesAreDenied(t *testing.T) {
	t.Parallel()
	p := parse(t, "rules:\n  - {name: any, allow: {host: \"*:*\"}}\n  - {name: every, allow: {methods: [GET]}}\n")
	whole := query(t, "GET https://a.example/")
	require.Equal(t, policy.Allow, p.Decide(whole).Effect)
	for name, change := range map[string]func(*policy.Query){
		"no method":    func(q *policy.Query) { q.Method = "" },
		"no scheme":    func(q *policy.Query) { q.Scheme = "" },
		"other scheme": func(q *policy.Query) { q.Scheme = "HTTPS" },
		"no name":      func(q *policy.Query) { q.Authority.Name = host.Name{} },
		"no port":      func(q *policy.Query) { q.Authority.Port = 0 },
		"no path":      func(q *policy.Query) { q.Path = policy.Path{} },
		"nothing":      func(q *policy.Query) { *q = policy.Query{} },
	} {
		q := whole
		change(&q)
		d := p.Decide(q)
		assert.Equal(t, policy.Deny, d.Effect, name)
		assert.NotEmpty(t, d.Reason, name)
		assert.Equal(t, d, p.Explain(q).Decision, name)
	}
}

func TestNilPolicyDenies(t *testing.T) {
	t.Parallel()
	var p *policy.Policy
	q := query(t, "GET https://a.example/")
	d := p.Decide(q)
	assert.Equal(t, policy.Deny, d.Effect)
	assert.NotEmpty(t, d.Reason)
	assert.Equal(t, policy.Explanation{Decision: d}, p.Explain(q))
	assert.Equal(t, policy.Deny, policy.Decision{}.Effect, "the zero decision denies")
}

func TestCredentialUses(t *testing.T) {
	t.Parallel()
	p := parse(t, `
rules:
  - {name: plain, allow: {host: a.example}}
  - name: keyed
    allow: {host: "B.example:443"}
    credential: key
  - name: asked
    ask: {host: "*.example:*"}
    credential: other
`)
	assert.Equal(t, []policy.CredentialUse{
		{Rule: "keyed", Credential: "key", Line: 6, Hosts: []host.Pattern{pattern(t, "b.example")}, Scheme: "https"},
		{Rule: "asked", Credential: "other", Line: 9, Hosts: []host.Pattern{pattern(t, "*.example:*")}, Scheme: "https"},
	}, p.CredentialUses())
}

func TestDescription(t *testing.T) {
	t.Parallel()
	p := parse(t, "description: |\n  two\n  lines\nrules: []\n")
	assert.Equal(t, "two lines", p.Description())
}

func TestPortsAreThoseOfRulesThatLetSomethingOut(t *testing.T) {
	t.Parallel()
	p, err := policy.Parse("x.yaml", []byte(`policy: x
rules:
  - {name: a, allow: {host: "a.example:8443"}}
  - {name: b, ask: {host: "*.example:5000"}}
  - {name: c, allow: {host: "c.example:*"}}
  - {name: d, deny: {host: "d.example:22"}}
  - {name: e, allow: {host: e.example}}
  - {name: f, allow: {host: "f.example:5000"}}
`))
	require.NoError(t, err)
	assert.Equal(t, []uint16{5000, 8443}, p.Ports())
}

func TestFileNameIsOnlyCheckedForYAML(t *testing.T) {
	t.Parallel()
	data := []byte("policy: operator\nrules: []\n")
	_, err := policy.Parse("operator.yaml", append([]byte("\ufeff"), data...))
	assert.NoError(t, err, "a byte order mark is no error")
	for _, file := range []string{"operator.yaml", "operator.yml", "/etc/policies/operator.yaml", "-", "/dev/stdin"} {
		_, err := policy.Parse(file, data)
		assert.NoError(t, err, file)
	}
	_, err = policy.Parse("other.yml", data)
	assert.ErrorContains(t, err, "rename one of them")
}

func TestFailingTests(t *testing.T) {
	t.Parallel()
	p := parse(t, `
rules:
  - {name: a, allow: {host: a.example}}
  - {name: b, allow: {host: a.example}}
tests:
  - {request: GET https://a.example/, expect: allow by a}
  - {request: GET https://a.example/, expect: allow by b}
  - {request: GET https://b.example/, expect: ask}
`)
	failures := p.RunTests()
	require.Len(t, failures, 2)
	assert.Equal(t, "test.yaml:7: GET https://a.example/: expected allow by b, got allow by a (rule a allows this request)", failures[0].String())
	assert.Equal(t, "test.yaml:8: GET https://b.example/: expected ask, got deny (no rule of policy test allows this request)", failures[1].String())
}

func TestDecideDoesNotAllocate(t *testing.T) {
	for _, rules := range []int{10, 1000} {
		p, err := policy.Parse("large.yaml", large(rules, rules/10))
		require.NoError(t, err)
		allowed := query(t, "GET https://host-0.example.com/v9/x%20y/z?page=2")
		require.Equal(t, policy.Allow, p.Decide(allowed).Effect)
		denied := query(t, "GET https://host-0.example.com/none")
		assert.Zero(t, testing.AllocsPerRun(100, func() { p.Decide(allowed) }))
		assert.Zero(t, testing.AllocsPerRun(100, func() { p.Decide(denied) }))
	}
}

func load(t testing.TB, name string) *policy.Policy {
	t.Helper()
	data, err := os.ReadFile("testdata/good/" + name + ".yaml")
	require.NoError(t, err)
	p, err := policy.Parse(name+".yaml", data)
	require.NoError(t, err)
	return p
}

// parse compiles a policy called test; its text begins on line 2.
func parse(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("test.yaml", []byte("policy: test\n"+strings.TrimPrefix(text, "\n")))
	require.NoError(t, err)
	return p
}

func query(t testing.TB, request string) policy.Query {
	t.Helper()
	method, url, _ := strings.Cut(request, " ")
	q, err := policy.ParseRequest(method, url)
	require.NoError(t, err)
	return q
}

func pattern(t testing.TB, s string) host.Pattern {
	t.Helper()
	p, err := host.ParsePattern(s)
	require.NoError(t, err)
	return p
}

func TestParametersInAnotherSpelling(t *testing.T) {
	t.Parallel()
	allows := parse(t, "rules:\n  - {name: read, allow: {host: a.example, query: {action: [read], page_size: [\"10\"]}}}\n")
	denies := parse(t, "rules:\n  - {name: all, allow: {host: a.example}}\n  - {name: no-delete, deny: {host: a.example, query: {action: [delete]}}}\n")
	asks := parse(t, "rules:\n  - {name: all, allow: {host: a.example}}\n  - {name: first, ask: {host: a.example, query: {action: [delete]}}}\n")
	const page = "page_size=10&"
	assert.Equal(t, policy.Allow, allows.Decide(query(t, "GET https://a.example/?"+page+"action=read&other=x&x[action]=delete")).Effect)
	for _, name := range []string{"action", "Action", "ACTION", "%20action", "+action", "action%00", "action%00x", "action[]", "action%5B%5D", "action[0]", "%41ction", "[action]", "action]"} {
		q := query(t, "GET https://a.example/?"+page+"action=read&"+name+"=delete")
		assert.Equal(t, policy.Deny, allows.Decide(q).Effect, name)
		assert.Contains(t, allows.Explain(q).Rules[0].Why, "only some values, or only one reading", name)
		q = query(t, "GET https://a.example/?"+name+"=delete")
		assert.Equal(t, policy.Deny, denies.Decide(q).Effect, name)
		assert.Equal(t, policy.Ask, asks.Decide(q).Effect, name)
		if name != "action" {
			q = query(t, "GET https://a.example/?"+page+name+"=read")
			assert.Equal(t, policy.Deny, allows.Decide(q).Effect, "%s alone is not the key for certain", name)
		}
	}
	for _, other := range []string{"page.size", "page-size", "page+size", "page[size"} {
		assert.Equal(t, policy.Deny, allows.Decide(query(t, "GET https://a.example/?"+page+"action=read&"+other+"=1000")).Effect, other)
	}
	for _, name := range []string{"actions", "x.action", "a[action]", "act"} {
		assert.Equal(t, policy.Allow, denies.Decide(query(t, "GET https://a.example/?"+name+"=delete")).Effect, name)
	}
}
