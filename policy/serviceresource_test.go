package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/host"
	"sallyport/policy"
)

// boxes is a pattern of what a small made-up cloud keeps: "box/key" or "box/*".
type boxes string

func (b boxes) String() string { return string(b) }

func (b boxes) Matches(resource string) bool {
	start, open := strings.CutSuffix(string(b), "*")
	return resource == string(b) || open && strings.HasPrefix(resource, start)
}

func (b boxes) Touches(resource string) bool {
	start, open := strings.CutSuffix(resource, "*")
	return b.Matches(resource) || open && strings.HasPrefix(string(b), start)
}

func (b boxes) Meets(other string) bool { return b.Touches(other) || boxes(other).Touches(string(b)) }

func cloud() policy.Service {
	s := forge()
	s.Key, s.Title, s.Default, s.Signed = "cloud", "the cloud", "", true
	s.Keys = []string{"service", "operations", "resources", "regions"}
	s.Example = "{service: store, operations: [Get]}"
	s.Part = func(name string) (string, error) {
		if name != "store" {
			return "", fmt.Errorf("no service %s; write service: store", name)
		}
		return name, nil
	}
	s.Resources = func(pattern string, of []policy.Operations) (policy.Resources, error) {
		if len(of) == 1 && of[0].Matches("store/Wait") && of[0].Exact() {
			return nil, fmt.Errorf("nothing can be told of %s", of[0])
		}
		return boxes(pattern), nil
	}
	s.Region = func(pattern string) error {
		if strings.Contains(pattern, "_") {
			return fmt.Errorf("%s is no region", pattern)
		}
		return nil
	}
	s.Hosts = func(credential string) []host.Pattern {
		p, err := host.ParsePattern(credential + ".example")
		if err != nil {
			panic(err)
		}
		return []host.Pattern{p}
	}
	return s
}

func clouded(rules string) (*policy.Policy, error) {
	return policy.Parse("test.yaml", []byte("policy: test\nrules:\n"+rules), forge(), cloud())
}

func atCloud(t *testing.T, calls ...policy.Call) policy.Query {
	t.Helper()
	q, err := policy.ParseRequest("POST", "https://k.example/x")
	require.NoError(t, err)
	q.Meaning = &policy.Meaning{Service: "cloud", Calls: calls}
	if len(calls) == 0 {
		q.Meaning.Unclassified = "the path says nothing"
	}
	return q
}

