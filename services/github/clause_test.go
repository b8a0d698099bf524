package github_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials"
	"sallyport/policy"
	"sallyport/services"
	"sallyport/services/github"
)

// minted are the credentials of the rules below: k is narrowed to each request, and fixed is
// what it is.
const minted = `credentials:
  k: {kind: github_app, app_id: 1, private_key: {env: KEY}, owners: [acme, other]}
  l: {kind: github_token, secret: {env: TOKEN}}
  fixed: {kind: github_token, secret: {env: TOKEN}}
`

var appKey = sync.OnceValue(func() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
})

func lookup(t testing.TB) func(string) *credentials.Credential {
	t.Helper()
	set, err := credentials.Parse("credentials.yaml", []byte(minted), credentials.Options{
		Kinds: github.New().Kinds(),
		Getenv: func(name string) string {
			return map[string]string{"KEY": appKey(), "TOKEN": "ghp_0123456789abcdef"}[name]
		},
	})
	require.NoError(t, err)
	return set.Lookup
}

func parse(t testing.TB, rules string) (*policy.Policy, error) {
	t.Helper()
	return policy.Parse("test.yaml", []byte("policy: test\nrules:\n"+rules), services.Languages([]services.Service{github.New()}, lookup(t))...)
}

func ruled(t testing.TB, rules string) *policy.Policy {
	t.Helper()
	p, err := parse(t, rules)
	require.NoError(t, err, rules)
	return p
}

// means asks about a request to github.com that makes these calls; none stands for
// one without a name.
func means(t testing.TB, calls ...policy.Call) policy.Query {
	t.Helper()
	q, err := policy.ParseRequest("POST", "https://github.com/x")
	require.NoError(t, err)
	q.Meaning = &policy.Meaning{Service: "github", Server: "github.com", Calls: calls}
	if len(calls) == 0 {
		q.Meaning.Unclassified = "the path says nothing"
	}
	return q
}

// Calls that the tests ask about, on acme/web unless they say otherwise.
func call(operation string, access policy.Access) policy.Call {
	return onRepo(policy.Call{Operation: operation, Access: access}, "acme/web")
}

func onRepo(c policy.Call, repo string) policy.Call {
	owner, _, _ := strings.Cut(repo, "/")
	c.Resource = repo
	return with(c, func(f *github.Facts) { f.Account = owner })
}

// with is a call with other facts.
func with(c policy.Call, change func(*github.Facts)) policy.Call {
	var f github.Facts
	if known, ok := c.Facts.(*github.Facts); ok {
		f = *known
	}
	change(&f)
	c.Facts = &f
	return c
}

func push(update, ref string) policy.Call {
	return with(call("git/push", policy.Write), func(f *github.Facts) { f.Ref, f.Update = ref, update })
}

func probe() policy.Call {
	return with(call("git/push", policy.Write), func(f *github.Facts) { f.Probe = true })
}

func hidden(operation string) policy.Call {
	return with(policy.Call{Operation: operation, Access: policy.Write}, func(f *github.Facts) { f.Hidden = true })
}

func ofAccount(operation string, access policy.Access) policy.Call {
	return with(policy.Call{Operation: operation, Access: access}, func(f *github.Facts) { f.Account = "acme" })
}

// asked is one question to a policy, and what it answers.
type asked struct {
	rules string
	calls []policy.Call
	want  string
}

func decide(t *testing.T, all []asked) {
	t.Helper()
	for _, c := range all {
		p := ruled(t, c.rules)
		q := means(t, c.calls...)
		d := p.Decide(q)
		got := strings.TrimSpace(d.Effect.String() + " " + d.Rule)
		assert.Equal(t, c.want, got, "%s%v: %s", c.rules, c.calls, d.Reason)
		e := p.Explain(q)
		assert.Equal(t, d, e.Decision)
		for _, r := range e.Rules {
			assert.NotEmpty(t, r.Why, "%s%v", c.rules, c.calls)
		}
	}
}

const atHost = "  - {name: h, allow: {host: github.com}}\n"

