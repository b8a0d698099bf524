package trail_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// TestCrash copies the files while many write, as a crash would leave them,
// and asserts that every intent acknowledged before the copy is in it, that
// the copy opens, closes what was open, and verifies.
func TestCrash(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	acknowledged := make(chan uuid.UUID)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { writeUntil(t, writer, acknowledged, stop) })
	}
	var before []uuid.UUID
	for round := range 10 {
		for range 50 {
			before = append(before, <-acknowledged)
		}
		recovers(t, path, filepath.Join(t.TempDir(), fmt.Sprint(round)+".db"), before)
	}
	close(stop)
	wg.Wait()
	require.NoError(t, writer.Close(context.Background()))
	verified(t, reader(t, path))
}

func writeUntil(t *testing.T, writer *trail.Writer, acknowledged chan<- uuid.UUID, stop <-chan struct{}) {
	for {
		in := intent()
		// On a loaded machine a commit may take longer than it is given.
		err := writer.Begin(context.Background(), in)
		if err == nil {
			writer.End(in.ID, outcome())
		} else {
			t.Log(err)
			continue
		}
		select {
		case acknowledged <- in.ID:
		case <-stop:
			return
		}
	}
}

func recovers(t *testing.T, path, to string, acknowledged []uuid.UUID) {
	t.Helper()
	copyLocked(t, path, to)
	writer, err := trail.Open(t.Context(), trail.Config{Path: to})
	require.NoError(t, err)
	require.NoError(t, writer.Close(context.Background()))
	r := reader(t, to)
	verified(t, r)
	list, err := r.List(t.Context(), audit.Filter{})
	require.NoError(t, err)
	ids := make(map[uuid.UUID]bool, len(list))
	for _, x := range list {
		ids[x.ID] = true
		assert.True(t, x.Ended)
	}
	for _, id := range acknowledged {
		assert.True(t, ids[id], "intent %s was acknowledged and is lost", id)
	}
}

// copyLocked copies database and log in the middle of everybody else's work. A
// crash has one moment, a copy has two, so a lock keeps both as they are.
func copyLocked(t *testing.T, from, to string) {
	t.Helper()
	db, err := trail.OpenDatabase(from)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	copyTrail(t, from, to)
	_, err = conn.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
}

func TestOpenIntentsAreClosedAtStart(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	in := intent()
	require.NoError(t, writer.Begin(t.Context(), in))
	to := filepath.Join(t.TempDir(), "audit.db")
	copyTrail(t, path, to)

	report, err := reader(t, to).Verify(t.Context())
	require.NoError(t, err)
	assert.True(t, report.OK, "%v", report.Problems)
	assert.Equal(t, audit.StateOpen, report.State, "a copy of a trail that is being written is not damaged")
	assert.EqualValues(t, 1, report.Live)
	report = verified(t, reader(t, path))
	assert.EqualValues(t, 1, report.Live)

	again, err := trail.Open(t.Context(), trail.Config{Path: to})
	require.NoError(t, err)
	require.NoError(t, again.Close(t.Context()))
	x, _, err := reader(t, to).Show(t.Context(), in.ID)
	require.NoError(t, err)
	assert.Equal(t, audit.OutcomeInterrupted, x.Outcome.Outcome)
	assert.JSONEq(t, "null", member(t, x, "bytes_sent"))
	verified(t, reader(t, to))
}

func TestStopClosesWhatIsOpen(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	in := intent()
	require.NoError(t, writer.Begin(t.Context(), in))
	require.NoError(t, writer.Close(t.Context()))
	x, _, err := reader(t, path).Show(t.Context(), in.ID)
	require.NoError(t, err)
	assert.Equal(t, audit.OutcomeInterrupted, x.Outcome.Outcome)
	require.Error(t, writer.Begin(t.Context(), intent()))
	writer.End(in.ID, outcome())
	verified(t, reader(t, path))
}

func TestCallersWhoLeave(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	var wg sync.WaitGroup
	var refused sync.Map
	for i := range 200 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			if i%2 == 0 {
				go cancel()
			}
			defer cancel()
			in := intent()
			if writer.Begin(ctx, in) != nil {
				refused.Store(in.ID, true)
				return
			}
			writer.End(in.ID, outcome())
			writer.End(in.ID, outcome()) // a second outcome changes nothing
		})
	}
	wg.Wait()
	require.NoError(t, writer.Close(context.Background()))
	r := reader(t, path)
	verified(t, r)
	list, err := r.List(t.Context(), audit.Filter{})
	require.NoError(t, err)
	for _, x := range list {
		_, left := refused.Load(x.ID)
		assert.True(t, x.Ended)
		assert.Equal(t, left, x.Outcome.Outcome == audit.OutcomeInterrupted, "%s", x.Outcome.Error)
	}
}
