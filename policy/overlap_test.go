package policy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"sallyport/internal/yamldoc"
)

func TestOverlapsThatDifferInCredential(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, first, second string
		overlap             bool
	}{
		{"same host", "host: a.example", "host: a.example", true},
		{"other host", "host: a.example", "host: b.example", false},
		{"wildcard", `host: "*.example"`, "host: a.example", true},
		{"wildcard in wildcard", `host: "*.b.example"`, `host: "*.example"`, true},
		{"everything", `host: "*"`, `host: "*.example"`, true},
		{"everything and an address", `host: "*"`, "host: 192.0.2.1", false},
		{"no host", "path: /v1", "host: 192.0.2.1", true},
		{"default port written", `host: "a.example:443"`, "host: a.example", true},
		{"other port", `host: "a.example:8443"`, "host: a.example", false},
		{"any port", `host: "a.example:*"`, "host: a.example", true},
		{"other scheme", "host: a.example, scheme: http", "host: a.example", false},
		{"common method", "host: a.example, methods: [GET, PUT]", "host: a.example, methods: [PUT]", true},
		{"no common method", "host: a.example, methods: [GET]", "host: a.example, methods: [PUT]", false},
		{"common path", "host: a.example, path: /a/**", "host: a.example, path: /**/b", true},
		{"paths by parts", "host: a.example, path: /x*y", "host: a.example, path: /xa*", true},
		{"no path by parts", "host: a.example, path: /x*y", "host: a.example, path: /xa*z", false},
		{"no common path", "host: a.example, path: /a/*", "host: a.example, path: /a/*/b", false},
		{"no common prefix", "host: a.example, path: /a/**", "host: a.example, path: /b/**", false},
		{"common value", "host: a.example, query: {a: [x, y]}", "host: a.example, query: {a: [y]}", true},
		{"no common value", "host: a.example, query: {a: [x]}", "host: a.example, query: {a: [y]}", false},
		{"other key", "host: a.example, query: {a: [x]}", "host: a.example, query: {b: [y]}", true},
	} {
		rules := "rules:\n  - {name: first, allow: {" + c.first + "}}\n  - {name: second, allow: {" + c.second + "}, credential: key}\n"
		assertOverlap(t, c.name, rules, c.overlap)
		// The same, the other way round.
		rules = "rules:\n  - {name: first, allow: {" + c.second + "}, credential: key}\n  - {name: second, allow: {" + c.first + "}}\n"
		assertOverlap(t, c.name+", turned", rules, c.overlap)
	}
}

func assertOverlap(t *testing.T, name, rules string, overlap bool) {
	t.Helper()
	warnings := parse(t, rules).Warnings()
	if !overlap {
		assert.Empty(t, warnings, name)
		return
	}
	if assert.Len(t, warnings, 1, name) {
		assert.Equal(t, 4, warnings[0].Line, name)
		assert.Equal(t, "rules[second].credential", warnings[0].Key, name)
		assert.Contains(t, warnings[0].Msg, "rule first on line 3", name)
	}
}

func TestHarmlessOverlaps(t *testing.T) {
	t.Parallel()
	for name, rules := range map[string]string{
		"same credential": "  - {name: a, allow: {host: a.example}, credential: key}\n  - {name: b, allow: {host: \"*.example\"}, credential: key}\n",
		"other effect":    "  - {name: a, allow: {host: a.example}, credential: key}\n  - {name: b, ask: {host: a.example}}\n",
		"deny":            "  - {name: a, deny: {host: a.example}}\n  - {name: b, allow: {host: a.example}, credential: key}\n",
	} {
		assert.Empty(t, parse(t, "rules:\n"+rules).Warnings(), name)
	}
}

// What carries no credential whatever the rule says is decided the same by both.
func TestBareRequestsDoNotOverlap(t *testing.T) {
	t.Parallel()
	const read = "  - {name: a, allow: {forge: {access: read}}, credential: k}\n"
	assert.Empty(t, forged(t, read+"  - {name: b, allow: {forge: {operations: [download/get]}}}\n").Warnings())
	assert.NotEmpty(t, forged(t, read+"  - {name: b, allow: {forge: {operations: [download/get, pulls/create]}}}\n").Warnings())
}

func TestWarningText(t *testing.T) {
	t.Parallel()
	warnings := parse(t, `
rules:
  - {name: a, ask: {host: "*"}}
  - {name: b, ask: {host: a.example}, credential: one}
  - {name: c, ask: {host: a.example}, credential: two}
  - {name: d, allow: {host: d.example}, cookies: pass}
`).Warnings()
	var lines []string
	for _, w := range warnings {
		lines = append(lines, w.Error())
	}
	assert.Equal(t, strings.Join([]string{
		"test.yaml:4: rules[b].credential: rule a on line 3 can match the same requests with no credential instead of credential one; the first in the file decides, narrow one of them",
		"test.yaml:5: rules[c].credential: rule b on line 4 can match the same requests with credential one instead of credential two; the first in the file decides, narrow one of them",
		"test.yaml:5: rules[c].credential: rule a on line 3 can match the same requests with no credential instead of credential two; the first in the file decides, narrow one of them",
		"test.yaml:6: rules[d].cookies: has no effect without a credential: only credentialed answers lose their cookies; remove it",
	}, "\n"), strings.Join(lines, "\n"))
	assert.IsType(t, []yamldoc.Error{}, warnings)
}
