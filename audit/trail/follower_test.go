package trail_test

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
	writer, path := shuffled(t, 1500)
	require.NoError(t, writer.Close(context.Background()))
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
		from := r.Follow(after, audit.Exchanges)
		var list []audit.Record
		list, more, err = from.Next(t.Context(), audit.Filter{})
		require.NoError(t, err)
		for _, record := range list {
			x := record.Exchange
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
	from := r.Follow(0, audit.Exchanges)
	require.NoError(t, from.Skip(t.Context(), some))
	assert.Positive(t, from.After(), "what began before is not read")
	want, err := r.List(t.Context(), some)
	require.NoError(t, err)
	told = 0
	for more := true; more; {
		var list []audit.Record
		list, more, err = from.Next(t.Context(), some)
		require.NoError(t, err)
		told += len(list)
	}
	assert.Len(t, want, told)
}

// TestFollowTellsEventsBetween: every event once and in its place, read in pieces; those
// that exchanges are made of are told as exchanges alone.
func TestFollowTellsEventsBetween(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	for i := range 1200 {
		in := begun(t, writer)
		writer.End(in.ID, outcome())
		if i%100 == 0 {
			require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "agent.created", Payload: map[string]any{"name": "a", "owner": "team:web"}}))
		}
	}
	require.NoError(t, writer.Close(context.Background()))
	r := reader(t, path)
	follow := func(kinds audit.Which, f audit.Filter) (exchanges, events int) {
		var last uint64
		for more := true; more; {
			from := r.Follow(last, kinds)
			var list []audit.Record
			var err error
			list, more, err = from.Next(t.Context(), f)
			require.NoError(t, err)
			for _, record := range list {
				require.Greater(t, record.Seq(), last)
				last = record.Seq()
				if record.Exchange != nil {
					exchanges++
				} else {
					assert.Equal(t, "agent.created", record.Type())
					events++
				}
			}
			last = from.After()
		}
		return exchanges, events
	}
	for _, c := range []struct {
		kinds             audit.Which
		filter            audit.Filter
		exchanges, events int
	}{
		{audit.Everything, audit.Filter{}, 1200, 12},
		{audit.Exchanges, audit.Filter{}, 1200, 0},
		{audit.Events, audit.Filter{}, 0, 12},
		{audit.Everything, audit.Filter{Host: "api.anthropic.com"}, 1200, 0},
		{audit.Everything, audit.Filter{Owner: "team:web"}, 0, 12},
		{audit.Everything, audit.Filter{AgentName: "b"}, 0, 0},
	} {
		exchanges, events := follow(c.kinds, c.filter)
		assert.Equal(t, [2]int{c.exchanges, c.events}, [2]int{exchanges, events}, "%+v", c.filter)
	}
}

// TestAFollowerKnowsHowFarItIs, and when the trail is not the one that it followed.
func TestAFollowerKnowsHowFarItIs(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	r := reader(t, path)
	f := r.Follow(0, audit.Everything)
	behind := func(f interface {
		Behind(context.Context) (int64, error)
	},
	) int64 {
		n, err := f.Behind(t.Context())
		require.NoError(t, err)
		return n
	}
	assert.Zero(t, behind(f))
	require.NoError(t, writer.Refused(t.Context(), intent(), outcome()))
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "note"}))
	assert.EqualValues(t, 3, behind(f))
	list, more, err := f.Next(t.Context(), audit.Filter{})
	require.NoError(t, err)
	assert.Len(t, list, 2)
	assert.False(t, more)
	assert.Zero(t, behind(f))
	assert.EqualValues(t, 3, f.After())
	assert.EqualValues(t, -7, behind(r.Follow(10, audit.Everything)))
	list, _, err = f.Next(t.Context(), audit.Filter{})
	require.NoError(t, err)
	assert.Empty(t, list, "nothing is told twice")
}

// TestAFollowerLeavesOutWhatRetentionHasRemoved: it is told neither as an exchange nor as events.
func TestAFollowerLeavesOutWhatRetentionHasRemoved(t *testing.T) {
	t.Parallel()
	writer, path, ids := aged(t, 60)
	_, err := writer.Prune(t.Context(), audit.PruneRequest{Before: minute(30)})
	require.NoError(t, err)
	require.NoError(t, writer.Close(context.Background()))
	list, _, err := reader(t, path).Follow(0, audit.Everything).Next(t.Context(), audit.Filter{})
	require.NoError(t, err)
	told := map[uuid.UUID]bool{}
	for _, record := range list {
		told[record.ID()] = true
	}
	assert.False(t, told[ids[0]])
	assert.True(t, told[ids[59]])
}

// TestSkippingMissesNothing: it begins at or before the first that can match.
func TestSkippingMissesNothing(t *testing.T) {
	t.Parallel()
	writer, path, ids := aged(t, 200)
	require.NoError(t, writer.Close(context.Background()))
	r := reader(t, path)
	for _, which := range []audit.Which{audit.Exchanges, audit.Events, audit.Everything} {
		f := r.Follow(0, which)
		require.NoError(t, f.Skip(t.Context(), audit.Filter{}))
		assert.Zero(t, f.After(), "no time, nothing to skip")
		require.NoError(t, f.Skip(t.Context(), audit.Filter{Since: minute(150)}))
		list, _, err := f.Next(t.Context(), audit.Filter{Since: minute(150)})
		require.NoError(t, err)
		n := 0
		for _, record := range list {
			if record.Exchange != nil {
				assert.Contains(t, ids[150:], record.ID())
				n++
			}
		}
		if which&audit.Exchanges != 0 {
			assert.Equal(t, 50, n)
		}
	}
}
