package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/policy"
)

const atForge = "  - {name: h, allow: {host: forge.example}}\n"

func TestClauses(t *testing.T) {
	t.Parallel()
	planted := call("keys/create", policy.Write)
	planted.Credential = true
	nowhere := policy.Call{Operation: "search/code", Access: policy.Read}
	field := policy.Call{Operation: "graphql/mutation.deleteRef", Access: policy.Write}
	for _, c := range []struct {
		rules string
		calls []policy.Call
		want  string
	}{
		// How much: an allow says how much at most, an ask or a deny from where on.
		{"  - {name: a, allow: {forge: {access: read}}}\n", []policy.Call{call("git/fetch", policy.Read)}, "allow a"},
		{"  - {name: a, allow: {forge: {access: write}}}\n", []policy.Call{call("git/fetch", policy.Read)}, "allow a"},
		{"  - {name: a, allow: {forge: {access: read}}}\n", []policy.Call{call("pulls/create", policy.Write)}, "deny"},
		{"  - {name: a, allow: {forge: {access: admin}}}\n", []policy.Call{call("meta/get", 0)}, "deny"},
		{atForge + "  - {name: d, deny: {forge: {access: write}}}\n", []policy.Call{call("git/fetch", policy.Read)}, "allow h"},
		{atForge + "  - {name: d, deny: {forge: {access: write}}}\n", []policy.Call{call("orgs/update", policy.Admin)}, "deny d"},

		// Where.
		{"  - {name: a, allow: {forge: {host: other.example, access: read}}}\n", []policy.Call{call("git/fetch", policy.Read)}, "deny"},
		{atForge + "  - {name: d, deny: {forge: {host: other.example, access: read}}}\n", []policy.Call{call("git/fetch", policy.Read)}, "allow h"},

		// What has no name, or whose thing is not known.
		{atForge + "  - {name: d, deny: {forge: {operations: [\"*/delete*\"]}}}\n", nil, "deny d"},
		{atForge + "  - {name: d, deny: {forge: {host: other.example, operations: [\"*/delete*\"]}}}\n", nil, "allow h"},
		{atForge + "  - {name: q, ask: {forge: {operations: [\"*/delete*\"]}}}\n", nil, "ask q"},
		{"  - {name: q, ask: {forge: {operations: [\"*/delete*\"]}}}\n", nil, "deny"},
		{"  - {name: a, allow: {forge: {access: admin}}}\n", nil, "deny"},
		{atForge + "  - {name: d, deny: {forge: {things: [secret]}}}\n", []policy.Call{nowhere}, "deny d"},
		{atForge + "  - {name: d, deny: {forge: {things: [secret]}}}\n", []policy.Call{call("git/fetch", policy.Read)}, "allow h"},
		{"  - {name: a, allow: {forge: {things: [web]}}}\n", []policy.Call{nowhere}, "deny"},

		// A pattern that catches an operation by another of its names doubts.
		{atForge + "  - {name: d, deny: {forge: {operations: [\"*/delete*\"]}}}\n", []policy.Call{field}, "deny d"},
		{"  - {name: a, allow: {forge: {operations: [\"*/delete*\"]}}}\n", []policy.Call{field}, "deny"},
		{"  - {name: a, allow: {forge: {operations: [\"graphql/*\"]}}}\n", []policy.Call{field}, "allow a"},

		// Credentials are named exactly.
		{atForge, []policy.Call{planted}, "deny"},
		{"  - {name: a, allow: {forge: {operations: [\"keys/*\"]}}}\n", []policy.Call{planted}, "deny"},
		{"  - {name: a, allow: {forge: {access: admin}}}\n", []policy.Call{planted}, "deny"},
		{"  - {name: a, allow: {forge: {operations: [\"keys/*\", keys/create]}}}\n", []policy.Call{planted}, "allow a"},
		{"  - {name: q, ask: {forge: {operations: [\"*/*\"]}}}\n  - {name: a, allow: {forge: {operations: [keys/create]}}}\n", []policy.Call{planted}, "ask q"},

		// Every call has to be allowed, with one credential.
		{"  - {name: a, allow: {forge: {operations: [a/x]}}, credential: k}\n  - {name: b, allow: {forge: {operations: [b/x]}}, credential: l}\n", []policy.Call{call("a/x", policy.Read), call("b/x", policy.Read)}, "deny b"},
		{"  - {name: a, allow: {forge: {operations: [a/x]}}, credential: k}\n  - {name: b, allow: {forge: {operations: [b/x]}}, credential: k}\n", []policy.Call{call("a/x", policy.Read), call("b/x", policy.Read)}, "allow a"},
		{"  - {name: a, allow: {forge: {operations: [a/x]}}}\n  - {name: q, ask: {forge: {operations: [b/x]}}}\n", []policy.Call{call("a/x", policy.Read), call("b/x", policy.Read)}, "ask q"},
		{"  - {name: a, allow: {forge: {operations: [a/x]}}}\n  - {name: d, deny: {forge: {operations: [b/x]}}}\n", []policy.Call{call("a/x", policy.Read), call("b/x", policy.Read)}, "deny d"},
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

// Where the clauses of a policy bound a call together, no rule allows it unless it names it
// exactly, and rules about hosts cannot.
func TestBoundsOfClausesTogether(t *testing.T) {
	t.Parallel()
	slipped := call("pulls/merge", policy.Write)
	slipped.Facts = loose{"by night"}
	other := slipped
	other.Resource = "docs"
	const (
		guarded = "  - {name: g, allow: {forge: {things: [web], operations: [git/push], guard: true}}}\n"
		write   = "  - {name: w, allow: {forge: {access: write}}}\n"
	)
	for _, c := range []struct {
		rules string
		call  policy.Call
		want  string
	}{
		{write, slipped, "allow w"},
		{guarded + write, slipped, "deny"},
		{write + guarded, slipped, "deny"},
		{guarded + write, other, "allow w"},
		{guarded + write, call("pulls/merge", policy.Write), "allow w"},
		{guarded + atForge, slipped, "deny"},
		{guarded + atForge, other, "allow h"},
		{guarded + "  - {name: w, allow: {forge: {operations: [\"pulls/*\"]}}}\n", slipped, "deny"},
		{guarded + "  - {name: w, allow: {forge: {operations: [pulls/merge]}}}\n", slipped, "allow w"},
		{guarded + "  - {name: q, ask: {forge: {access: write}}}\n", slipped, "ask q"},
	} {
		decides(t, c.rules, []policy.Call{c.call}, c.want)
	}
	p := forged(t, guarded+write+atForge)
	e := p.Explain(means(t, slipped))
	assert.Equal(t, "no rule of policy test allows this request: pulls/merge (by night) on web, which rule g guards", e.Decision.Reason)
	assert.Equal(t, "pulls/merge is loose, and rule g guards", e.Rules[1].Why)
	assert.Equal(t, "pulls/merge is loose, and rule g guards", e.Rules[2].Why)
}

func TestWhyAClauseDoesNotMatch(t *testing.T) {
	t.Parallel()
	p := forged(t, `
  - {name: a, allow: {forge: {access: read}}}
  - {name: b, allow: {forge: {operations: [keys/list, "keys/*"]}}}
  - {name: c, allow: {forge: {host: other.example, access: read}}}
  - {name: d, allow: {forge: {operations: ["*/create*"], access: admin}}}
  - {name: e, deny: {forge: {operations: ["*/createKey"]}}}
`)
	whys := func(c ...policy.Call) (all []string) {
		for _, r := range p.Explain(means(t, c...)).Rules {
			all = append(all, r.Why)
		}
		return all
	}
	planted := call("keys/create", policy.Write)
	planted.Credential = true
	assert.Equal(t, []string{
		"access read does not match keys/create, which takes write",
		"keys/create gives out or plants a credential, or decides who may do what, so that a rule has to name it exactly",
		"the rule means other.example, not forge.example",
		"keys/create gives out or plants a credential, or decides who may do what, so that a rule has to name it exactly",
		"operations [*/createKey] do not include keys/create",
	}, whys(planted))
	assert.Equal(t, "decides, to be careful: operations [*/createKey] do not include graphql/mutation.createKey, though its name comes close",
		whys(call("graphql/mutation.createKey", policy.Write))[4])
	assert.Equal(t, "the request has no name at the forge: the path says nothing", whys()[0])
	q, err := policy.ParseRequest("GET", "https://a.example/")
	require.NoError(t, err)
	assert.Equal(t, "the request does not go to the forge", p.Explain(q).Rules[0].Why)
}

func TestRefusalsNameWhatIsRefused(t *testing.T) {
	t.Parallel()
	p := forged(t, "  - {name: a, allow: {forge: {operations: [git/push]}}}\n")
	pushed, deleted := call("git/push", policy.Write), call("git/delete", policy.Write)
	deleted.Facts = loose{"refs/heads/main"}
	q := means(t, pushed, deleted)
	assert.Equal(t, "no rule of policy test allows this request: git/delete (refs/heads/main) on web", p.Decide(q).Reason)
	assert.Equal(t, policy.Allow, p.DecideCall(q, 0).Effect)
	assert.Equal(t, p.Decide(q), p.DecideCall(q, 1))
	assert.Contains(t, p.Decide(means(t)).Reason, "no name at its service: the path says nothing")
}

// What is made for one rule serves the other's calls only where the rules say nothing else.
func TestScopes(t *testing.T) {
	t.Parallel()
	const first = "  - {name: a, allow: {forge: {operations: [a/x]}}, credential: k}\n"
	hidden := call("b/x", policy.Read)
	hidden.Resource = "hidden"
	for _, c := range []struct {
		second string
		call   policy.Call
		want   policy.Effect
	}{
		{"  - {name: b, allow: {forge: {operations: [b/x]}}, credential: k}\n", call("b/x", policy.Read), policy.Allow},
		{"  - {name: b, allow: {forge: {operations: [b/x]}}, credential: k}\n", hidden, policy.Deny},
		{"  - {name: b, allow: {forge: {operations: [b/x]}}, credential: k, pinned: true}\n", call("b/x", policy.Read), policy.Deny},
		{"  - {name: b, allow: {host: forge.example}, credential: k}\n", call("b/x", policy.Read), policy.Allow},
		{"  - {name: b, allow: {host: forge.example}, credential: k}\n", hidden, policy.Deny},
		{"  - {name: b, allow: {host: forge.example}, credential: k, pinned: true}\n", call("b/x", policy.Read), policy.Deny},
	} {
		d := forged(t, first+c.second).Decide(means(t, call("a/x", policy.Read), c.call))
		assert.Equal(t, c.want, d.Effect, "%s: %s", c.second, d.Reason)
		if c.want == policy.Deny {
			assert.Contains(t, d.Reason, "but with different credentials or tokens; send the parts one by one")
		}
	}
	pinned := "  - {name: h, allow: {host: forge.example}, credential: k, pinned: true}\n"
	assert.Equal(t, &token{pinned: true}, forged(t, pinned).Decide(means(t, call("a/x", policy.Read))).Scope)
	uses := forged(t, first+pinned).CredentialUses()
	assert.Equal(t, "forge", uses[0].Service)
	assert.NotNil(t, uses[0].Clause)
	assert.Nil(t, uses[1].Clause)
	assert.Equal(t, []policy.Scope{&token{}, &token{pinned: true}}, []policy.Scope{uses[0].Scope, uses[1].Scope})

	assert.True(t, policy.SameScope(nil, nil))
	assert.False(t, policy.SameScope(nil, &token{}), "a rule about hosts is another one")
	assert.False(t, policy.SameScope(&token{}, nil))
	assert.True(t, policy.SameScope(&token{}, &token{}))
	assert.False(t, policy.SameScope(&token{}, &token{pinned: true}))
}

func TestClausesWarnOfThemselvesAndOfEachOther(t *testing.T) {
	t.Parallel()
	warnings := forged(t, "  - {name: g, ask: {forge: {guard: true}}}\n").Warnings()
	require.Len(t, warnings, 2)
	assert.Equal(t, "test.yaml:3: rules[g].ask.forge.guard: guards nothing", warnings[0].Error())
	assert.Equal(t, "test.yaml:3: rules[g].ask.forge: is strange", warnings[1].Error())
	const first = "  - {name: a, allow: {forge: {access: read}}, credential: k}\n"
	for second, warned := range map[string]bool{
		"{access: write}":                 true,
		"{operations: [pulls/create]}":    true,
		"{host: b.example, access: read}": false,
	} {
		p := forged(t, first+"  - {name: b, allow: {forge: "+second+"}, credential: l}\n")
		assert.Equal(t, warned, len(p.Warnings()) == 1, second)
	}
}

func TestBadClauses(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		"allow: {forge: {}}":                                    "test.yaml:3: rules[a].allow.forge: says nothing and would match every request to the forge; write {access: read}",
		"allow: {forge: [a]}":                                   "must be a mapping with the keys host, operations, access, things, guard",
		"allow: {forge: {thing: [a]}}":                          "rules[a].allow.forge.thing: unknown key",
		"allow: {forge: {things: []}}":                          "the list is empty",
		"allow: {forge: {things: [a, a]}}":                      "listed twice",
		"allow: {forge: {operations: [pulls]}}":                 "rules[a].allow.forge.operations[0]: did you mean pulls/create",
		"allow: {forge: {access: all}}":                         "must be read, write or admin",
		"allow: {forge: {access: [read]}}":                      "must be read, write or admin",
		"allow: {forge: {access: read}, host: a.example}":       "forge stands alone",
		"allow: {forge: {access: read}}, pinned: true":          "rules[a].pinned: has no credential",
		"allow: {forge: {access: read}}, pined: true":           "known here are name, description, allow, ask, deny, credential, unnamed, pinned, agent_auth, cookies, record; did you mean pinned?",
		"allow: {hots: a.example}":                              "known here are host, scheme, methods, path, case, query, forge",
		"allow: {forge: {access: read}}, unnamed: allow":        "allows only what it names",
		"allow: {forge: {access: read}}, credential: k, x: y":   "unknown key",
		"deny: {forge: {access: read}}, credential: k":          "a deny rule sends nothing",
		"allow: {forge: {operations: pulls/create}}":            "must be a list",
		"allow: {forge: {operations: [pulls/create, keys/x*]}}": "",
	} {
		_, err := policy.Parse("test.yaml", []byte("policy: test\nrules:\n  - {name: a, "+rule+"}\n"), forge{})
		if want == "" {
			assert.NoError(t, err, rule)
			continue
		}
		assert.ErrorContains(t, err, want, rule)
	}
	_, err := policy.Parse("test.yaml", []byte("policy: test\nrules:\n  - {name: a, allow: {forge: {access: read}}}\n"), forge{signed: true})
	assert.ErrorContains(t, err, "nothing goes to the forge unsigned; give the rule a credential")
	_, err = policy.Parse("test.yaml", []byte("policy: test\nrules:\n  - {name: a, deny: {forge: {access: read}}}\n"), forge{signed: true})
	assert.NoError(t, err)
}

// Questions, in files and typed ones, are asked in the words of the services that a policy
// speaks of.
func TestQuestions(t *testing.T) {
	t.Parallel()
	p := forged(t, "  - {name: a, allow: {forge: {host: b.example, access: read}}}\n"+
		"  - {name: w, allow: {forge: {operations: [pulls/create]}}}\n"+
		"tests:\n  - {request: forge pulls/create, expect: allow by w}\n  - {request: GET https://b.example/git/fetch, expect: allow by a}\n")
	assert.Empty(t, p.RunTests())
	assert.Equal(t, []string{"forge.example", "b.example"}, p.Servers("forge"))
	q, ours, err := p.ParseQuestion("forge pulls/merge", forge{})
	require.NoError(t, err)
	require.True(t, ours)
	assert.Equal(t, "pulls/merge", q.Meaning.Calls[0].String())
	_, ours, err = policy.ParseQuestion("forge ", forge{})
	assert.True(t, ours)
	require.ErrorContains(t, err, "forge what?")
	_, ours, _ = policy.ParseQuestion("POST https://forge.example/", forge{})
	assert.False(t, ours)
	assert.Nil(t, p.Classify(query(t, "GET https://c.example/x"), forge{}).Meaning)
	_, err = policy.Parse("test.yaml", []byte("policy: test\nrules: []\ntests:\n  - {request: \"forge \", expect: deny}\n"), forge{})
	assert.ErrorContains(t, err, "forge what?")
}

func BenchmarkDecideCalls(b *testing.B) {
	var rules strings.Builder
	for i := range 20 {
		fmt.Fprintf(&rules, "  - {name: r%d, allow: {forge: {things: [w, web], operations: [git/push], guard: true}}}\n", i)
	}
	p := forged(b, rules.String())
	calls := make([]policy.Call, 10_000)
	for i := range calls {
		calls[i] = call("git/push", policy.Write)
	}
	q := means(b, calls...)
	b.ReportAllocs()
	for b.Loop() {
		if p.Decide(q).Effect != policy.Allow {
			b.Fatal("denied")
		}
	}
}
