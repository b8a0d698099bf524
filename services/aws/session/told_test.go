package session_test

import (
	"encoding/base32"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials"
)

// forms are some in which a server may give back what it was sent, in a sentence.
func forms(secret string) []string {
	return []string{secret, strings.ToUpper(secret), fmt.Sprintf("%x", secret), base32.StdEncoding.EncodeToString([]byte(secret))}
}

// What STS says of a signature that it does not take has what it was sent in it, the
// session's token too.
func TestSTSWordsBringNoKeys(t *testing.T) {
	t.Parallel()
	const file = `
credentials:
  keys: {kind: aws_keys, access_key_id: ASIABASE, secret: {env: KEY}, session_token: {env: TOKEN}, region: eu-west-1, hosts: ["*.amazonaws.com"]}
  role: {kind: aws_role, role_arn: "arn:aws:iam::123456789012:role/agents", region: eu-west-1, base: keys}
`
	token := canary + "-token"
	set := parse(t, file, options(t, "KEY", canary, "TOKEN", token))
	for _, form := range append(forms(token), forms(canary)...) {
		sts := &fakeSTS{now: time.Now, life: time.Hour, refuse: "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>It was " + form +
			"\nx-amz-security-token:" + form + "</Message></Error></ErrorResponse>"}
		for _, name := range []string{"role", "keys"} {
			_, err := set.Lookup(name).Check(t.Context(), sts)
			require.ErrorContains(t, err, "STS: SignatureDoesNotMatch: It was [redacted]")
			assert.NotContains(t, err.Error(), canary[:6])
			assert.NotContains(t, strings.ToLower(err.Error()), strings.ToLower(canary))
			assert.NotContains(t, err.Error(), "x-amz-security-token")
		}
		_, err := set.Lookup("role").Retrieve(t.Context(), purpose(t, sts, "a"))
		require.ErrorContains(t, err, "SignatureDoesNotMatch")
		assert.NotContains(t, err.Error(), canary[:6])
		var refused *credentials.RefusedError
		require.ErrorAs(t, err, &refused, "what it is told apart by stays")
	}
}
