package trail_test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// varied makes a trail in which every column takes a few values, and leaves
// it open, so that some of it is not projected.
func varied(t *testing.T, n int) (*trail.Writer, string) {
	t.Helper()
	writer, path := open(t)
	late := intent()
	require.NoError(t, writer.Begin(t.Context(), late))
	for i := range n - 1 {
		in := intent()
		in.Agent[15] = byte(i % 7)
		in.Owner = "person:p" + strconv.Itoa(i%3)
		in.Host = "h" + strconv.Itoa(i%11) + ".example"
		in.Operation = []string{"aws:s3/GetObject", "aws:s3/PutObject", "github:git/push", ""}[i%4]
		in.Decision = []string{"allow", "deny"}[i%2]
		in.StartedAt = time.Date(2026, 1, 1, 0, i, 0, 0, time.UTC)
		if i%50 == 0 {
			in.Operation = "unique/" + strconv.Itoa(i)
		}
		require.NoError(t, writer.Begin(t.Context(), in))
		if i%5 != 0 {
			out := outcome()
			out.Status = 200 + i%2
			if i%400 == 1 {
				out.Status, out.Outcome = 599, audit.OutcomeTimedOut
			}
			writer.End(in.ID, out)
		}
	}
	out := outcome()
	out.Status, out.Outcome = 599, audit.OutcomeTimedOut
	writer.End(late.ID, out)
	// Outcomes wait a moment for a commit to share; this is one.
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "note"}))
	return writer, path
}

func TestListFilters(t *testing.T) {
	t.Parallel()
	_, path := varied(t, 1500)
	r := reader(t, path)
	all, err := r.List(t.Context(), audit.Filter{})
	require.NoError(t, err)
	require.Len(t, all, 1500)
	require.True(t, slices.IsSortedFunc(all, func(a, b audit.Exchange) int { return int(b.Seq) - int(a.Seq) }))
	at := func(minute int) time.Time { return time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC) }
	for name, c := range map[string]struct {
		filter audit.Filter
		keep   func(x *audit.Exchange) bool
	}{
		"agent":     {audit.Filter{Agent: all[3].Agent}, func(x *audit.Exchange) bool { return x.Agent == all[3].Agent }},
		"owner":     {audit.Filter{Owner: "person:p1"}, func(x *audit.Exchange) bool { return x.Owner == "person:p1" }},
		"host":      {audit.Filter{Host: "h10.example"}, func(x *audit.Exchange) bool { return x.Host == "h10.example" }},
		"operation": {audit.Filter{Operation: "aws:s3/*"}, func(x *audit.Exchange) bool { return len(x.Operation) > 4 && x.Operation[:4] == "aws:" }},
		"suffix":    {audit.Filter{Operation: "*/push"}, func(x *audit.Exchange) bool { return x.Operation == "github:git/push" }},
		"unique":    {audit.Filter{Operation: "unique/650"}, func(x *audit.Exchange) bool { return x.Operation == "unique/650" }},
		"many":      {audit.Filter{Operation: "unique/*"}, func(x *audit.Exchange) bool { return len(x.Operation) > 7 && x.Operation[:7] == "unique/" }},
		"decision":  {audit.Filter{Decision: "deny"}, func(x *audit.Exchange) bool { return x.Decision == "deny" }},
		"since":     {audit.Filter{Since: at(1200)}, func(x *audit.Exchange) bool { return !x.StartedAt.Before(at(1200)) }},
		"until":     {audit.Filter{Until: at(300)}, func(x *audit.Exchange) bool { return x.StartedAt.Before(at(300)) }},
		"status":    {audit.Filter{Status: 201}, func(x *audit.Exchange) bool { return x.Outcome.Status == 201 }},
		"outcome":   {audit.Filter{Outcome: "completed"}, func(x *audit.Exchange) bool { return x.Outcome.Outcome == "completed" }},
		"rare":      {audit.Filter{Status: 599}, func(x *audit.Exchange) bool { return x.Outcome.Status == 599 }},
		"failed":    {audit.Filter{Outcome: "timed_out"}, func(x *audit.Exchange) bool { return x.Outcome.Outcome == "timed_out" }},
		"before":    {audit.Filter{Before: all[700].Seq}, func(x *audit.Exchange) bool { return x.Seq < all[700].Seq }},
		"several": {audit.Filter{Owner: "person:p2", Decision: "allow", Since: at(100), Until: at(1000)}, func(x *audit.Exchange) bool {
			return x.Owner == "person:p2" && x.Decision == "allow" && !x.StartedAt.Before(at(100)) && x.StartedAt.Before(at(1000))
		}},
		"none": {audit.Filter{Host: "elsewhere"}, func(*audit.Exchange) bool { return false }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := []uint64{}
			for _, x := range all {
				if c.keep(&x) {
					want = append(want, x.Seq)
				}
			}
			assertListed(t, r, c.filter, want)
			c.filter.Limit = 10
			assertListed(t, r, c.filter, want[:min(10, len(want))])
		})
	}
}

