package trail_test

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// process is one of several that have a trail one after the other.
type process struct {
	*trail.Writer
	adopted sync.WaitGroup
}

func startProcess(t *testing.T, path, name string) *process {
	t.Helper()
	writer, err := trail.Open(t.Context(), trail.Config{Path: path, Instance: name})
	require.NoError(t, err)
	return &process{Writer: writer}
}

// reach is how another process's relay reaches p.
func (p *process) reach(context.Context) (io.ReadWriteCloser, error) {
	ours, theirs := net.Pipe()
	p.adopted.Go(func() {
		_ = p.Adopt(theirs)
		_ = theirs.Close()
	})
	return ours, nil
}

func (p *process) begin(t *testing.T) uuid.UUID {
	t.Helper()
	in := intent()
	require.NoError(t, p.Begin(t.Context(), in))
	return in.ID
}

func outcomes(t *testing.T, path string) map[uuid.UUID]string {
	t.Helper()
	rows, err := reader(t, path).List(t.Context(), audit.Filter{})
	require.NoError(t, err)
	found := map[uuid.UUID]string{}
	for _, row := range rows {
		found[row.ID] = row.Outcome.Outcome
	}
	return found
}

func TestHandOver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.db")
	first := startProcess(t, path, "first")
	before := first.begin(t)
	require.NoError(t, first.HandOver(t.Context()))
	verified(t, reader(t, path)) // what is open is live, though nobody writes at this moment

	second := startProcess(t, path, "second")
	var writes atomic.Pointer[process]
	writes.Store(second)
	require.NoError(t, first.Relay(func(ctx context.Context) (io.ReadWriteCloser, error) { return writes.Load().reach(ctx) }))
	later := first.begin(t) // committed by the other process before this returns
	assert.Equal(t, map[uuid.UUID]string{before: "", later: ""}, outcomes(t, path), "what lives is not interrupted")
	first.End(before, outcome())
	require.NoError(t, first.Record(t.Context(), audit.Event{Type: "server.drained", Payload: map[string]any{}}))

	// A third one takes over from the second, while the first still has an exchange.
	require.NoError(t, second.HandOver(t.Context()))
	third := startProcess(t, path, "third")
	require.NoError(t, second.Relay(third.reach))
	writes.Store(third)
	first.End(later, outcome())
	require.NoError(t, first.Close(t.Context()))
	require.NoError(t, second.Close(t.Context()))
	require.NoError(t, third.Close(t.Context()))
	assert.Equal(t, map[uuid.UUID]string{before: "completed", later: "completed"}, outcomes(t, path))
	verified(t, reader(t, path))
}

// What a process leaves open is interrupted when it has ended, and not before,
// also when who wrote for it ended first.
func TestOnlyTheDeadAreInterrupted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.db")
	first := startProcess(t, path, "first")
	kept, lost := first.begin(t), first.begin(t)
	require.NoError(t, first.HandOver(t.Context()))
	second := startProcess(t, path, "second")
	require.NoError(t, second.Close(t.Context())) // the first one's path to the trail is gone

	third := startProcess(t, path, "third")
	assert.Equal(t, map[uuid.UUID]string{kept: "", lost: ""}, outcomes(t, path))
	tries := 0
	require.NoError(t, first.Relay(func(ctx context.Context) (io.ReadWriteCloser, error) {
		if tries++; tries < 3 {
			return nil, errors.New("not yet")
		}
		return third.reach(ctx)
	}))
	first.End(kept, outcome())
	require.NoError(t, first.Close(t.Context())) // and with it, it is dead
	require.Eventually(t, func() bool {
		found := outcomes(t, path)
		return found[kept] == "completed" && found[lost] == "interrupted"
	}, 10*time.Second, 20*time.Millisecond)
	require.NoError(t, third.Close(t.Context()))
	verified(t, reader(t, path))
}

func TestResume(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.db")
	first := startProcess(t, path, "first")
	before := first.begin(t)
	require.NoError(t, first.Resume(t.Context()), "nothing has been handed over")
	require.NoError(t, first.HandOver(t.Context()))
	first.End(before, outcome()) // waits
	require.NoError(t, first.Resume(t.Context()))
	later := first.begin(t)
	require.NoError(t, first.Close(t.Context()))
	assert.Equal(t, map[uuid.UUID]string{before: "completed", later: "interrupted"}, outcomes(t, path))
	verified(t, reader(t, path))
}

// While nobody writes the trail, what a process that was taken over from begins is
// refused after the usual time, and what it ends is kept for whoever writes next.
func TestRelayWithoutAWriter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.db")
	first := startProcess(t, path, "first")
	require.NoError(t, first.HandOver(t.Context()))
	second := startProcess(t, path, "second")
	var writes atomic.Pointer[process]
	writes.Store(second)
	require.NoError(t, first.Relay(func(ctx context.Context) (io.ReadWriteCloser, error) { return writes.Load().reach(ctx) }))
	ended := first.begin(t)
	require.NoError(t, second.Close(t.Context()))
	in := intent()
	begun := time.Now()
	require.ErrorContains(t, first.Begin(t.Context(), in), "took longer than 2 s")
	assert.Less(t, time.Since(begun), 2500*time.Millisecond)
	first.End(ended, outcome())

	third := startProcess(t, path, "third")
	writes.Store(third)
	require.NoError(t, first.Close(t.Context()))
	require.NoError(t, third.Close(t.Context()))
	found := outcomes(t, path)
	assert.Equal(t, "completed", found[ended])
	assert.Contains(t, []string{"", "interrupted"}, found[in.ID], "nothing of it was sent")
	verified(t, reader(t, path))
}

// TestATrailIsHandedOverOnce: and what was not handed over goes nowhere else.
func TestATrailIsHandedOverOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.db")
	first := startProcess(t, path, "first")
	require.Error(t, first.Relay(first.reach), "this process writes it")
	_, err := trail.Open(t.Context(), trail.Config{Path: path, Instance: "second"})
	require.ErrorContains(t, err, "another process writes it")
	require.NoError(t, first.HandOver(t.Context()))
	second := startProcess(t, path, "second")
	require.Error(t, first.Resume(t.Context()), "another process writes it")
	require.NoError(t, first.Relay(second.reach))
	require.Error(t, first.Relay(second.reach), "there is one way already")
	require.ErrorContains(t, first.Resume(t.Context()), "another process writes it")
	id := first.begin(t)
	first.End(id, outcome())
	require.NoError(t, first.Close(t.Context()))
	require.NoError(t, second.Close(t.Context()))
	assert.Equal(t, "completed", outcomes(t, path)[id])
}
