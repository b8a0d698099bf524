package policy_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"sallyport/policy"
)

const explained = `
rules:
  - {name: model, allow: {host: api.example, methods: [GET, POST], path: /v1/**}}
  - {name: wild, allow: {host: "*.example", query: {state: [open, closed]}}}
  - {name: ported, allow: {host: "api.example:8443"}}
  - {name: clear, allow: {host: api.example, scheme: http}}
  - {name: again, allow: {host: api.example, path: /v1/**}}
  - {name: anywhere, ask: {path: /ask/**}}
  - {name: hidden, deny: {path: "/**/.env"}}
`

func TestExplain(t *testing.T) {
	t.Parallel()
	p := parse(t, explained)
	for request, want := range map[string][]string{
		"POST https://api.example/v1/messages": {
			"decides",
			"query state: [open, closed] does not match ?",
			"host api.example:8443 does not match port 443",
			"scheme http does not match https",
			"matches, but rule model stands before it",
			"path /ask/** does not match /v1/messages",
			"path /**/.env does not match /v1/messages",
		},
		"DELETE https://api.example:9443/v2/x": {
			"without a port the rule means port 443, not 9443",
			"without a port the rule means port 443, not 9443",
			"host api.example:8443 does not match port 9443",
			"scheme http does not match https",
			"without a port the rule means port 443, not 9443",
			"without a port the rule means port 443, not 9443",
			"path /**/.env does not match /v2/x",
		},
		"DELETE https://other.example/ask//.env?state=open&state=all": {
			"host api.example does not match other.example",
			"query state: [open, closed] matches only some values, or only one reading, of ?state=open&state=all",
			"host api.example:8443 does not match other.example",
			"scheme http does not match https",
			"host api.example does not match other.example",
			"matches, but deny by rule hidden goes before ask",
			"decides",
		},
		"PUT https://api.example//ask": {
			"methods [GET, POST] do not include PUT",
			"query state: [open, closed] does not match ?",
			"host api.example:8443 does not match port 443",
			"scheme http does not match https",
			"path /v1/** does not match //ask",
			"may match, but an ask rule in doubt grants nothing: path /ask/** matches //ask only if slashes are merged or decoded",
			"path /**/.env does not match //ask",
		},
		"GET https://api.example/v1/x%2F.env?a;b": {
			"matches, but deny by rule hidden goes before allow",
			"the rule reads the query, and this one has a ; or an invalid percent-escape",
			"host api.example:8443 does not match port 443",
			"scheme http does not match https",
			"matches, but deny by rule hidden goes before allow",
			"path /ask/** does not match /v1/x%2F.env",
			"decides, to be careful: path /**/.env matches /v1/x%2F.env only if slashes are merged or decoded",
		},
		"WEBSOCKET https://192.0.2.1/.env": {
			"host api.example does not match 192.0.2.1",
			"host *.example does not match 192.0.2.1: a * stands for names, never for an address",
			"host api.example:8443 does not match 192.0.2.1",
			"scheme http does not match https",
			"host api.example does not match 192.0.2.1",
			"path /ask/** does not match /.env",
			"decides",
		},
		"WEBSOCKET https://api.example/v1/": {
			"methods [GET, POST] do not include WEBSOCKET, though a server may read it as one of them",
			"query state: [open, closed] does not match ?",
			"host api.example:8443 does not match port 443",
			"scheme http does not match https",
			"decides",
			"path /ask/** does not match /v1/",
			"path /**/.env does not match /v1/",
		},
	} {
		q := query(t, request)
		e := p.Explain(q)
		assert.Equal(t, p.Decide(q), e.Decision, request)
		var why []string
		for _, r := range e.Rules {
			why = append(why, r.Why)
			assert.Equal(t, r.Rule == e.Decision.Rule, r.Decides, request)
		}
		assert.Equal(t, want, why, request)
	}
}

func TestExplainSaysWhereRulesAre(t *testing.T) {
	t.Parallel()
	e := parse(t, explained).Explain(query(t, "GET https://api.example/v1/"))
	assert.Equal(t, policy.RuleExplanation{
		Rule: "model", Effect: policy.Allow, Line: 3, Matched: true, Decides: true, Why: "decides",
	}, e.Rules[0])
	assert.Equal(t, policy.RuleExplanation{
		Rule: "again", Effect: policy.Allow, Line: 7, Matched: true, Why: "matches, but rule model stands before it",
	}, e.Rules[4])
	assert.Equal(t, policy.Deny, e.Rules[6].Effect)
	assert.False(t, e.Rules[6].Matched)
}