func TestRulesAboutRepositories(t *testing.T) {
	t.Parallel()
	ofNobody := policy.Call{Operation: "search/code", Access: policy.Read}
	planted := call("repos/create-deploy-key", policy.Write)
	planted.Credential = true
	decide(t, []asked{
		{"  - {name: a, allow: {github: {repos: [acme/*], access: read}}}\n", []policy.Call{call("git/fetch", policy.Read)}, "allow a"},
		{"  - {name: a, allow: {github: {repos: [Acme/W*], access: write}}}\n", []policy.Call{call("pulls/create", policy.Write)}, "allow a"},
		{"  - {name: a, allow: {github: {repos: [acme/*], access: read}}}\n", []policy.Call{call("pulls/create", policy.Write)}, "deny"},
		{"  - {name: a, allow: {github: {repos: [acme/*], access: read}}}\n", []policy.Call{onRepo(call("git/fetch", policy.Read), "acmeco/web")}, "deny"},
		{"  - {name: a, allow: {github: {repos: [acme/*], access: read}}}\n", []policy.Call{{Operation: "meta/get", Resource: "acme/web"}}, "deny"},
		{"  - {name: a, allow: {github: {repos: [acme/web], access: read}}}\n", []policy.Call{onRepo(call("git/fetch", policy.Read), "acme/web.wiki")}, "deny"},
		{"  - {name: a, allow: {github: {host: other.example, access: read}}}\n", []policy.Call{call("git/fetch", policy.Read)}, "deny"},

		// What has no name, or no known repository.
		{atHost + "  - {name: d, deny: {github: {operations: [\"*/delete*\"]}}}\n", nil, "deny d"},
		{atHost + "  - {name: d, deny: {github: {host: other.example, operations: [\"*/delete*\"]}}}\n", nil, "allow h"},
		{atHost + "  - {name: q, ask: {github: {operations: [\"*/delete*\"]}}}\n", nil, "ask q"},
		{"  - {name: a, allow: {github: {access: admin}}}\n", nil, "deny"},
		{atHost + "  - {name: d, deny: {github: {repos: [acme/secret]}}}\n", []policy.Call{call("git/fetch", policy.Read)}, "allow h"},
		{atHost + "  - {name: d, deny: {github: {repos: [acme/secret]}}}\n", []policy.Call{onRepo(call("git/fetch", policy.Read), "acme/secret.wiki")}, "deny d"},
		{atHost + "  - {name: d, deny: {github: {repos: [acme/secret]}}}\n", []policy.Call{ofAccount("orgs/update", policy.Admin)}, "deny d"},
		{atHost + "  - {name: d, deny: {github: {repos: [other/secret]}}}\n", []policy.Call{ofAccount("orgs/update", policy.Admin)}, "allow h"},
		{atHost + "  - {name: d, deny: {github: {repos: [acme/secret]}}}\n", []policy.Call{ofNobody}, "deny d"},
		{atHost + "  - {name: d, deny: {github: {access: write}}}\n", []policy.Call{ofNobody}, "allow h"},
		{atHost + "  - {name: d, deny: {github: {access: write}}}\n", []policy.Call{probe()}, "deny d"},
		{"  - {name: a, allow: {github: {repos: [acme/*], access: admin}}}\n", []policy.Call{ofAccount("orgs/update", policy.Admin)}, "deny"},

		// Credentials are named exactly.
		{"  - {name: a, allow: {github: {operations: [\"repos/*\"]}}}\n", []policy.Call{planted}, "deny"},
		{"  - {name: a, allow: {github: {operations: [repos/create-deploy-key]}}}\n", []policy.Call{planted}, "allow a"},
	})
}

