package trail_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

func TestAConfigThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config trail.Config
		want   string
	}{
		"no path":    {trail.Config{}, "no path"},
		"durability": {trail.Config{Path: filepath.Join(t.TempDir(), "a.db"), Durability: "eventually"}, `durability "eventually" is not commit or fsync`},
		"no folder":  {trail.Config{Path: filepath.Join(t.TempDir(), "no", "a.db")}, "no such file or directory"},
	} {
		_, err := trail.Open(t.Context(), c.config)
		require.ErrorContains(t, err, c.want, name)
		if c.config.Path != "" {
			assert.NoFileExists(t, c.config.Path)
		}
	}
}

// TestANewTrailIsItsOwnersAlone: whoever can write the file can rewrite what it tells.
func TestANewTrailIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	_, path := open(t, func(c *trail.Config) { c.Key = filepath.Join(filepath.Dir(c.Path), "trail.key") })
	for _, name := range []string{path, path + "-writer", filepath.Join(filepath.Dir(path), "trail.key")} {
		fi, err := os.Stat(name)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), fi.Mode().Perm(), name)
	}
}

// TestBeginReturnsWhenTheIntentIsCommitted: any other process sees it then.
func TestBeginReturnsWhenTheIntentIsCommitted(t *testing.T) {
	t.Parallel()
	for _, durability := range []string{trail.DurabilityCommit, trail.DurabilityFsync} {
		writer, path := open(t, func(c *trail.Config) { c.Durability = durability })
		db, err := trail.OpenDatabase(path)
		require.NoError(t, err)
		for want := 1; want <= 5; want++ {
			in := begun(t, writer)
			var n int
			require.NoError(t, scan(db, &n, "SELECT count(*) FROM events WHERE type = 'intent'"))
			assert.Equal(t, want, n, durability)
			writer.End(in.ID, outcome())
		}
		require.NoError(t, db.Close())
	}
}

// TestAnOutcomeIsWrittenSoon though nobody waits for it and nothing else comes.
func TestAnOutcomeIsWrittenSoon(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	in := begun(t, writer)
	writer.End(in.ID, outcome())
	r := reader(t, path)
	require.Eventually(t, func() bool {
		x, _, err := r.Show(t.Context(), in.ID)
		return err == nil && x.Ended
	}, 5*time.Second, time.Millisecond)
}

// TestARefusedExchangeIsBothItsEvents, in one commit.
func TestARefusedExchangeIsBothItsEvents(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	in := intent()
	in.Decision, in.Refusal = audit.DecisionDeny, "policy"
	require.NoError(t, writer.Refused(t.Context(), in, &audit.Outcome{Outcome: audit.OutcomeRefused, Status: 403, BytesSent: -1, BytesReceived: -1}))
	x, events, err := reader(t, path).Show(t.Context(), in.ID)
	require.NoError(t, err)
	assert.Equal(t, audit.OutcomeRefused, x.Outcome.Outcome)
	assert.Equal(t, "test", x.Instance)
	require.Len(t, events, 2)
	assert.Equal(t, events[0].Seq+1, events[1].Seq)
	assert.EqualValues(t, 1, writer.Stats().Commits)
}

func TestWaitersShareCommits(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	exchanges(t, writer, 64, 3200)
	require.NoError(t, writer.Close(context.Background()))
	stats := writer.Stats()
	assert.EqualValues(t, 6400, stats.Events)
	assert.Less(t, stats.Commits, uint64(3200), "fewer than there were waiters")
	assert.Zero(t, stats.Queue)
	assert.Positive(t, stats.AvgCommit)
	report := verified(t, reader(t, path))
	assert.EqualValues(t, 3200, report.Exchanges)
}

// TestWhoComesTooLateIsRefused: with a context that is over, or a trail that is closed.
func TestWhoComesTooLateIsRefused(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	text := []byte("policy")
	for _, ctx := range []context.Context{over, t.Context()} {
		if ctx == t.Context() {
			require.NoError(t, writer.Close(context.Background()))
		}
		require.Error(t, writer.Begin(ctx, intent()))
		require.Error(t, writer.Refused(ctx, intent(), outcome()))
		require.Error(t, writer.Record(ctx, audit.Event{Type: "note"}))
		require.Error(t, writer.StoreDocument(ctx, hashOf(text), text))
	}
	require.NoError(t, writer.Close(context.Background()), "closing twice is no error")
	writer.End(uuid.New(), outcome())
	assert.Zero(t, verified(t, reader(t, path)).Events, "nothing of it was written")
}

func TestWhatNoPayloadCanHoldIsRefused(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	for name, c := range map[string]struct {
		event audit.Event
		want  string
	}{
		"no type":   {audit.Event{}, "empty or longer"},
		"intent":    {audit.Event{Type: audit.TypeIntent}, "belongs to exchanges"},
		"function":  {audit.Event{Type: "note", Payload: map[string]any{"f": func() {}}}, "record note: "},
		"too large": {audit.Event{Type: "note", Payload: map[string]any{"t": strings.Repeat("x", 1<<20)}}, "longer than 65536"},
	} {
		require.ErrorContains(t, writer.Record(t.Context(), c.event), c.want, name)
	}
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "note"}))
	assert.EqualValues(t, 1, verified(t, reader(t, path)).Events)
}

