package trail_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// TestLongPathsTakeLittleOfTheIndex: what lies behind the beginning of a path is found all
// the same, in segments that are written now and in those of older programs, and both verify.
func TestLongPathsTakeLittleOfTheIndex(t *testing.T) {
	t.Parallel()
	sizes := map[bool]int64{}
	for _, old := range []bool{false, true} {
		writer, path := open(t)
		if old {
			trail.IndexWholePaths(writer)
		}
		random := rand.New(rand.NewPCG(3, 4))
		const n = 120 // two segments
		for i := range n {
			in := intent()
			var long strings.Builder
			for long.Len() < 2000 {
				fmt.Fprintf(&long, "/%x", random.Uint64())
			}
			in.Path = fmt.Sprintf("/begins-%d%s/ends-%d.", i, long.String()[:1900], i)
			require.NoError(t, writer.Begin(t.Context(), in))
			writer.End(in.ID, outcome())
		}
		require.NoError(t, writer.Close(context.Background()))
		db, err := trail.OpenDatabase(path)
		require.NoError(t, err)
		var size int64
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT sum(length(rows)) + 8 * count(*) FROM terms").Scan(&size))
		require.NoError(t, db.Close())
		sizes[old] = size
		r := reader(t, path)
		for text, want := range map[string]int{"begins-7/": 1, "/ends-7.": 1, "ends-11": 11 /* and 110 to 119 */, "nowhere": 0} {
			list, err := r.List(t.Context(), audit.Filter{Text: text})
			require.NoError(t, err)
			assert.Len(t, list, want, "%q, old: %v", text, old)
		}
		report, err := r.Verify(t.Context())
		require.NoError(t, err)
		assert.Empty(t, report.Problems, "old: %v", old)
	}
	t.Logf("%d bytes, %d before", sizes[false], sizes[true])
	assert.Less(t, 2*sizes[false], sizes[true])
}