func assertListed(t *testing.T, r *trail.Reader, f audit.Filter, want []uint64) {
	t.Helper()
	list, err := r.List(t.Context(), f)
	require.NoError(t, err)
	have := []uint64{}
	for _, x := range list {
		have = append(have, x.Seq)
	}
	assert.Equal(t, want, have)
}

func TestShowUnknown(t *testing.T) {
	t.Parallel()
	_, path := open(t)
	_, _, err := reader(t, path).Show(t.Context(), audit.NewID())
	require.ErrorIs(t, err, audit.ErrNotFound)
}

func TestShowHasOtherEvents(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	in := intent()
	require.NoError(t, writer.Begin(t.Context(), in))
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "credential.minted", Exchange: in.ID, Payload: map[string]any{"credential": "acme"}}))
	writer.End(in.ID, outcome())
	require.NoError(t, writer.Close(t.Context()))
	_, events, err := reader(t, path).Show(t.Context(), in.ID)
	require.NoError(t, err)
	require.Len(t, events, 3)
	assert.Equal(t, "credential.minted", events[1].Type)
	assert.Equal(t, map[string]any{"credential": "acme"}, events[1].Payload)
}

func TestEventsPage(t *testing.T) {
	t.Parallel()
	path := filled(t, 800)
	r := reader(t, path)
	var seqs []uint64
	collect := func(e audit.EventRow) error { seqs = append(seqs, e.Seq); return nil }
	require.NoError(t, r.Events(t.Context(), audit.EventFilter{}, collect))
	require.Len(t, seqs, 800*2+80)
	assert.True(t, slices.IsSorted(seqs))
	seqs = nil
	require.NoError(t, r.Events(t.Context(), audit.EventFilter{Type: "note", After: 10, Limit: 5}, collect))
	require.Len(t, seqs, 5)
	assert.Greater(t, seqs[0], uint64(10))
}

func TestTailFollows(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	first := intent()
	require.NoError(t, writer.Refused(t.Context(), first, &audit.Outcome{Outcome: audit.OutcomeRefused}))
	ctx, cancel := context.WithCancel(t.Context())
	told := make(chan uuid.UUID, 100)
	done := make(chan error, 1)
	r := reader(t, path)
	go func() {
		done <- r.Tail(ctx, true, func(x audit.Exchange) error { told <- x.ID; return nil })
	}()
	assert.Equal(t, first.ID, <-told)
	second := intent()
	require.NoError(t, writer.Begin(t.Context(), second))
	writer.End(second.ID, outcome())
	assert.Equal(t, second.ID, <-told)
	cancel()
	require.NoError(t, <-done)
	assert.Empty(t, told)
}

func TestReadAfterClose(t *testing.T) {
	t.Parallel()
	path := filled(t, 5) // closed: no log is left beside it
	list, err := reader(t, path).List(t.Context(), audit.Filter{Limit: 3})
	require.NoError(t, err)
	assert.Len(t, list, 3)
}

// TestTailIsPrompt follows ten exchanges and wants some told within a second of
// their end; on a machine with other work, not each of them.
func TestTailIsPrompt(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	told := make(chan time.Duration)
	done := make(chan error, 1)
	r := reader(t, path)
	go func() {
		done <- r.Tail(ctx, true, func(x audit.Exchange) error { told <- time.Since(x.Outcome.EndedAt); return nil })
	}()
	fastest := time.Hour
	for range 10 {
		in := begun(t, writer)
		out := outcome()
		out.EndedAt = time.Now()
		writer.End(in.ID, out)
		fastest = min(fastest, <-told)
	}
	cancel()
	require.NoError(t, <-done)
	assert.Less(t, fastest, time.Second)
}
