package github_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/policy"
	"sallyport/services"
	"sallyport/services/github"
)

// outlined is a request whose body would tell the rest, with what it may turn out to be.
type outlined struct {
	outline policy.Outline
	turnsTo [][]policy.Call // none for one that cannot be read
}

func outlines(repo string) []outlined {
	unread := onRepo(call("git/push", policy.Write), repo)
	pushed := func(update, ref string) policy.Call { return onRepo(push(update, ref), repo) }
	field := func(name string, access policy.Access, secret bool) policy.Call {
		c := hidden("graphql/" + name)
		c.Access, c.Credential = access, secret
		return c
	}
	batch := onRepo(call("git/lfs-*", 0), repo)
	return []outlined{
		{unreadPush(unread), [][]policy.Call{
			nil,
			{onRepo(probe(), repo)},
			{pushed("create", "refs/heads/agent/a")},
			{pushed("update", "refs/heads/main")},
			{pushed("create", "refs/heads/agent/a"), pushed("delete", "refs/heads/main")},
		}},
		{document(), [][]policy.Call{
			nil,
			{field("query.viewer", policy.Read, false)},
			{field("mutation.deleteRef", policy.Write, false)},
			{field("query.viewer", policy.Read, false), field("mutation.addKey", policy.Write, true)},
		}},
		{policy.Outline{Call: batch}, [][]policy.Call{
			nil,
			{onRepo(call("git/lfs-download", policy.Read), repo)},
			{onRepo(call("git/lfs-upload", policy.Write), repo)},
		}},
	}
}

func unreadPush(c policy.Call) policy.Outline {
	return policy.Outline{Call: with(c, func(f *github.Facts) { f.Unread = true })}
}

func document() policy.Outline {
	c := hidden("graphql/*")
	c.Access = 0
	return policy.Outline{Call: c}
}

// TestUnreadAnswersAreThoseOfTheWholeRequest holds what is answered without the body to
// what would be answered with it, whatever that says.
func TestUnreadAnswersAreThoseOfTheWholeRequest(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	certain := 0
	languages := services.Languages([]services.Service{github.New()}, lookup(t))
	for range 5000 {
		var rules strings.Builder
		ofBody := false // some deny looks at what only the body tells
		for i := range random.IntN(4) {
			effect := pick("allow", "allow", "ask", "deny")
			var keys []string
			add := func(key string, values ...string) {
				if value := pick(append(values, "", "")...); value != "" {
					keys = append(keys, key+": "+value)
					ofBody = ofBody || effect == "deny" && key != "repos"
				}
			}
			if random.IntN(4) == 0 {
				fmt.Fprintf(&rules, "  - {name: r%d, %s: {host: github.com, methods: [%s]}}\n", i, effect, pick("GET", "POST"))
				continue
			}
			add("repos", "[acme/web]", "[acme/*]", "[other/*]")
			add("operations", "[git/push]", "[\"git/*\"]", "[\"graphql/*\"]", "[graphql/mutation.deleteRef]", "[git/lfs-upload]", "[pulls/create]", "[\"*/delete*\"]")
			add("access", "read", "write")
			add("refs", "[\"refs/heads/agent/**\"]")
			add("updates", "[create]")
			if len(keys) == 0 {
				keys = []string{"access: admin"}
			}
			fmt.Fprintf(&rules, "  - {name: r%d, %s: {github: {%s}}}\n", i, effect, strings.Join(keys, ", "))
		}
		p, err := policy.Parse("test.yaml", []byte("policy: test\nrules:\n"+rules.String()), languages...)
		if err != nil {
			continue // a rule about nothing
		}
		for _, o := range outlines(pick("acme/web", "other/x")) {
			unread, sure := p.DecideUnread(means(t), &o.outline)
			for _, calls := range o.turnsTo {
				read := p.Decide(means(t, calls...))
				if !sure {
					continue
				}
				certain++
				require.Equal(t, policy.Deny, unread.Effect)
				require.Equal(t, policy.Deny, read.Effect, "%s\n%v", rules.String(), calls)
				if !ofBody && calls != nil {
					require.Equal(t, read.Rule, unread.Rule, "%s\n%v", rules.String(), calls)
				}
			}
		}
	}
	require.Greater(t, certain, 1000)
}

func TestWhatTheLineAloneAnswers(t *testing.T) {
	t.Parallel()
	pushes, document := unreadPush(call("git/push", policy.Write)), document()
	for _, c := range []struct {
		rules   string
		outline policy.Outline
		want    string // "" if the body has to be read
	}{
		{"  []\n", pushes, "no rule"},
		{"  []\n", document, "no rule"},
		{"  - {name: a, allow: {github: {repos: [acme/docs], refs: [\"refs/**\"]}}}\n", pushes, "no rule"},
		{"  - {name: a, allow: {github: {repos: [acme/web], access: read}}}\n", pushes, "no rule"},
		{"  - {name: a, allow: {github: {repos: [acme/web], access: write}}}\n", pushes, "no rule"},
		{"  - {name: a, allow: {github: {repos: [acme/web], operations: [pulls/create]}}}\n", document, "no rule"},
		{"  - {name: a, allow: {host: elsewhere.example}}\n", pushes, "no rule"},
		{"  - {name: a, allow: {github: {repos: [acme/*], access: read}}, credential: k}\n", pushes, "no rule"},
		{"  - {name: a, allow: {github: {refs: [refs/heads/a]}}}\n  - {name: d, deny: {github: {repos: [acme/web]}}}\n", pushes, "d"},
		{"  - {name: a, allow: {github: {refs: [refs/heads/a]}}}\n  - {name: d, deny: {host: github.com}}\n", document, "d"},

		{"  - {name: a, allow: {github: {refs: [refs/heads/a]}}}\n  - {name: d, deny: {github: {refs: [refs/heads/b]}}}\n", pushes, ""},
		{"  - {name: a, ask: {github: {operations: [git/push]}}}\n", pushes, ""},
		{"  - {name: a, allow: {host: github.com}}\n", pushes, ""},
		{"  - {name: a, allow: {host: github.com}}\n", document, ""},
		{"  - {name: a, allow: {github: {operations: [\"graphql/query.*\"]}}}\n", document, ""},
		{"  - {name: a, allow: {github: {repos: [acme/*], access: read}}, credential: k}\n", document, ""},
	} {
		d, sure := ruled(t, c.rules).DecideUnread(means(t), &c.outline)
		assert.Equal(t, c.want != "", sure, c.rules)
		if c.want == "" {
			continue
		}
		assert.Equal(t, policy.Deny, d.Effect)
		if c.want == "no rule" {
			assert.Empty(t, d.Rule, c.rules)
		} else {
			assert.Equal(t, c.want, d.Rule)
		}
		assert.Contains(t, d.Reason, c.outline.Call.Operation)
	}
	_, sure := (*policy.Policy)(nil).DecideUnread(means(t), &pushes)
	assert.True(t, sure, "what is not loaded denies unread, too")
}