func TestRulesAboutResourcesAndRegions(t *testing.T) {
	t.Parallel()
	get := func(resource, region string) policy.Call {
		return policy.Call{Operation: "store/Get", Resource: resource, Region: region}
	}
	listing := policy.Call{Operation: "store/List", Resource: "box/*", Container: "box", Region: "here"}
	blind := policy.Call{Operation: "store/Get", Unknown: "its body is not read", Region: "here"}
	secret := policy.Call{Operation: "store/Keys", Region: "here", Credential: true}
	const wide = "  - {name: w, allow: {cloud: {service: store}}, credential: k}\n"
	for _, c := range []struct {
		rules string
		calls []policy.Call
		want  string
	}{
		{wide, []policy.Call{get("box/a", "here")}, "allow w"},
		{wide, []policy.Call{blind}, "allow w"},
		{wide, []policy.Call{secret}, "deny"},
		{wide, nil, "deny"},
		{"  - {name: w, allow: {cloud: {service: store}}, credential: other}\n", []policy.Call{get("box/a", "here")}, "deny"},
		{"  - {name: a, allow: {cloud: {service: store, operations: [Get, Put]}}, credential: k}\n", []policy.Call{get("box/a", "here")}, "allow a"},
		{"  - {name: a, allow: {cloud: {operations: [store/Put]}}, credential: k}\n", []policy.Call{get("box/a", "here")}, "deny"},
		{"  - {name: a, allow: {cloud: {operations: [store/Keys]}}, credential: k}\n", []policy.Call{secret}, "allow a"},
		{"  - {name: a, allow: {cloud: {service: store, operations: [\"Key*\"]}}, credential: k}\n", []policy.Call{secret}, "deny"},

		{"  - {name: a, allow: {cloud: {resources: [\"box/*\"]}}, credential: k}\n", []policy.Call{get("box/a", "here")}, "allow a"},
		{"  - {name: a, allow: {cloud: {resources: [\"box/*\"]}}, credential: k}\n", []policy.Call{get("box/a", "here"), get("chest/a", "here")}, "deny"},
		{"  - {name: a, allow: {cloud: {resources: [\"box/*\"]}}, credential: k}\n", []policy.Call{blind}, "deny"},
		{"  - {name: a, allow: {cloud: {resources: [\"box/a*\"]}}, credential: k}\n", []policy.Call{listing}, "deny"},
		{"  - {name: a, allow: {cloud: {resources: [box]}}, credential: k}\n", []policy.Call{listing}, "allow a"},
		{"  - {name: a, allow: {cloud: {regions: [here]}}, credential: k}\n", []policy.Call{get("box/a", "here")}, "allow a"},
		{"  - {name: a, allow: {cloud: {regions: [\"h*\"]}}, credential: k}\n", []policy.Call{get("box/a", "there")}, "deny"},
		{"  - {name: a, allow: {cloud: {regions: [here]}}, credential: k}\n", []policy.Call{get("box/a", "")}, "deny"},

		// A deny also takes what lies in it in part, or may.
		{wide + "  - {name: d, deny: {cloud: {resources: [\"box/s*\"]}}}\n", []policy.Call{get("box/a", "here")}, "allow w"},
		{wide + "  - {name: d, deny: {cloud: {resources: [\"box/s*\"]}}}\n", []policy.Call{listing}, "deny d"},
		{wide + "  - {name: d, deny: {cloud: {resources: [\"box/s*\"]}}}\n", []policy.Call{blind}, "deny d"},
		{wide + "  - {name: d, deny: {cloud: {regions: [there]}}}\n", []policy.Call{get("box/a", "")}, "deny d"},
		{wide + "  - {name: d, deny: {cloud: {regions: [there]}}}\n", []policy.Call{get("box/a", "here")}, "allow w"},
		{"  - {name: h, allow: {host: k.example}}\n  - {name: d, deny: {cloud: {operations: [\"*/Delete*\"]}}}\n", nil, "deny d"},
		{"  - {name: h, allow: {host: k.example}}\n  - {name: q, ask: {cloud: {operations: [\"*/Delete*\"]}}, credential: k}\n", nil, "ask q"},
	} {
		p, err := clouded(c.rules)
		require.NoError(t, err, c.rules)
		q := atCloud(t, c.calls...)
		d := p.Decide(q)
		assert.Equal(t, c.want, strings.TrimSpace(d.Effect.String()+" "+d.Rule), "%s%v: %s", c.rules, c.calls, d.Reason)
		e := p.Explain(q)
		assert.Equal(t, d, e.Decision)
		for _, r := range e.Rules {
			assert.NotEmpty(t, r.Why, "%s%v", c.rules, c.calls)
		}
	}
}

func TestBadRulesAboutResources(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		"allow: {cloud: {service: store}}":                                                    "nothing goes to the cloud unsigned; give the rule a credential",
		"allow: {cloud: {}}, credential: k":                                                   "write {service: store",
		"allow: {cloud: {repos: [a/b]}}, credential: k":                                       "known here are service, operations, resources, regions",
		"allow: {cloud: {service: stroe}}, credential: k":                                     "write service: store",
		"allow: {cloud: {service: store, operations: [store/Get]}}, credential: k":            "write the operation alone, as in Get",
		"allow: {cloud: {operations: [Get]}}, credential: k":                                  "did you mean",
		"allow: {cloud: {service: store, operations: [Wait], resources: [b]}}, credential: k": "rules[a].allow.cloud.resources[0]: nothing can be told of store/Wait",
		"allow: {cloud: {service: store, regions: [eu_west]}}, credential: k":                 "eu_west is no region",
		"allow: {cloud: {service: store, regions: []}}, credential: k":                        "the list is empty",
		"allow: {cloud: {service: [store]}}, credential: k":                                   "write service: s3",
		"allow: {github: {resources: [b]}}":                                                   "rules[a].allow.github.resources: unknown key",
	} {
		_, err := clouded("  - {name: a, " + rule + "}\n")
		assert.ErrorContains(t, err, want, rule)
	}
}

func TestRulesWithDifferentKeysAreWarnedOfWhereTheyMeet(t *testing.T) {
	t.Parallel()
	// Two credentials for one host, so that the rules are told apart by nothing else.
	s := cloud()
	s.Hosts = func(string) []host.Pattern { p, _ := host.ParsePattern("k.example"); return []host.Pattern{p} }
	for second, warned := range map[string]bool{
		"{service: store, resources: [\"box/a*\"]}":  true,
		"{service: store, resources: [\"chest/*\"]}": false,
		"{resources: [\"box/*\"], regions: [there]}": false,
	} {
		p, err := policy.Parse("test.yaml", []byte("policy: test\nrules:\n  - {name: a, allow: {cloud: {resources: [\"box/*\"], regions: [here]}}, credential: k}\n"+
			"  - {name: b, allow: {cloud: "+second+"}, credential: l}\n"), s)
		require.NoError(t, err)
		assert.Equal(t, warned, len(p.Warnings()) == 1, second)
	}
}
