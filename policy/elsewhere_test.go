package policy_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/policy"
)

// TestPathsOfWhatIsTouchedBesides: a rule about paths is asked about every path that a
// request touches, and allows none that it does not match.
func TestPathsOfWhatIsTouchedBesides(t *testing.T) {
	t.Parallel()
	p := parse(t, `
rules:
  - {name: agents, allow: {host: s3.example, path: "/artifacts/agents/**"}}
  - {name: own, allow: {host: artifacts.s3.example}}
  - {name: kept, deny: {host: "*.s3.example", path: "/artifacts/agents/kept/**"}}
  - {name: kept-too, deny: {host: "s3.example", path: "/artifacts/agents/kept/**"}}
  - {name: named, allow: {host: own.example}}
  - {name: any, allow: {host: "*.any.example"}}
`)
	at := func(path string) policy.Path {
		parsed, err := policy.ParsePath(path)
		require.NoError(t, err)
		return parsed
	}
	for name, c := range map[string]struct {
		url    string
		call   policy.Call
		effect policy.Effect
		rule   string
		why    string // of the first rule
	}{
		"the same":        {"https://s3.example/artifacts/agents/a", policy.Call{Path: at("/artifacts/agents/b")}, policy.Allow, "agents", "decides"},
		"another key":     {"https://s3.example/artifacts/agents/a", policy.Call{Path: at("/artifacts/prod/b")}, policy.Deny, "", "path /artifacts/agents/** does not match /artifacts/prod/b, which copy touches too"},
		"a denied key":    {"https://s3.example/artifacts/agents/a", policy.Call{Path: at("/artifacts/agents/kept/b")}, policy.Deny, "kept-too", "matches, but deny by rule kept-too goes before allow"},
		"an unknown key":  {"https://s3.example/artifacts/agents/a", policy.Call{Elsewhere: true}, policy.Deny, "kept-too", "path /artifacts/agents/** says nothing of what copy touches"},
		"another bucket":  {"https://artifacts.s3.example/a", policy.Call{Elsewhere: true, OtherHost: true}, policy.Deny, "kept", "host s3.example does not match artifacts.s3.example"},
		"no host's own":   {"https://own.example/a", policy.Call{Elsewhere: true, OtherHost: true}, policy.Deny, "", "host s3.example does not match own.example"},
		"any host":        {"https://a.any.example/a", policy.Call{Elsewhere: true, OtherHost: true}, policy.Allow, "any", "host s3.example does not match a.any.example"},
		"a host, a key":   {"https://artifacts.s3.example/a", policy.Call{Path: at("/b")}, policy.Allow, "own", "host s3.example does not match artifacts.s3.example"},
		"denied anywhere": {"https://artifacts.s3.example/a", policy.Call{Path: at("/artifacts/agents/kept/b")}, policy.Deny, "kept", "host s3.example does not match artifacts.s3.example"},
	} {
		c.call.Operation = "copy"
		q := query(t, "PUT "+c.url)
		q.Meaning = &policy.Meaning{Service: "store", Calls: []policy.Call{c.call}}
		e := p.Explain(q)
		assert.Equal(t, c.effect, e.Decision.Effect, "%s: %s", name, e.Decision.Reason)
		assert.Equal(t, c.rule, e.Decision.Rule, name)
		assert.Equal(t, c.why, e.Rules[0].Why, name)
		assert.Equal(t, e.Decision, p.Decide(q), name)
	}
}