func TestRulesAboutPushes(t *testing.T) {
	t.Parallel()
	decide(t, []asked{
		// Pushes are more than writing.
		{"  - {name: a, allow: {github: {access: write}}}\n", []policy.Call{push("create", "refs/heads/a")}, "deny"},
		{"  - {name: a, allow: {github: {access: admin}}}\n", []policy.Call{probe()}, "deny"},
		{"  - {name: a, allow: {github: {access: write, refs: [refs/heads/a]}}}\n", []policy.Call{push("create", "refs/heads/a")}, "allow a"},
		{"  - {name: a, allow: {github: {access: write, refs: [refs/heads/a]}}}\n", []policy.Call{call("pulls/create", policy.Write)}, "allow a"},
		{"  - {name: a, allow: {github: {refs: [refs/heads/a]}}}\n", []policy.Call{call("pulls/create", policy.Write)}, "deny"},
		{"  - {name: a, allow: {github: {operations: [git/push]}}}\n", []policy.Call{push("delete", "refs/heads/a")}, "allow a"},
		{"  - {name: a, allow: {github: {operations: [git/push], refs: [\"refs/heads/agent/**\"]}}}\n", []policy.Call{probe()}, "allow a"},
		{"  - {name: a, allow: {github: {refs: [\"refs/heads/agent/**\"]}}}\n", []policy.Call{push("create", "refs/heads/agent/a/b"), push("update", "refs/heads/agent/c")}, "allow a"},
		{"  - {name: a, allow: {github: {refs: [\"refs/heads/agent/**\"]}}}\n", []policy.Call{push("create", "refs/heads/agent/a"), push("update", "refs/heads/main")}, "deny"},
		{"  - {name: a, allow: {github: {refs: [\"refs/heads/agent/**\"]}}}\n", []policy.Call{push("create", "refs/heads/agent")}, "deny"},
		{"  - {name: a, allow: {github: {refs: [\"refs/**/a-*\"], updates: [create]}}}\n", []policy.Call{push("create", "refs/tags/x/a-1")}, "allow a"},
		{"  - {name: a, allow: {github: {refs: [\"refs/**/a-*\"], updates: [create]}}}\n", []policy.Call{push("update", "refs/tags/x/a-1")}, "deny"},
		{"  - {name: a, allow: {github: {operations: [git/push]}}}\n  - {name: d, deny: {github: {refs: [refs/heads/main]}}}\n", []policy.Call{push("update", "refs/heads/main")}, "deny d"},
		{"  - {name: a, allow: {github: {operations: [git/push]}}}\n  - {name: d, deny: {github: {refs: [refs/heads/main]}}}\n", []policy.Call{probe()}, "allow a"},
	})
}

// A hidden repository is bounded by a token, or not at all.
func TestRulesAboutHiddenRepositories(t *testing.T) {
	t.Parallel()
	deleted := []policy.Call{hidden("graphql/mutation.deleteRef")}
	decide(t, []asked{
		{atHost + "  - {name: d, deny: {github: {operations: [\"*/delete*\"]}}}\n", deleted, "deny d"},
		{"  - {name: a, allow: {github: {repos: [acme/*], access: write}}, credential: k}\n", deleted, "allow a"},
		{"  - {name: a, allow: {github: {repos: [acme/web, acme/api], access: write}}, credential: k}\n", deleted, "allow a"},
		{"  - {name: a, allow: {github: {repos: [acme/web], access: write}}}\n", deleted, "deny"},
		{"  - {name: a, allow: {github: {repos: [acme/web], access: write}}, credential: fixed}\n", deleted, "deny"},
		{"  - {name: a, allow: {github: {repos: [acme/w*], access: write}}, credential: k}\n", deleted, "deny"},
		{"  - {name: a, allow: {github: {repos: [acme/web, b/web], access: write}}, credential: k}\n", deleted, "deny"},
		{"  - {name: a, allow: {github: {repos: [\"*\"], access: write}}, credential: k}\n", deleted, "deny"},
		{"  - {name: a, allow: {github: {repos: [acme/w*]}}, credential: k, repositories: [acme/web], permissions: {contents: read}}\n", deleted, "allow a"},
		{"  - {name: a, allow: {github: {repos: [acme/w*]}}, credential: k, repositories: [acme/api], permissions: {contents: read}}\n", deleted, "deny"},
	})
	// Two rules say of one document with which token it goes.
	two := "  - {name: a, allow: {github: {repos: [acme/web], operations: [graphql/mutation.deleteRef]}}, credential: k}\n" +
		"  - {name: b, allow: {github: {repos: [acme/web], operations: [graphql/mutation.addStar]}}, credential: k}\n"
	d := ruled(t, two).Decide(means(t, hidden("graphql/mutation.deleteRef"), hidden("graphql/mutation.addStar")))
	assert.Equal(t, policy.Deny, d.Effect)
	assert.Contains(t, d.Reason, "with different credentials or tokens")
}

