package trail_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// TestLongDetailsKeepWhatIdentifies: whatever else a row's details hold, what tells whose
// credential it was is in them, and as much of the lists as there is room for.
func TestLongDetailsKeepWhatIdentifies(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	var operations, refs []any
	for i := range 100 {
		operations = append(operations, fmt.Sprintf("github:graphql/query.%s%d", strings.Repeat("f", 240), i))
		refs = append(refs, map[string]any{"ref": strings.Repeat("r", 100), "old": "a", "new": "b", "update": "update"})
	}
	identity := map[string]any{
		"hashed_token": "RoB0+Sm6XDrTo2v2nHf3JQrCdNy0RGgtcI8ieldVwRY=", "account": "acme", "installation": int64(4711),
		"source_identity": "agent-0198c5f2-6f5e-7c3a-9b1a-3f0e7c1d2a4b", "calls_total": int64(2000),
	}
	in := intent()
	in.Details = map[string]any{
		"operations": operations, "refs": refs, "unclassified": strings.Repeat("u", 20000),
		"query":           map[string]any{strings.Repeat("q", 20000): []any{"x"}, "page": []any{"7"}},
		"of another kind": make(chan int),
	}
	maps.Copy(in.Details, identity)
	require.NoError(t, writer.Begin(t.Context(), in))
	require.NoError(t, writer.Close(t.Context()))
	r := reader(t, path)
	verified(t, r)
	x, _, err := r.Show(t.Context(), in.ID)
	require.NoError(t, err)
	for k, v := range identity {
		assert.Equal(t, v, x.Details[k], k)
	}
	assert.Greater(t, len(x.Details["operations"].([]any)), 10)
	assert.Equal(t, operations[0], x.Details["operations"].([]any)[0])
	assert.Greater(t, len(x.Details["refs"].([]any)), 10)
	assert.Equal(t, map[string]any{"page": []any{"7"}}, x.Details["query"])
	assert.Contains(t, x.Details["unclassified"], "…sha256:")
	assert.Contains(t, x.Details["of another kind"], "unstorable")
	assert.Greater(t, x.Details["truncated"], int64(16<<10))
	assert.Len(t, x.Details["sha256"], 64)
	found, err := r.List(t.Context(), audit.Filter{Mark: hexMark(t, identity["hashed_token"].(string))})
	require.NoError(t, err)
	assert.Len(t, found, 1, "whodid finds it by its token")
}

func hexMark(t *testing.T, hashed string) string {
	t.Helper()
	mark, ok := audit.TokenMark(hashed)
	require.True(t, ok)
	return mark
}
