package github_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"sallyport/policy"
	"sallyport/services/github"
)

// writesRef is a way to write a ref that is no push.
func writesRef(operation string) policy.Call { return loose(call(operation, policy.Write)) }

func loose(c policy.Call) policy.Call {
	return with(c, func(f *github.Facts) { f.WritesRef = true })
}

// Where a policy bounds refs, no rule allows another way to write them unless it names it
// exactly: however many rules the policy has, and whichever of them bounds.
func TestRefsBoundEveryWayToWriteThem(t *testing.T) {
	t.Parallel()
	document := loose(hidden("graphql/mutation.updateRef"))
	merge, other := writesRef("pulls/merge"), onRepo(writesRef("pulls/merge"), "acme/docs")
	exported := loose(ofAccount("codespaces/export", policy.Write))
	ofNobody := loose(policy.Call{Operation: "codespaces/export", Access: policy.Write})
	const (
		agents = "  - {name: refs, allow: {github: {repos: [acme/web], operations: [git/push], refs: [\"refs/heads/agent/**\"]}}, credential: k}\n"
		write  = "  - {name: w, allow: {github: {repos: [acme/*], access: write}}, credential: k}\n"
		host   = "  - {name: h, allow: {host: github.com}, credential: k}\n"
	)
	decide(t, []asked{
		// One rule that says both, the rule beside it, and one that says nothing of refs.
		{"  - {name: a, allow: {github: {repos: [acme/web], access: write, refs: [\"refs/heads/agent/**\"]}}}\n", []policy.Call{merge}, "deny"},
		{"  - {name: a, allow: {github: {repos: [acme/web], access: write, refs: [\"refs/heads/agent/**\"]}}}\n", []policy.Call{call("pulls/create", policy.Write)}, "allow a"},
		{agents + write, []policy.Call{merge}, "deny"},
		{write + agents, []policy.Call{merge}, "deny"},
		{agents + write, []policy.Call{call("pulls/create", policy.Write)}, "allow w"},
		{agents + write, []policy.Call{other}, "allow w"},
		{write, []policy.Call{merge}, "allow w"},
		{agents + "  - {name: w, allow: {github: {access: admin}}}\n", []policy.Call{merge}, "deny"},
		{agents + "  - {name: w, allow: {github: {operations: [\"pulls/*\"]}}}\n", []policy.Call{merge}, "deny"},
		{agents + "  - {name: w, allow: {github: {operations: [\"*/*\", pulls/merge]}}}\n", []policy.Call{merge}, "allow w"},
		{agents + "  - {name: w, allow: {github: {operations: [pulls/merge], access: write}}}\n", []policy.Call{merge}, "allow w"},
		{agents + host, []policy.Call{merge}, "deny"},
		{agents + host, []policy.Call{other}, "allow h"},
		{agents + host, []policy.Call{call("pulls/create", policy.Write)}, "allow h"},

		// Whichever rule bounds: by updates, by asking, by denying.
		{"  - {name: u, allow: {github: {repos: [acme/web], updates: [create]}}, credential: k}\n" + write, []policy.Call{merge}, "deny"},
		{"  - {name: q, ask: {github: {repos: [acme/web], operations: [git/push], refs: [refs/heads/main]}}}\n" + write, []policy.Call{merge}, "deny"},
		{"  - {name: d, deny: {github: {repos: [acme/web], operations: [git/push], refs: [refs/heads/main]}}}\n" + write, []policy.Call{merge}, "deny"},
		{"  - {name: d, deny: {github: {operations: [git/push], refs: [refs/heads/main]}}}\n" + host, []policy.Call{merge}, "deny"},
		{"  - {name: d, deny: {github: {repos: [acme/api], operations: [git/push], refs: [refs/heads/main]}}}\n" + write, []policy.Call{merge}, "allow w"},
		{"  - {name: d, deny: {github: {host: other.example, operations: [git/push], refs: [refs/heads/main]}}}\n" + write, []policy.Call{merge}, "allow w"},

		// What names it exactly passes the bound, but not a rule that denies the ref it may write.
		{"  - {name: d, deny: {github: {operations: [git/push], refs: [refs/heads/main]}}}\n  - {name: m, allow: {github: {operations: [pulls/merge]}}}\n", []policy.Call{merge}, "allow m"},
		{"  - {name: d, deny: {github: {refs: [refs/heads/main]}}}\n  - {name: m, allow: {github: {operations: [pulls/merge]}}}\n", []policy.Call{merge}, "deny d"},
		{"  - {name: q, ask: {github: {refs: [refs/heads/main]}}}\n  - {name: m, allow: {github: {operations: [pulls/merge]}}}\n", []policy.Call{merge}, "ask q"},
		{"  - {name: q, ask: {github: {access: write}}}\n" + agents, []policy.Call{merge}, "ask q"},

		// Of a document whose repository is hidden the token is the bound.
		{agents + write, []policy.Call{document}, "deny"},
		{agents + "  - {name: w, allow: {github: {repos: [acme/docs], access: write}}, credential: k}\n", []policy.Call{document}, "allow w"},
		{agents + "  - {name: w, allow: {github: {access: write}}, credential: k}\n", []policy.Call{document}, "deny"},
		{agents + "  - {name: w, allow: {github: {repos: [acme/web], operations: [graphql/mutation.updateRef]}}, credential: k}\n", []policy.Call{document}, "allow w"},
		{agents + host, []policy.Call{document}, "deny"},

		// What names no repository may mean one that is bounded.
		{agents + "  - {name: w, allow: {github: {access: write}}}\n", []policy.Call{exported}, "deny"},
		{agents + "  - {name: w, allow: {github: {access: write}}}\n", []policy.Call{ofNobody}, "deny"},
		{strings.ReplaceAll(agents, "acme", "other") + "  - {name: w, allow: {github: {access: write}}}\n", []policy.Call{exported}, "allow w"},

		// A push past the refs that are allowed, by a rule that does not speak of pushes.
		{agents + host, []policy.Call{push("update", "refs/heads/main")}, "deny"},
		{agents + host, []policy.Call{push("update", "refs/heads/agent/a")}, "allow refs"},
		{agents + "  - {name: w, allow: {github: {operations: [\"git/*\"]}}}\n", []policy.Call{push("update", "refs/heads/main")}, "deny"},
		{agents + "  - {name: w, allow: {github: {operations: [git/push]}}}\n", []policy.Call{push("update", "refs/heads/main")}, "allow w"},
		{agents + "  - {name: w, allow: {github: {refs: [\"refs/tags/**\"]}}}\n", []policy.Call{push("create", "refs/tags/v1")}, "allow w"},
		{"  - {name: d, deny: {github: {operations: [git/push], refs: [refs/heads/main]}}}\n" + host, []policy.Call{push("update", "refs/heads/a")}, "allow h"},
	})
}