func TestWhyARuleDoesNotMatch(t *testing.T) {
	t.Parallel()
	p := ruled(t, `
  - {name: read, allow: {github: {repos: [acme/*], access: read}}}
  - {name: write, allow: {github: {repos: [acme/*], access: write}}}
  - {name: refs, allow: {github: {refs: ["refs/heads/agent/**"], updates: [create]}}}
  - {name: docs, allow: {github: {repos: [acme/docs], operations: ["*"]}}}
  - {name: deny, deny: {github: {operations: [git/push], refs: [refs/heads/main]}}}
`)
	for name, c := range map[string]struct {
		call policy.Call
		want []string
	}{
		"a push": {push("update", "refs/heads/x"), []string{
			"access read does not include git/push; name it, or give refs",
			"access write does not include git/push; name it, or give refs",
			"updates [create] do not include update",
			"rule refs bounds the refs that are pushed there, so that another rule has to name git/push exactly, or give refs of its own",
			"refs [refs/heads/main] do not match refs/heads/x",
		}},
		"another push": {push("create", "refs/heads/x"), []string{
			"access read does not include git/push; name it, or give refs",
			"access write does not include git/push; name it, or give refs",
			"refs [refs/heads/agent/**] do not match refs/heads/x",
			"rule refs bounds the refs that are pushed there, so that another rule has to name git/push exactly, or give refs of its own",
			"refs [refs/heads/main] do not match refs/heads/x",
		}},
		"a probe": {probe(), []string{
			"access read does not include git/push; name it, or give refs",
			"access write does not include git/push; name it, or give refs",
			"decides",
			"repos [acme/docs] do not include acme/web",
			"the rule is about refs, and no ref is pushed yet",
		}},
		"a document": {hidden("graphql/mutation.addStar"), []string{
			"access read does not match graphql/mutation.addStar, which takes write",
			"graphql/mutation.addStar hides its repository; repos [acme/*] can allow it only under a credential whose token is narrowed to them: name each, of one owner, or OWNER/*",
			"the rule is about pushes, not graphql/mutation.addStar",
			"graphql/mutation.addStar hides its repository; repos [acme/docs] can allow it only under a credential whose token is narrowed to them: name each, of one owner, or OWNER/*",
			"operations [git/push] do not include graphql/mutation.addStar",
		}},
		"an account's": {ofAccount("orgs/get", policy.Read), []string{
			"repos [acme/*] cannot be told from orgs/get, which names no repository",
			"repos [acme/*] cannot be told from orgs/get, which names no repository",
			"the rule is about pushes, not orgs/get",
			"repos [acme/docs] cannot be told from orgs/get, which names no repository",
			"operations [git/push] do not include orgs/get",
		}},
	} {
		var got []string
		for _, r := range p.Explain(means(t, c.call)).Rules {
			got = append(got, r.Why)
		}
		assert.Equal(t, c.want, got, name)
	}
}

func BenchmarkDecidePush(b *testing.B) {
	var rules strings.Builder
	for i := range 20 {
		fmt.Fprintf(&rules, "  - {name: r%d, allow: {github: {repos: [acme/w*], operations: [git/push], refs: [\"refs/heads/agent/**\"]}}}\n", i)
	}
	p := ruled(b, rules.String())
	calls := make([]policy.Call, 10_000)
	for i := range calls {
		calls[i] = push("create", "refs/heads/agent/branch")
	}
	q := means(b, calls...)
	b.ReportAllocs()
	for b.Loop() {
		if p.Decide(q).Effect != policy.Allow {
			b.Fatal("denied")
		}
	}
}

// What is the same for everybody tells nothing of a repository: it belongs to reading, and is
// no business of a rule that denies something about repositories.
func TestWhatIsTheSameForEverybodyIsRead(t *testing.T) {
	t.Parallel()
	general := with(policy.Call{Operation: "rate-limit/get", Access: policy.Read}, func(f *github.Facts) { f.General = true })
	other := policy.Call{Operation: "users/get-authenticated", Access: policy.Read}
	for rules, want := range map[string][2]policy.Effect{
		`- {name: a, allow: {github: {repos: [acme/web], access: read}}, credential: k}`:                                {policy.Allow, policy.Deny},
		`- {name: a, allow: {github: {repos: [acme/web], operations: ["*/get*"]}}, credential: k}`:                      {policy.Deny, policy.Deny},
		`- {name: a, allow: {github: {access: read}}, credential: k}`:                                                   {policy.Allow, policy.Allow},
		"- {name: a, allow: {github: {access: read}}, credential: k}\n- {name: d, deny: {github: {repos: [acme/web]}}}": {policy.Allow, policy.Deny},
	} {
		p := ruled(t, rules)
		assert.Equal(t, want[0], p.Decide(means(t, general)).Effect, rules)
		assert.Equal(t, want[1], p.Decide(means(t, other)).Effect, rules)
	}
}
