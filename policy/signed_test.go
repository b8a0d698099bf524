package policy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/policy"
)

// TestASignedRuleAllowsWhatIsSent: with a credential that signs, what leaves has encoded
// slashes as slashes and a plus as itself.
func TestASignedRuleAllowsWhatIsSent(t *testing.T) {
	t.Parallel()
	const file = `policy: test
rules:
  - {name: one, allow: {host: s3.example, path: "/artifacts/*"}, credential: CREDENTIAL}
  - {name: page, allow: {host: pages.example, query: {q: ["a b"]}}, credential: CREDENTIAL}
`
	for credential, want := range map[string]policy.Effect{"keys": policy.Deny, "token": policy.Allow} {
		p, err := policy.Parse("test.yaml", []byte(strings.ReplaceAll(file, "CREDENTIAL", credential)), forge{}) // which signs with keys
		require.NoError(t, err)
		for request, want := range map[string]policy.Effect{
			"GET https://s3.example/artifacts/key":          policy.Allow,
			"GET https://s3.example/artifacts/secret%2Fkey": want,
			"GET https://pages.example/?q=a%20b":            policy.Allow,
			"GET https://pages.example/?q=a+b":              want,
		} {
			assert.Equal(t, want, p.Decide(query(t, request)).Effect, "%s with %s", request, credential)
		}
		if credential == "keys" {
			e := p.Explain(query(t, "GET https://s3.example/artifacts/secret%2Fkey"))
			assert.Equal(t, "path /artifacts/* matches /artifacts/secret%2Fkey, but not what is signed and sent in its place, /artifacts/secret/key", e.Rules[0].Why)
			e = p.Explain(query(t, "GET https://pages.example/?q=a+b"))
			assert.Equal(t, "query q: [a b] does not match ?q=a%2Bb", e.Rules[1].Why)
		}
	}
}
