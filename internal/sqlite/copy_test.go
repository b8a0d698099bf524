package sqlite_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/sqlite"
)

func TestCopyTo(t *testing.T) {
	t.Parallel()
	from, to := filepath.Join(t.TempDir(), "a.db"), filepath.Join(t.TempDir(), "b's copy.db")
	db, err := sqlite.Open(from, sqlite.Options{ManualCheckpoint: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	require.NoError(t, sqlite.Migrate(t.Context(), db, []string{"CREATE TABLE t (x); PRAGMA application_id = 7"}))
	_, err = db.Exec("INSERT INTO t VALUES (1)") // which stands in the log only
	require.NoError(t, err)
	writing, err := db.Begin() // a writer who is not done holds nothing up
	require.NoError(t, err)
	_, err = writing.Exec("INSERT INTO t VALUES (2)")
	require.NoError(t, err)
	require.NoError(t, sqlite.CopyTo(t.Context(), from, to))
	require.NoError(t, writing.Commit())

	fi, err := os.Stat(to)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), fi.Mode().Perm())
	copied, err := sqlite.Open(to, sqlite.Options{ReadOnly: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, copied.Close()) }()
	for query, want := range map[string]int{"SELECT sum(x) FROM t": 1, "PRAGMA application_id": 7, "PRAGMA user_version": 1} {
		var have int
		require.NoError(t, copied.QueryRow(query).Scan(&have))
		assert.Equal(t, want, have, query)
	}
	require.ErrorIs(t, sqlite.CopyTo(t.Context(), from, to), fs.ErrExist, "it replaces nothing")
	require.ErrorIs(t, sqlite.CopyTo(t.Context(), from+"no", to), fs.ErrNotExist)
}
