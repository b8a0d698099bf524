package trail_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// TestStatsAgreeWithList counts one by one what Stats counts at once.
func TestStatsAgreeWithList(t *testing.T) {
	t.Parallel()
	writer, path := varied(t, 700)
	r := reader(t, path)
	require.NoError(t, writer.Close(t.Context()))
	words := map[audit.Group]func(x *audit.Exchange) string{
		audit.ByAgent:     func(x *audit.Exchange) string { return x.AgentName },
		audit.ByOwner:     func(x *audit.Exchange) string { return x.Owner },
		audit.ByHost:      func(x *audit.Exchange) string { return x.Host },
		audit.ByOperation: func(x *audit.Exchange) string { return x.Operation },
	}
	at := func(minute int) time.Time { return time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC) }
	for _, f := range []audit.Filter{
		{},
		{Owner: "person:p1"},
		{Decision: "deny", Since: at(100), Until: at(500)},
		{Operation: "*/push", Status: 201},
		{Outcome: audit.OutcomeCompleted},
	} {
		list, err := r.List(t.Context(), f)
		require.NoError(t, err)
		for by, word := range words {
			want := map[string]uint64{}
			for i := range list {
				want[word(&list[i])]++
			}
			counts, err := r.Stats(t.Context(), by, f)
			require.NoError(t, err)
			have := map[string]uint64{}
			for _, c := range counts {
				have[c.Name] = c.Exchanges
				assert.Equal(t, c.Exchanges, c.Completed+c.Refused+c.Failed+c.Open)
			}
			assert.Equal(t, want, have, "%s %+v", by, f)
		}
	}
	_, err := r.Stats(t.Context(), "weather", audit.Filter{})
	require.Error(t, err)
	_, err = r.Stats(t.Context(), audit.ByHost, audit.Filter{Text: "x"})
	require.Error(t, err)
}

func TestFiltersByPersonResourceAndText(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	for i, c := range []struct{ accountable, resource, path, failure string }{
		{"person:dana", "acme/web", "/repos/acme/web/pulls", ""},
		{"person:eve", "acme/api", "/repos/acme/api/pulls", "connection reset"},
		{"", "", "/repos/acme/web", ""},
	} {
		in, out := intent(), outcome()
		in.Accountable, in.Resource, in.Path, out.Error = c.accountable, c.resource, c.path, c.failure
		in.StartedAt = time.Date(2026, 1, 1, 0, i, 0, 0, time.UTC)
		require.NoError(t, writer.Begin(t.Context(), in))
		writer.End(in.ID, out)
	}
	check := func(f audit.Filter, want ...string) {
		list, err := reader(t, path).List(t.Context(), f)
		require.NoError(t, err)
		have := []string{}
		for _, x := range list {
			have = append(have, x.Path)
		}
		assert.Equal(t, want, have, "%+v", f)
	}
	for range 2 { // from events, then from the projection
		check(audit.Filter{Accountable: "person:dana"}, "/repos/acme/web/pulls")
		check(audit.Filter{Resource: "acme/api"}, "/repos/acme/api/pulls")
		check(audit.Filter{Text: "acme/web"}, "/repos/acme/web", "/repos/acme/web/pulls")
		if writer.Stats().Backlog == 0 {
			require.NoError(t, writer.Close(t.Context()))
		}
		check(audit.Filter{Text: "reset"}, "/repos/acme/api/pulls")
	}
}

func TestLastEventByType(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	r := reader(t, path)
	_, err := r.Last(t.Context(), "server.started", "server.stopped")
	require.ErrorIs(t, err, audit.ErrNotFound)
	for _, kind := range []string{"server.started", "server.stopped", "note"} {
		require.NoError(t, writer.Record(t.Context(), audit.Event{Type: kind}))
	}
	last, err := r.Last(t.Context(), "server.started", "server.stopped")
	require.NoError(t, err)
	assert.Equal(t, "server.stopped", last.Type)
	assert.EqualValues(t, 2, last.Seq)
}
