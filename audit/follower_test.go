package audit_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// TestFollowTellsEachEndOnce reads a trail in pieces, each from where the last
// one stopped, with exchanges open across the pieces.
func TestFollowTellsEachEndOnce(t *testing.T) {
	t.Parallel()
	trail, path := shuffled(t, 1500)
	require.NoError(t, trail.Close(context.Background()))
	r := reader(t, path)
	all, err := r.List(t.Context(), audit.Filter{})
	require.NoError(t, err)
	byID := map[uuid.UUID]audit.Exchange{}
	for _, x := range all {
		byID[x.ID] = x
	}
	var last, after uint64
	told := 0
	for more := true; more; {
		from := r.Follow(after)
		var list []*audit.Exchange
		list, more, err = from.Next(t.Context(), audit.Filter{})
		require.NoError(t, err)
		for _, x := range list {
			require.Greater(t, x.OutcomeSeq, last, "in the order of their ends")
			last = x.OutcomeSeq
			require.Equal(t, byID[x.ID], *x)
			delete(byID, x.ID)
			told++
		}
		after = from.After()
	}
	assert.Equal(t, len(all), told)
	assert.Empty(t, byID)

	some := audit.Filter{AgentName: "agent-3", Since: minute(1000)}
	from := r.Follow(0)
	require.NoError(t, from.Skip(t.Context(), some))
	assert.Positive(t, from.After(), "what began before is not read")
	want, err := r.List(t.Context(), some)
	require.NoError(t, err)
	told = 0
	for more := true; more; {
		var list []*audit.Exchange
		list, more, err = from.Next(t.Context(), some)
		require.NoError(t, err)
		told += len(list)
	}
	assert.Len(t, want, told)
}
