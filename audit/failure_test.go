package audit_test

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
)

// begun begins an exchange that ends while the trail is broken.
func begun(t *testing.T, trail *audit.Trail) *audit.Intent {
	t.Helper()
	in := intent()
	require.NoError(t, trail.Begin(t.Context(), in))
	return in
}

// refused asserts that nothing new begins, and that this takes under 2.5 s.
func refused(t *testing.T, trail *audit.Trail) {
	t.Helper()
	start := time.Now()
	require.Error(t, trail.Begin(t.Context(), intent()))
	assert.Less(t, time.Since(start), 2500*time.Millisecond)
	require.Eventually(t, func() bool { return trail.Err() != nil }, 5*time.Second, time.Millisecond)
}

// heals asserts that the trail works again by itself and has lost nothing.
func heals(t *testing.T, trail *audit.Trail, path string, ended *audit.Intent) {
	t.Helper()
	require.Eventually(t, func() bool { return trail.Err() == nil }, 10*time.Second, 5*time.Millisecond)
	after := begun(t, trail)
	trail.End(after.ID, outcome())
	require.NoError(t, trail.Close(context.Background()))
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
	trail, path := open(t)
	in := begun(t, trail)
	require.NoError(t, os.Rename(path, path+".away"))
	refused(t, trail)
	trail.End(in.ID, outcome())
	refused(t, trail)
	require.NoError(t, os.Rename(path+".away", path))
	heals(t, trail, path, in)
}

func TestDeletedDatabase(t *testing.T) {
	t.Parallel()
	trail, path := open(t)
	in := begun(t, trail)
	copies := t.TempDir()
	copyTrail(t, path, filepath.Join(copies, "audit.db"))
	for _, suffix := range []string{"", "-wal", "-shm"} {
		require.NoError(t, os.Remove(path+suffix))
	}
	refused(t, trail)
	trail.End(in.ID, outcome())
	copyTrail(t, filepath.Join(copies, "audit.db"), path)
	heals(t, trail, path, in)
}

func TestReplacedDatabaseIsRefusedForGood(t *testing.T) {
	t.Parallel()
	trail, path := open(t)
	older := filepath.Join(t.TempDir(), "audit.db")
	copyTrail(t, path, older)
	begun(t, trail)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		require.NoError(t, os.Remove(path+suffix))
	}
	copyTrail(t, older, path)
	refused(t, trail)
	require.Eventually(t, func() bool {
		err := trail.Err()
		return err != nil && strings.Contains(err.Error(), "lacks events")
	}, 5*time.Second, 5*time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	require.Error(t, trail.Close(ctx))
}

func TestDeletedWAL(t *testing.T) {
	t.Parallel()
	trail, path := open(t)
	in := begun(t, trail)
	require.NoError(t, os.Rename(path+"-wal", path+"-wal.away"))
	refused(t, trail)
	trail.End(in.ID, outcome())
	require.NoError(t, os.Rename(path+"-wal.away", path+"-wal"))
	heals(t, trail, path, in)
}

func TestLockedDatabase(t *testing.T) {
	t.Parallel()
	trail, path := open(t)
	in := begun(t, trail)
	db, err := audit.OpenDatabase(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.Exec("BEGIN EXCLUSIVE")
	require.NoError(t, err)
	refused(t, trail)
	trail.End(in.ID, outcome())
	_, err = db.Exec("ROLLBACK")
	require.NoError(t, err)
	heals(t, trail, path, in)
}

func TestReplacedByAnotherFile(t *testing.T) {
	t.Parallel()
	trail, path := open(t)
	in := begun(t, trail)
	require.NoError(t, os.Rename(path, path+".away"))
	require.NoError(t, os.WriteFile(path, []byte("not a database, though it is as long as one may be"), 0o600))
	refused(t, trail)
	trail.End(in.ID, outcome())
	refused(t, trail)
	require.NoError(t, os.Rename(path+".away", path))
	heals(t, trail, path, in)
}

func TestSecondWriterIsRefused(t *testing.T) {
	t.Parallel()
	_, path := open(t)
	_, err := audit.Open(t.Context(), audit.Config{Path: path})
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
