package sqlite_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/sqlite"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "odd ?#%25&name.db")
	db, err := sqlite.Open(path, sqlite.Options{Synchronous: sqlite.Normal})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "1", "foreign_keys": "1", "busy_timeout": "5000", "cache_size": "-1024"} {
		var have string
		require.NoError(t, db.QueryRow("PRAGMA "+pragma).Scan(&have))
		assert.Equal(t, want, have, pragma)
	}
	fi, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), fi.Mode().Perm())
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	_, err := sqlite.Open(path, sqlite.Options{ReadOnly: true})
	require.ErrorIs(t, err, fs.ErrNotExist)
	db, err := sqlite.Open(path, sqlite.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	require.NoError(t, sqlite.Migrate(t.Context(), db, []string{"CREATE TABLE t (x)"}))
	ro, err := sqlite.Open(path, sqlite.Options{ReadOnly: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, ro.Close()) }()
	_, err = ro.Exec("INSERT INTO t VALUES (1)")
	assert.Equal(t, sqlite.CodeReadOnly, sqlite.Code(err))
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	db, err := sqlite.Open(filepath.Join(t.TempDir(), "a.db"), sqlite.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	one, two := "CREATE TABLE t (x)", "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)"
	require.NoError(t, sqlite.Migrate(t.Context(), db, []string{one}))
	require.Error(t, sqlite.Migrate(t.Context(), db, []string{one, "INSERT INTO t VALUES (0); INSERT INTO nowhere VALUES (1)"}))
	require.NoError(t, sqlite.Migrate(t.Context(), db, []string{one, two}))
	require.NoError(t, sqlite.Migrate(t.Context(), db, []string{one, two}))
	var sum int
	require.NoError(t, db.QueryRow("SELECT sum(x) FROM t").Scan(&sum))
	assert.Equal(t, 3, sum, "a migration that failed has left nothing, one that is done is not done again")
	require.ErrorContains(t, sqlite.Migrate(t.Context(), db, []string{one}), "newer program")
}

func TestCode(t *testing.T) {
	t.Parallel()
	assert.Zero(t, sqlite.Code(nil))
	assert.Zero(t, sqlite.Code(errors.New("other")))
}

func TestDamageIsCalledDamage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	require.NoError(t, os.WriteFile(path, []byte("this is no database, and long enough to be seen as none"), 0o600))
	_, err := sqlite.Open(path, sqlite.Options{})
	require.ErrorContains(t, err, path)
	require.ErrorContains(t, err, "restore it from a backup")
}
