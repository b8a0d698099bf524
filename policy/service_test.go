package policy_test

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/policy"
)

// words is a pattern of the operations of a small made-up forge.
type words string

func (w words) String() string { return string(w) }

func (w words) Exact() bool { return !strings.Contains(string(w), "*") }

func (w words) Matches(operation string) bool {
	ok, _ := path.Match(string(w), operation)
	return ok
}

// Catches: a field of a document is caught by its own name.
func (w words) Catches(operation string) bool {
	_, field, found := strings.Cut(operation, ".")
	ok, _ := path.Match(string(w), "graphql/"+field)
	return w.Matches(operation) || found && ok
}

func forge() policy.Service {
	return policy.Service{
		Narrows: func(credential string) bool { return credential == "k" },
		Bare:    func(o policy.Operations) bool { return o.String() == "download/get" },
		Key:     "github", Title: "the forge", Default: "forge.example",
		Keys:    []string{"host", "repos", "operations", "access", "refs", "updates"},
		Example: "{repos: [OWNER/*], access: read}",
		Server: func(text string) (string, error) {
			if strings.Contains(text, "/") {
				return "", errors.New("that is no host")
			}
			return text, nil
		},
		Operations: func(pattern string) (policy.Operations, error) {
			if !strings.Contains(pattern, "/") {
				return nil, errors.New("did you mean pulls/create")
			}
			return words(pattern), nil
		},
		Meaning:  func(policy.Query, []string) *policy.Meaning { return nil },
		Question: func(string, []string) (policy.Query, bool, error) { return policy.Query{}, false, nil },
	}
}

func forged(t *testing.T, rules string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("test.yaml", []byte("policy: test\nrules:\n"+rules), forge())
	require.NoError(t, err)
	return p
}

// means asks about a request to the forge that makes these calls; none stands for
// one without a name.
func means(t *testing.T, calls ...policy.Call) policy.Query {
	t.Helper()
	q, err := policy.ParseRequest("POST", "https://forge.example/x")
	require.NoError(t, err)
	q.Meaning = &policy.Meaning{Service: "github", Server: "forge.example", Calls: calls}
	if len(calls) == 0 {
		q.Meaning.Unclassified = "the path says nothing"
	}
	return q
}

// Calls that the tests ask about, on acme/web unless they say otherwise.
func call(operation string, access policy.Access) policy.Call {
	return policy.Call{Operation: operation, Resource: "acme/web", Account: "acme", Access: access}
}

func push(update, ref string) policy.Call {
	c := call("git/push", policy.Write)
	c.Ref, c.Update = ref, update
	return c
}

func onRepo(c policy.Call, repo string) policy.Call {
	c.Resource = repo
	c.Account, _, _ = strings.Cut(repo, "/")
	return c
}

