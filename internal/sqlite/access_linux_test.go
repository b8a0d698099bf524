package sqlite_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/sqlite"
)

// ordinary makes this goroutine one of a user whom modes hold, also if it is root's.
func ordinary(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	require.NoError(t, syscall.Setfsuid(nobody))
	t.Cleanup(func() { assert.NoError(t, syscall.Setfsuid(0)) })
}

// evidence is a folder that cannot be written, with a database in it, with or without what
// its write-ahead log holds.
func evidence(t *testing.T, withLog bool) string {
	t.Helper()
	from := filepath.Join(t.TempDir(), "a.db")
	db, err := sqlite.Open(from, sqlite.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	require.NoError(t, sqlite.Migrate(t.Context(), db, []string{"CREATE TABLE t (x)"}))
	_, err = db.ExecContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)")
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "INSERT INTO t VALUES (7)")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	names := []string{""}
	if withLog {
		names = append(names, "-wal")
	}
	for _, suffix := range names {
		content, err := os.ReadFile(from + suffix)
		require.NoError(t, err)
		require.NotEmpty(t, content)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "a.db"+suffix), content, 0o444))
	}
	require.NoError(t, os.Chmod(dir, 0o555))
	t.Cleanup(func() { assert.NoError(t, os.Chmod(dir, 0o755)) })
	return filepath.Join(dir, "a.db")
}

func TestADatabaseIsReadInAFolderThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	path := evidence(t, false)
	ordinary(t)
	db, err := sqlite.Open(path, sqlite.Options{ReadOnly: true, Connections: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	var n int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM t").Scan(&n))
	assert.Zero(t, n, "what stands in the log is not there")
}

func TestALogThatCannotBeReadWhereItLiesSaysWhatToDo(t *testing.T) {
	t.Parallel()
	path := evidence(t, true)
	ordinary(t)
	_, err := sqlite.Open(path, sqlite.Options{ReadOnly: true})
	require.ErrorContains(t, err, "copy both files, a.db and a.db-wal, to a folder that you can write")
}

func TestAnUnreadableFileIsNamed(t *testing.T) {
	t.Parallel()
	for name, withLog := range map[string]bool{"a.db": false, "a.db-wal": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := evidence(t, withLog)
			file := filepath.Join(filepath.Dir(path), name)
			require.NoError(t, os.Chmod(file, 0))
			ordinary(t)
			_, err := sqlite.Open(path, sqlite.Options{ReadOnly: true})
			require.ErrorIs(t, err, fs.ErrPermission)
			require.ErrorContains(t, err, "read "+file+": permission denied")
		})
	}
}