func TestRefsThatAreBoundedAreExplained(t *testing.T) {
	t.Parallel()
	p := ruled(t, `
  - {name: refs, allow: {github: {repos: [acme/web], operations: [git/push], refs: ["refs/heads/agent/**"]}}, credential: k}
  - {name: w, allow: {github: {repos: [acme/*], access: write}}, credential: k}
  - {name: h, allow: {host: github.com}, credential: k}
  - {name: d, deny: {github: {repos: [acme/api], refs: [refs/heads/main]}}}
`)
	const why = "pulls/merge writes a ref other than by a push, and rule refs bounds the refs there, so that a rule has to name it exactly"
	e := p.Explain(means(t, writesRef("pulls/merge")))
	assert.Equal(t, why, e.Rules[1].Why)
	assert.Equal(t, why, e.Rules[2].Why)
	assert.Equal(t, "no rule of policy test allows this request: pulls/merge on acme/web, which writes a ref other than by a push, and rule refs bounds the refs there, so that a rule has to name it exactly", e.Decision.Reason)
	assert.Contains(t, p.Explain(means(t, push("update", "refs/heads/main"))).Rules[2].Why, "rule refs bounds the refs that are pushed there")
	assert.Equal(t, "decides, to be careful: pulls/merge writes a ref, and which one is not known; if the rule means pushes only, add operations: [git/push]",
		p.Explain(means(t, onRepo(writesRef("pulls/merge"), "acme/api"))).Rules[3].Why)
}