func TestServiceRules(t *testing.T) {
	t.Parallel()
	probe, planted := call("git/push", policy.Write), call("keys/create", policy.Write)
	probe.Probe, planted.Credential = true, true
	hidden := policy.Call{Operation: "graphql/mutation.deleteRef", Access: policy.Write, Hidden: true}
	ofAccount := policy.Call{Operation: "orgs/update", Account: "acme", Access: policy.Admin}
	ofNobody := policy.Call{Operation: "search/code", Access: policy.Read}
	const host = "  - {name: h, allow: {host: forge.example}}\n"
	for _, c := range []struct {
		rules string
		calls []policy.Call
		want  string
	}{
		{"  - {name: a, allow: {github: {repos: [acme/*], access: read}}}\n", []policy.Call{call("git/fetch", policy.Read)}, "allow a"},
		{"  - {name: a, allow: {github: {repos: [Acme/W*], access: write}}}\n", []policy.Call{call("pulls/create", policy.Write)}, "allow a"},
		{"  - {name: a, allow: {github: {repos: [acme/*], access: read}}}\n", []policy.Call{call("pulls/create", policy.Write)}, "deny"},
		{"  - {name: a, allow: {github: {repos: [acme/*], access: read}}}\n", []policy.Call{onRepo(call("git/fetch", policy.Read), "acmeco/web")}, "deny"},
		{"  - {name: a, allow: {github: {repos: [acme/*], access: read}}}\n", []policy.Call{{Operation: "meta/get", Resource: "acme/web"}}, "deny"},
		{"  - {name: a, allow: {github: {repos: [acme/web], access: read}}}\n", []policy.Call{onRepo(call("git/fetch", policy.Read), "acme/web.wiki")}, "deny"},
		{"  - {name: a, allow: {github: {host: other.example, access: read}}}\n", []policy.Call{call("git/fetch", policy.Read)}, "deny"},

		// Pushes are more than writing.
		{"  - {name: a, allow: {github: {access: write}}}\n", []policy.Call{push("create", "refs/heads/a")}, "deny"},
		{"  - {name: a, allow: {github: {access: admin}}}\n", []policy.Call{probe}, "deny"},
		{"  - {name: a, allow: {github: {access: write, refs: [refs/heads/a]}}}\n", []policy.Call{push("create", "refs/heads/a")}, "allow a"},
		{"  - {name: a, allow: {github: {access: write, refs: [refs/heads/a]}}}\n", []policy.Call{call("pulls/create", policy.Write)}, "allow a"},
		{"  - {name: a, allow: {github: {refs: [refs/heads/a]}}}\n", []policy.Call{call("pulls/create", policy.Write)}, "deny"},
		{"  - {name: a, allow: {github: {operations: [git/push]}}}\n", []policy.Call{push("delete", "refs/heads/a")}, "allow a"},
		{"  - {name: a, allow: {github: {operations: [git/push], refs: [\"refs/heads/agent/**\"]}}}\n", []policy.Call{probe}, "allow a"},
		{"  - {name: a, allow: {github: {refs: [\"refs/heads/agent/**\"]}}}\n", []policy.Call{push("create", "refs/heads/agent/a/b"), push("update", "refs/heads/agent/c")}, "allow a"},
		{"  - {name: a, allow: {github: {refs: [\"refs/heads/agent/**\"]}}}\n", []policy.Call{push("create", "refs/heads/agent/a"), push("update", "refs/heads/main")}, "deny"},
		{"  - {name: a, allow: {github: {refs: [\"refs/heads/agent/**\"]}}}\n", []policy.Call{push("create", "refs/heads/agent")}, "deny"},
		{"  - {name: a, allow: {github: {refs: [\"refs/**/a-*\"], updates: [create]}}}\n", []policy.Call{push("create", "refs/tags/x/a-1")}, "allow a"},
		{"  - {name: a, allow: {github: {refs: [\"refs/**/a-*\"], updates: [create]}}}\n", []policy.Call{push("update", "refs/tags/x/a-1")}, "deny"},
		{"  - {name: a, allow: {github: {operations: [git/push]}}}\n  - {name: d, deny: {github: {refs: [refs/heads/main]}}}\n", []policy.Call{push("update", "refs/heads/main")}, "deny d"},
		{"  - {name: a, allow: {github: {operations: [git/push]}}}\n  - {name: d, deny: {github: {refs: [refs/heads/main]}}}\n", []policy.Call{probe}, "allow a"},

		// What has no name, or no known resource.
		{host + "  - {name: d, deny: {github: {operations: [\"*/delete*\"]}}}\n", nil, "deny d"},
		{host + "  - {name: d, deny: {github: {host: other.example, operations: [\"*/delete*\"]}}}\n", nil, "allow h"},
		{host + "  - {name: q, ask: {github: {operations: [\"*/delete*\"]}}}\n", nil, "ask q"},
		{"  - {name: q, ask: {github: {operations: [\"*/delete*\"]}}}\n", nil, "deny"},
		{"  - {name: a, allow: {github: {access: admin}}}\n", nil, "deny"},
		{host + "  - {name: d, deny: {github: {operations: [\"*/delete*\"]}}}\n", []policy.Call{hidden}, "deny d"},
		{host + "  - {name: d, deny: {github: {repos: [acme/secret]}}}\n", []policy.Call{call("git/fetch", policy.Read)}, "allow h"},
		{host + "  - {name: d, deny: {github: {repos: [acme/secret]}}}\n", []policy.Call{onRepo(call("git/fetch", policy.Read), "acme/secret.wiki")}, "deny d"},
		{host + "  - {name: d, deny: {github: {repos: [acme/secret]}}}\n", []policy.Call{ofAccount}, "deny d"},
		{host + "  - {name: d, deny: {github: {repos: [other/secret]}}}\n", []policy.Call{ofAccount}, "allow h"},
		{host + "  - {name: d, deny: {github: {repos: [acme/secret]}}}\n", []policy.Call{ofNobody}, "deny d"},
		{host + "  - {name: d, deny: {github: {access: write}}}\n", []policy.Call{ofNobody}, "allow h"},
		{host + "  - {name: d, deny: {github: {access: write}}}\n", []policy.Call{probe}, "deny d"},
		{"  - {name: a, allow: {github: {repos: [acme/*], access: admin}}}\n", []policy.Call{ofAccount}, "deny"},

		// A hidden resource is bounded by a token, or not at all.
		{"  - {name: a, allow: {github: {repos: [acme/*], access: write}}, credential: k}\n", []policy.Call{hidden}, "allow a"},
		{"  - {name: a, allow: {github: {repos: [acme/web, acme/api], access: write}}, credential: k}\n", []policy.Call{hidden}, "allow a"},
		{"  - {name: a, allow: {github: {repos: [acme/web], access: write}}}\n", []policy.Call{hidden}, "deny"},
		{"  - {name: a, allow: {github: {repos: [acme/web], access: write}}, credential: fixed}\n", []policy.Call{hidden}, "deny"},
		{"  - {name: a, allow: {github: {repos: [acme/w*], access: write}}, credential: k}\n", []policy.Call{hidden}, "deny"},
		{"  - {name: a, allow: {github: {repos: [acme/web, b/web], access: write}}, credential: k}\n", []policy.Call{hidden}, "deny"},
		{"  - {name: a, allow: {github: {repos: [\"*\"], access: write}}, credential: k}\n", []policy.Call{hidden}, "deny"},
		{"  - {name: a, allow: {github: {repos: [acme/w*]}}, credential: k, repositories: [acme/web], permissions: {contents: read}}\n", []policy.Call{hidden}, "allow a"},
		{"  - {name: a, allow: {github: {repos: [acme/w*]}}, credential: k, repositories: [acme/api], permissions: {contents: read}}\n", []policy.Call{hidden}, "deny"},

		// Credentials are named exactly.
		{host, []policy.Call{planted}, "deny"},
		{"  - {name: a, allow: {github: {operations: [\"keys/*\"]}}}\n", []policy.Call{planted}, "deny"},
		{"  - {name: a, allow: {github: {access: admin}}}\n", []policy.Call{planted}, "deny"},
		{"  - {name: a, allow: {github: {operations: [keys/create]}}}\n", []policy.Call{planted}, "allow a"},
		{"  - {name: q, ask: {github: {operations: [\"*/*\"]}}}\n  - {name: a, allow: {github: {operations: [keys/create]}}}\n", []policy.Call{planted}, "ask q"},

		// Every call has to be allowed, with one credential.
		{"  - {name: a, allow: {github: {operations: [a/x]}}, credential: k}\n  - {name: b, allow: {github: {operations: [b/x]}}, credential: l}\n", []policy.Call{call("a/x", policy.Read), call("b/x", policy.Read)}, "deny b"},
		{"  - {name: a, allow: {github: {operations: [a/x]}}, credential: k}\n  - {name: b, allow: {github: {operations: [b/x]}}, credential: k}\n", []policy.Call{call("a/x", policy.Read), call("b/x", policy.Read)}, "allow a"},
		{"  - {name: a, allow: {github: {operations: [a/x]}}}\n  - {name: q, ask: {github: {operations: [b/x]}}}\n", []policy.Call{call("a/x", policy.Read), call("b/x", policy.Read)}, "ask q"},
		{"  - {name: a, allow: {github: {operations: [a/x]}}}\n  - {name: d, deny: {github: {operations: [b/x]}}}\n", []policy.Call{call("a/x", policy.Read), call("b/x", policy.Read)}, "deny d"},
	} {
		decides(t, c.rules, c.calls, c.want)
	}
}

