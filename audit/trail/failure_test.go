package trail_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// begun begins an exchange that ends while the trail is broken.
func begun(t *testing.T, writer *trail.Writer) *audit.Intent {
	t.Helper()
	in := intent()
	require.NoError(t, writer.Begin(t.Context(), in))
	return in
}

// refused asserts that nothing new begins, and that this takes under 2.5 s.
func refused(t *testing.T, writer *trail.Writer) {
	t.Helper()
	start := time.Now()
	require.Error(t, writer.Begin(t.Context(), intent()))
	assert.Less(t, time.Since(start), 2500*time.Millisecond)
	require.Eventually(t, func() bool { return writer.Err() != nil }, 5*time.Second, time.Millisecond)
}

// heals asserts that the trail works again by itself and has lost nothing.
func heals(t *testing.T, writer *trail.Writer, path string, ended *audit.Intent) {
	t.Helper()
	require.Eventually(t, func() bool { return writer.Err() == nil }, 10*time.Second, 5*time.Millisecond)
	after := begun(t, writer)
	writer.End(after.ID, outcome())
	require.NoError(t, writer.Close(context.Background()))
	r := reader(t, path)
	x, _, err := r.Show(t.Context(), ended.ID)
	require.NoError(t, err)
	assert.Equal(t, audit.OutcomeCompleted, x.Outcome.Outcome)
	verified(t, r)
	list, err := r.List(t.Context(), audit.Filter{})
	require.NoError(t, err)
	for _, x := range list {
		assert.True(t, x.Ended)
	}
}

func TestRenamedDatabase(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	in := begun(t, writer)
	require.NoError(t, os.Rename(path, path+".away"))
	refused(t, writer)
	writer.End(in.ID, outcome())
	refused(t, writer)
	require.NoError(t, os.Rename(path+".away", path))
	heals(t, writer, path, in)
}

func TestDeletedDatabase(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	in := begun(t, writer)
	copies := t.TempDir()
	copyTrail(t, path, filepath.Join(copies, "audit.db"))
	for _, suffix := range []string{"", "-wal", "-shm"} {
		require.NoError(t, os.Remove(path+suffix))
	}
	refused(t, writer)
	writer.End(in.ID, outcome())
	copyTrail(t, filepath.Join(copies, "audit.db"), path)
	heals(t, writer, path, in)
}

func TestReplacedDatabaseIsRefusedForGood(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	older := filepath.Join(t.TempDir(), "audit.db")
	copyTrail(t, path, older)
	begun(t, writer)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		require.NoError(t, os.Remove(path+suffix))
	}
	copyTrail(t, older, path)
	refused(t, writer)
	require.Eventually(t, func() bool {
		err := writer.Err()
		return err != nil && strings.Contains(err.Error(), "lacks events")
	}, 5*time.Second, 5*time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	require.Error(t, writer.Close(ctx))
}

func TestDeletedWAL(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	in := begun(t, writer)
	require.NoError(t, os.Rename(path+"-wal", path+"-wal.away"))
	refused(t, writer)
	writer.End(in.ID, outcome())
	require.NoError(t, os.Rename(path+"-wal.away", path+"-wal"))
	heals(t, writer, path, in)
}

func TestLockedDatabase(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	in := begun(t, writer)
	db, err := trail.OpenDatabase(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.Exec("BEGIN EXCLUSIVE")
	require.NoError(t, err)
	refused(t, writer)
	writer.End(in.ID, outcome())
	_, err = db.Exec("ROLLBACK")
	require.NoError(t, err)
	heals(t, writer, path, in)
}

func TestReplacedByAnotherFile(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	in := begun(t, writer)
	require.NoError(t, os.Rename(path, path+".away"))
	require.NoError(t, os.WriteFile(path, []byte("not a database, though it is as long as one may be"), 0o600))
	refused(t, writer)
	writer.End(in.ID, outcome())
	refused(t, writer)
	require.NoError(t, os.Rename(path+".away", path))
	heals(t, writer, path, in)
}

func TestSecondWriterIsRefused(t *testing.T) {
	t.Parallel()
	_, path := open(t)
	_, err := trail.Open(t.Context(), trail.Config{Path: path})
	require.ErrorContains(t, err, "another process")
}

// copyTrail copies the three files of a trail as a crash would leave them.
func copyTrail(t testing.TB, from, to string) {
	t.Helper()
	for _, suffix := range []string{"", "-wal"} {
		src, err := os.Open(from + suffix)
		if os.IsNotExist(err) {
			continue
		}
		require.NoError(t, err)
		dst, err := os.Create(to + suffix)
		require.NoError(t, err)
		_, err = io.Copy(dst, src)
		require.NoError(t, err)
		require.NoError(t, src.Close())
		require.NoError(t, dst.Close())
	}
}
