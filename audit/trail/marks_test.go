package trail_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// TestDetailsNameAnExchangeByTheirMarks: an exchange is found by each mark that its details tell
// under the keys for them, and by nothing else that they say.
func TestDetailsNameAnExchangeByTheirMarks(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	in := intent()
	in.Operation = "aws:s3/GetObject"
	in.Details = map[string]any{
		audit.DetailKey: "ASIA1", audit.DetailSession: "session", audit.DetailSource: "source",
		audit.DetailToken: "BAOSujPYTqWKDGcqdOMRhpNLuaNnIyKkvHNTyEOA7rU=",
		audit.DetailRefs:  []any{map[string]any{"ref": "r", "old": "0000", "new": "c0ffee"}}, "region": "eu-west-1",
	}
	require.NoError(t, writer.Begin(t.Context(), in))
	token, ok := audit.TokenMark("BAOSujPYTqWKDGcqdOMRhpNLuaNnIyKkvHNTyEOA7rU=")
	require.True(t, ok)
	for mark, want := range map[string]int{"ASIA1": 1, "session": 1, "source": 1, token: 1, "c0ffee": 1, "0000": 0, "eu-west-1": 0, "r": 0} {
		list, err := reader(t, path).List(t.Context(), audit.Filter{Mark: mark})
		require.NoError(t, err)
		assert.Len(t, list, want, mark)
	}
}