// TestAnEventMayBelongToAnExchange: it is told with it.
func TestAnEventMayBelongToAnExchange(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	in := begun(t, writer)
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: audit.TypeCalls, Exchange: in.ID, Payload: map[string]any{"calls": []any{"a"}}}))
	_, events, err := reader(t, path).Show(t.Context(), in.ID)
	require.NoError(t, err)
	require.Len(t, events, 2)
	assert.Equal(t, audit.TypeCalls, events[1].Type)
}

// TestOneOutcomeForEachIntent: a second one, and one of what was never begun, are dropped.
func TestOneOutcomeForEachIntent(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	in := begun(t, writer)
	writer.End(uuid.New(), outcome())
	for _, word := range []string{audit.OutcomeCompleted, audit.OutcomeRevoked} {
		out := outcome()
		out.Outcome = word
		writer.End(in.ID, out)
	}
	require.NoError(t, writer.Close(context.Background()))
	x, events, err := reader(t, path).Show(t.Context(), in.ID)
	require.NoError(t, err)
	assert.Equal(t, audit.OutcomeCompleted, x.Outcome.Outcome, "the first one counts")
	assert.Len(t, events, 2)
	assert.EqualValues(t, 2, verified(t, reader(t, path)).Events)
}

// TestTimesAreTheCallersOrTheClocks: what happened elsewhere says when, the rest has the trail's own time.
func TestTimesAreTheCallersOrTheClocks(t *testing.T) {
	t.Parallel()
	writer, path := open(t, func(c *trail.Config) { c.Now = func() time.Time { return minute(77) } })
	in, out := intent(), outcome()
	in.StartedAt, out.EndedAt = minute(5), minute(6)
	require.NoError(t, writer.Refused(t.Context(), in, out))
	other := intent()
	other.StartedAt = time.Time{}
	require.NoError(t, writer.Refused(t.Context(), other, &audit.Outcome{}))
	r := reader(t, path)
	x, _, err := r.Show(t.Context(), in.ID)
	require.NoError(t, err)
	assert.Equal(t, [2]time.Time{minute(5), minute(6)}, [2]time.Time{x.StartedAt, x.Outcome.EndedAt})
	x, _, err = r.Show(t.Context(), other.ID)
	require.NoError(t, err)
	assert.Equal(t, [2]time.Time{minute(77), minute(77)}, [2]time.Time{x.StartedAt, x.Outcome.EndedAt})
}

// TestHoldKeepsNothingFromBeingRecorded but what would begin.
func TestHoldKeepsNothingFromBeingRecorded(t *testing.T) {
	t.Parallel()
	writer, _ := open(t)
	open := begun(t, writer)
	why := errors.New("checkpoints leave nowhere")
	writer.Hold(why)
	require.ErrorIs(t, writer.Begin(t.Context(), intent()), why)
	require.ErrorIs(t, writer.Err(), why)
	writer.End(open.ID, outcome())
	require.NoError(t, writer.Refused(t.Context(), intent(), outcome()))
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: audit.TypeTrailHeld}))
	writer.Hold(nil)
	require.NoError(t, writer.Err())
	begun(t, writer)
}

// TestBeginAndCloseAtOnce: each exchange is refused, or is in the trail with its outcome.
func TestBeginAndCloseAtOnce(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	var began sync.Map
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for {
				in := intent()
				if writer.Begin(t.Context(), in) != nil {
					return
				}
				began.Store(in.ID, true)
				writer.End(in.ID, outcome())
			}
		})
	}
	require.Eventually(t, func() bool { return writer.Stats().Events > 200 }, 10*time.Second, time.Millisecond)
	require.NoError(t, writer.Close(context.Background()))
	wg.Wait()
	ends := outcomes(t, path)
	began.Range(func(id, _ any) bool {
		assert.NotEmpty(t, ends[id.(uuid.UUID)])
		return true
	})
	verified(t, reader(t, path))
}

func TestOnlyASignedTrailHasAPublicKey(t *testing.T) {
	t.Parallel()
	plain, _ := open(t)
	assert.Empty(t, plain.PublicKey())
	writer, path := open(t, func(c *trail.Config) { c.Key = filepath.Join(filepath.Dir(c.Path), "k") })
	data, err := os.ReadFile(filepath.Join(filepath.Dir(path), "k.pub"))
	require.NoError(t, err)
	assert.Equal(t, strings.TrimSpace(string(data)), writer.PublicKey())
	assert.Contains(t, writer.PublicKey(), "sallyport+", "the name of a trail that was given none")
}