// decides asks a policy about a request that makes these calls.
func decides(t *testing.T, rules string, calls []policy.Call, want string) {
	t.Helper()
	p := forged(t, rules)
	q := means(t, calls...)
	d := p.Decide(q)
	got := strings.TrimSpace(d.Effect.String() + " " + d.Rule)
	assert.Equal(t, want, got, "%s%v: %s", rules, calls, d.Reason)
	e := p.Explain(q)
	assert.Equal(t, d, e.Decision)
	for _, r := range e.Rules {
		assert.NotEmpty(t, r.Why, "%s%v", rules, calls)
	}
}

func TestRefusalsNameWhatIsRefused(t *testing.T) {
	t.Parallel()
	p := forged(t, "  - {name: a, allow: {github: {refs: [refs/heads/a]}}}\n")
	q := means(t, push("create", "refs/heads/a"), push("delete", "refs/heads/main"))
	assert.Equal(t, "no rule of policy test allows this request: git/push (delete refs/heads/main) on acme/web", p.Decide(q).Reason)
	assert.Equal(t, policy.Allow, p.DecideCall(q, 0).Effect)
	assert.Equal(t, p.Decide(q), p.DecideCall(q, 1))
	assert.Contains(t, p.Decide(means(t)).Reason, "no name at its service: the path says nothing")
}

