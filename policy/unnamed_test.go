package policy_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/policy"
)

// A rule about hosts that injects does so only into what has a name.
func TestUnnamed(t *testing.T) {
	t.Parallel()
	planted := call("keys/create", policy.Write)
	planted.Credential = true
	const host = "  - {name: h, allow: {host: forge.example}}\n"
	const injected = "  - {name: h, allow: {host: forge.example}, credential: k}\n"
	for _, c := range []struct {
		rules string
		calls []policy.Call
		want  string
	}{
		{injected, nil, "deny"},
		{injected, []policy.Call{call("pulls/create", policy.Write)}, "allow h"},
		{injected, []policy.Call{planted}, "deny"},
		{"  - {name: h, allow: {host: \"*.example\", path: /x}, credential: fixed}\n", nil, "deny"},
		{host, nil, "allow h"},
		{injected + "  - {name: n, allow: {host: forge.example}, credential: k, unnamed: allow}\n", nil, "allow n"},
		{"  - {name: n, allow: {host: forge.example}, credential: k, unnamed: allow}\n", []policy.Call{planted}, "deny"},
		{"  - {name: q, ask: {host: forge.example}, credential: k}\n", nil, "deny"},
		{"  - {name: q, ask: {host: forge.example}, credential: k}\n" + host, nil, "ask q"},
		{"  - {name: q, ask: {host: forge.example}, credential: k, unnamed: allow}\n", nil, "ask q"},
		{"  - {name: n, allow: {host: forge.example}, credential: k, unnamed: allow}\n  - {name: d, deny: {forge: {operations: [\"*/delete*\"]}}}\n", nil, "deny d"},
	} {
		decides(t, c.rules, c.calls, c.want)
	}
}

// Whoever meant what has no name is told what to write, and is warned once it is written.
func TestUnnamedIsExplainedAndWarnedOf(t *testing.T) {
	t.Parallel()
	p := forged(t, "  - {name: h, allow: {host: forge.example}, credential: k}\n")
	d := p.Decide(means(t))
	assert.Equal(t, "no rule of policy test allows this request; the request has no name at its service: the path says nothing", d.Reason)
	why := p.Explain(means(t)).Rules[0].Why
	assert.Equal(t, "the request has no name at its service, so that what it would do with credential k is not known: the path says nothing; "+
		"give what is meant a rule about the service's operations, or write unnamed: allow", why)
	assert.Empty(t, p.Warnings())
	p = forged(t, "  - {name: h, allow: {host: forge.example}, credential: k, unnamed: allow}\n  - {name: n, allow: {host: forge.example}, unnamed: allow}\n")
	warnings := p.Warnings()
	require.Len(t, warnings, 3)
	assert.Contains(t, warnings[0].Error(), "test.yaml:3: rules[h].unnamed: lets credential k onto requests of which nobody can say what they do, "+
		"so that no operations, access or things bound them; give those that have a name a rule about operations")
	assert.Contains(t, warnings[1].Error(), "rules[n].unnamed: has no effect without a credential")
}
