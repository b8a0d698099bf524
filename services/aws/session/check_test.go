package session_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A check is told neither of what is kept nor of a failure a moment ago.
func TestACheckOfARoleAsksAnew(t *testing.T) {
	set, _, sts := roles(t)
	for range 2 {
		_, err := set.Lookup("role").Check(t.Context(), sts)
		require.NoError(t, err)
	}
	assert.Equal(t, 2, sts.count())
	for range 2 {
		_, err := set.Lookup("second").Check(t.Context(), sts)
		require.NoError(t, err)
	}
	assert.Equal(t, 6, sts.count(), "the whole chain")

	for _, name := range []string{"AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", t.TempDir())
	const file = "credentials:\n  role: {kind: aws_role, role_arn: \"arn:aws:iam::123456789012:role/agents\", region: eu-west-1}\n"
	c := parse(t, file, options(t)).Lookup("role")
	_, err := c.Retrieve(t.Context(), purpose(t, sts, "a"))
	require.ErrorContains(t, err, "AWS's default chain has no keys")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIACHAIN")
	t.Setenv("AWS_SECRET_ACCESS_KEY", canary)
	_, err = c.Check(t.Context(), sts)
	require.NoError(t, err)
}
