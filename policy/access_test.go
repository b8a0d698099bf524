package policy_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"sallyport/policy"
)

func TestAccessStrings(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"read", "write", "admin"} {
		a, ok := policy.ParseAccess(s)
		assert.True(t, ok)
		assert.Equal(t, s, a.String())
	}
	_, ok := policy.ParseAccess("none")
	assert.False(t, ok)
	assert.Equal(t, "none", policy.Access(0).String())
}