func TestScopes(t *testing.T) {
	t.Parallel()
	p := forged(t, `
  - {name: a, allow: {github: {repos: [acme/*], access: read}}, credential: k}
  - name: b
    allow: {host: forge.example}
    credential: k
    repositories: [acme/web, acme/api]
    permissions: {pull_requests: write, contents: read}
    shared: true
`)
	assert.Equal(t, &policy.Scope{Access: policy.Read, Repos: []string{"acme/*"}}, p.Decide(means(t, call("git/fetch", policy.Read))).Scope)
	assert.Equal(t, &policy.Scope{
		Repositories: []string{"acme/web", "acme/api"}, Shared: true,
		Permissions: []policy.Permission{{Name: "contents", Access: policy.Read}, {Name: "pull_requests", Access: policy.Write}},
	}, p.Decide(means(t, call("pulls/create", policy.Write))).Scope)
	uses := p.CredentialUses()
	assert.Equal(t, "github forge.example", uses[0].Service+" "+uses[0].Server)
	assert.True(t, uses[1].Pinned)
}

func TestServiceRulesThatDifferInCredentialAreWarnedOf(t *testing.T) {
	t.Parallel()
	const first = "  - {name: a, allow: {github: {repos: [acme/*], access: read}}, credential: k}\n"
	for second, warned := range map[string]bool{
		"{repos: [acme/web], access: write}":              true,
		"{repos: [acme/web], operations: [pulls/create]}": true,
		"{repos: [other/*], access: read}":                false,
		"{host: b.example, access: read}":                 false,
	} {
		p := forged(t, first+"  - {name: b, allow: {github: "+second+"}, credential: l}\n")
		assert.Equal(t, warned, len(p.Warnings()) == 1, second)
	}
}