// Rules that name another way to write what refs bound are warned of, and only they.
func TestWaysPastRefsAreWarnedOf(t *testing.T) {
	t.Parallel()
	const agents = "  - {name: refs, allow: {github: {repos: [acme/web], operations: [git/push], refs: [\"refs/heads/agent/**\"]}}}\n"
	const bound = ", which the refs and updates of rule refs on line 3 do not bound; "
	for rule, want := range map[string]string{
		"{repos: [acme/*], operations: [pulls/merge]}":                                        "test.yaml:4: rules[b].allow.github.operations: pulls/merge writes any ref there" + bound + "remove it if they are meant to",
		"{repos: [acme/*], operations: [git/push]}":                                           "test.yaml:4: rules[b].allow.github.operations: git/push pushes to any ref there" + bound + "give this rule refs too",
		"{repos: [acme/web], operations: [git/push, pulls/merge], refs: [\"refs/heads/**\"]}": "pulls/merge writes any ref there",
		"{repos: [acme/docs], operations: [pulls/merge]}":                                     "",
		"{repos: [acme/web], operations: [\"pulls/*\"]}":                                      "",
		"{repos: [acme/web], access: write}":                                                  "",
	} {
		var lines []string
		for _, w := range ruled(t, agents+"  - {name: b, allow: {github: "+rule+"}}\n").Warnings() {
			lines = append(lines, w.Error())
		}
		assert.Len(t, lines, min(len(want), 1), "%s: %v", rule, lines)
		assert.Contains(t, strings.Join(lines, "\n"), want, rule)
	}
}

// What no request can match is warned of: whoever wrote it meant something else.
func TestRulesThatNeverMatchAreWarnedOf(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		"allow: {github: {access: read, refs: [refs/heads/a]}}":                                 "test.yaml:3: rules[a].allow.github: refs and updates speak of pushes, which access read does not include",
		"allow: {github: {access: read, operations: [pulls/create]}}":                           "pulls/create never matches here: it takes write, and the rule gives access read",
		"deny: {github: {access: admin, operations: [pulls/create]}}":                           "pulls/create never matches here: it takes write, and the rule begins at access admin",
		"allow: {github: {repos: [acme/*], operations: [search/code]}}":                         "it is about no repository, and repos [acme/*] want one",
		"allow: {github: {repos: [\"*\"], operations: [graphql/query.viewer]}}":                 "it hides its repository, and repos [*/*] can bound it only under a credential",
		"allow: {github: {repos: [acme/*], operations: [graphql/query.viewer]}}, credential: k": "",
		"deny: {github: {repos: [acme/*], operations: [search/code]}}":                          "",
		"allow: {github: {access: write, refs: [refs/heads/a]}}":                                "",
	} {
		warnings := ruled(t, "  - {name: a, "+rule+"}\n").Warnings()
		if want == "" {
			assert.Empty(t, warnings, rule)
			continue
		}
		if assert.Len(t, warnings, 1, rule) {
			assert.Contains(t, warnings[0].Error(), want, rule)
		}
	}
}

// Rules of one effect that can match the same request, and differ in what goes with it.
func TestRulesThatMeetAreWarnedOf(t *testing.T) {
	t.Parallel()
	const first = "  - {name: a, allow: {github: {repos: [acme/*], access: read}}, credential: k}\n"
	for second, warned := range map[string]bool{
		"{repos: [acme/web], access: write}":              true,
		"{repos: [acme/web], operations: [pulls/create]}": true,
		"{repos: [\"*/web\"], access: read}":              true,
		"{repos: [other/*], access: read}":                false,
		"{host: b.example, access: read}":                 false,
		"{operations: [download/get]}":                    false, // which goes without a credential
		"{operations: [download/get, pulls/create]}":      true,
	} {
		p := ruled(t, first+"  - {name: b, allow: {github: "+second+"}, credential: l}\n")
		assert.Equal(t, warned, len(p.Warnings()) == 1, second)
	}
	const pushes = "  - {name: a, allow: {github: {refs: [\"refs/heads/agent/*\"], updates: [create]}}, credential: k}\n"
	for second, warned := range map[string]bool{
		"{refs: [\"refs/**\"]}":                               true,
		"{refs: [\"refs/heads/*/x\"], updates: [create]}":     true,
		"{refs: [\"refs/heads/agent/a/b\"]}":                  false,
		"{refs: [\"refs/tags/**\"]}":                          false,
		"{refs: [\"refs/heads/agent/a\"], updates: [delete]}": false,
	} {
		p := ruled(t, pushes+"  - {name: b, allow: {github: "+second+"}, credential: l}\n")
		assert.Equal(t, warned, len(p.Warnings()) == 1, second)
	}
}
