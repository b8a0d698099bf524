package policy_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/policy"
)

// outlined is a request whose body would tell the rest, with what it may turn out to be.
type outlined struct {
	outline policy.Outline
	turnsTo [][]policy.Call // none for one that cannot be read
}

func outlines() []outlined {
	field := func(name string, access policy.Access, secret bool) policy.Call {
		return policy.Call{Operation: "graphql/" + name, Access: access, Credential: secret}
	}
	return []outlined{
		{policy.Outline{Call: policy.Call{Operation: "graphql/*"}}, [][]policy.Call{
			nil,
			{field("query.viewer", policy.Read, false)},
			{field("mutation.deleteRef", policy.Write, false)},
			{field("query.viewer", policy.Read, false), field("mutation.addKey", policy.Write, true)},
		}},
		{policy.Outline{Call: call("git/lfs-*", 0)}, [][]policy.Call{
			nil,
			{call("git/lfs-download", policy.Read)},
			{call("git/lfs-upload", policy.Write)},
		}},
		{policy.Outline{Call: call("git/push", policy.Write)}, [][]policy.Call{nil, {call("git/push", policy.Write)}}},
	}
}

// TestUnreadAnswersAreThoseOfTheWholeRequest holds what is answered without the body to
// what would be answered with it, whatever that says.
func TestUnreadAnswersAreThoseOfTheWholeRequest(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	certain := 0
	for range 5000 {
		var rules strings.Builder
		ofBody := false // some deny looks at what only the body tells
		for i := range random.IntN(4) {
			effect := pick("allow", "allow", "ask", "deny")
			var keys []string
			add := func(key string, values ...string) {
				if value := pick(append(values, "", "")...); value != "" {
					keys = append(keys, key+": "+value)
					ofBody = ofBody || effect == "deny" && key != "things"
				}
			}
			if random.IntN(4) == 0 {
				fmt.Fprintf(&rules, "  - {name: r%d, %s: {host: forge.example, methods: [%s]}}\n", i, effect, pick("GET", "POST"))
				continue
			}
			add("things", "[web]", "[other]")
			add("operations", "[git/push]", "[\"git/*\"]", "[\"graphql/*\"]", "[graphql/mutation.deleteRef]", "[git/lfs-upload]", "[pulls/create]", "[\"*/delete*\"]")
			add("access", "read", "write")
			if len(keys) == 0 {
				keys = []string{"access: admin"}
			}
			fmt.Fprintf(&rules, "  - {name: r%d, %s: {forge: {%s}}}\n", i, effect, strings.Join(keys, ", "))
		}
		p, err := policy.Parse("test.yaml", []byte("policy: test\nrules: \n"+rules.String()), forge{})
		if err != nil {
			continue // no rule
		}
		for _, o := range outlines() {
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
	pushes := policy.Outline{Call: call("git/push", policy.Write)}
	document := policy.Outline{Call: policy.Call{Operation: "graphql/*"}}
	for _, c := range []struct {
		rules   string
		outline policy.Outline
		want    string // "" if the body has to be read
	}{
		{"  []\n", pushes, "no rule"},
		{"  []\n", document, "no rule"},
		{"  - {name: a, allow: {forge: {things: [docs]}}}\n", pushes, "no rule"},
		{"  - {name: a, allow: {forge: {access: read}}}\n", pushes, "no rule"},
		{"  - {name: a, allow: {forge: {operations: [pulls/create]}}}\n", document, "no rule"},
		{"  - {name: a, allow: {host: elsewhere.example}}\n", pushes, "no rule"},
		{"  - {name: a, allow: {forge: {access: write}}}\n  - {name: d, deny: {forge: {things: [web]}}}\n", pushes, "d"},
		{"  - {name: a, allow: {forge: {access: write}}}\n  - {name: d, deny: {host: forge.example}}\n", document, "d"},

		{"  - {name: a, ask: {forge: {operations: [git/push]}}}\n", pushes, ""},
		{"  - {name: a, allow: {host: forge.example}}\n", pushes, ""},
		{"  - {name: a, allow: {host: forge.example}}\n", document, ""},
		{"  - {name: a, allow: {forge: {operations: [\"graphql/query.*\"]}}}\n", document, ""},
		{"  - {name: a, allow: {forge: {access: read}}, credential: k}\n", document, ""},
	} {
		d, sure := forged(t, c.rules).DecideUnread(means(t), &c.outline)
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