func TestBadServiceRules(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		"allow: {github: {}}":                                                                       "test.yaml:3: rules[a].allow.github: says nothing",
		"allow: {github: [a]}":                                                                      "must be a mapping with the keys host, repos",
		"allow: {github: {repo: [a/b]}}":                                                            "rules[a].allow.github.repo: unknown key",
		"allow: {github: {repos: []}}":                                                              "the list is empty",
		"allow: {github: {repos: [acme]}}":                                                          "write OWNER/NAME",
		"allow: {github: {repos: [acme/web.git]}}":                                                  "leave .git out",
		"allow: {github: {repos: [\"acme/w?b\"]}}":                                                  "holds a character",
		"allow: {github: {repos: [a/b, a/b]}}":                                                      "listed twice",
		"allow: {github: {operations: [pulls]}}":                                                    "rules[a].allow.github.operations[0]: did you mean pulls/create",
		"allow: {github: {access: all}}":                                                            "must be read, write or admin",
		"allow: {github: {refs: [main]}}":                                                           "write refs/heads/main",
		"allow: {github: {refs: [refs/heads//x]}}":                                                  "empty part",
		"allow: {github: {refs: [\"refs/heads/a**\"]}}":                                             "** stands alone",
		"allow: {github: {refs: [\"refs/heads/[ab]\"]}}":                                            "only * and ** are patterns",
		"allow: {github: {updates: [force]}}":                                                       "must be create, update or delete",
		"allow: {github: {operations: [pulls/create], refs: [refs/heads/a]}}":                       "do not include git/push",
		"allow: {github: {host: a/b, access: read}}":                                                "that is no host",
		"allow: {github: {access: read}, host: a.example}":                                          "github stands alone",
		"allow: {github: {access: read}}, credential: k, unnamed: allow":                            "allows only what it names",
		"allow: {github: {access: read}}, shared: true":                                             "has no credential",
		"allow: {github: {access: read}}, credential: k, shared: yes":                               "the only value is true",
		"allow: {github: {access: read}}, credential: k, repositories: [a/b]":                       "repositories and permissions together",
		"allow: {host: a.example}, credential: k, repositories: [], permissions: {a: read}":         "the list is empty",
		"allow: {host: a.example}, credential: k, repositories: [a/b], permissions: {}":             "must be a mapping",
		"allow: {host: a.example}, credential: k, repositories: [a/*], permissions: {a: read}":      "by their names",
		"allow: {host: a.example}, credential: k, repositories: [a/b, c/d], permissions: {a: read}": "another owner",
		"allow: {host: a.example}, credential: k, repositories: [a/b], permissions: {a-b: read}":    "is not the name of a permission",
	} {
		_, err := policy.Parse("test.yaml", []byte("policy: test\nrules:\n  - {name: a, "+rule+"}\n"), forge())
		assert.ErrorContains(t, err, want, rule)
	}
}

func BenchmarkDecidePush(b *testing.B) {
	var rules strings.Builder
	for i := range 20 {
		fmt.Fprintf(&rules, "  - {name: r%d, allow: {github: {repos: [acme/w*], operations: [git/push], refs: [\"refs/heads/agent/**\"]}}}\n", i)
	}
	p, err := policy.Parse("test.yaml", []byte("policy: test\nrules:\n"+rules.String()), forge())
	require.NoError(b, err)
	q, err := policy.ParseRequest("POST", "https://forge.example/x")
	require.NoError(b, err)
	calls := make([]policy.Call, 10_000)
	for i := range calls {
		calls[i] = push("create", "refs/heads/agent/branch")
	}
	q.Meaning = &policy.Meaning{Service: "github", Server: "forge.example", Calls: calls}
	b.ReportAllocs()
	for b.Loop() {
		if p.Decide(q).Effect != policy.Allow {
			b.Fatal("denied")
		}
	}
}
