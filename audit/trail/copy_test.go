package trail_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// TestACopyIsWholeWhileTheTrailIsWritten: what is open in it stays open, and nothing stands beside it.
func TestACopyIsWholeWhileTheTrailIsWritten(t *testing.T) {
	t.Parallel()
	writer, path := open(t, func(c *trail.Config) { c.Key = filepath.Join(filepath.Dir(c.Path), "trail.key") })
	exchanges(t, writer, 4, 100)
	left := begun(t, writer)
	to := filepath.Join(t.TempDir(), "copy.db")
	copied, err := trail.Copy(t.Context(), path, to)
	require.NoError(t, err)
	assert.NoFileExists(t, to+"-wal")
	later := begun(t, writer)
	r := reader(t, to)
	report := whole(t, r)
	assert.Equal(t, copied.Events, report.Events)
	assert.Equal(t, copied.Root, report.Root)
	assert.EqualValues(t, 1, report.Live)
	_, _, err = r.Show(t.Context(), left.ID)
	require.NoError(t, err)
	_, _, err = r.Show(t.Context(), later.ID)
	require.ErrorIs(t, err, audit.ErrNotFound)
	root, err := reader(t, path).RootAt(t.Context(), copied.Events)
	require.NoError(t, err)
	assert.Equal(t, copied.Root, root, "the trail had the same beginning")
	fi, err := os.Stat(to)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), fi.Mode().Perm())
}

// whole is the report of a trail that is whole up to where it ends.
func whole(t *testing.T, r *trail.Reader) audit.Report {
	t.Helper()
	report, err := r.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, report.Problems)
	return report
}

func TestACopyReplacesNothing(t *testing.T) {
	t.Parallel()
	path := filled(t, 3)
	_, err := trail.Copy(t.Context(), path, path)
	require.ErrorIs(t, err, fs.ErrExist)
	_, err = trail.Copy(t.Context(), path+".not", filepath.Join(t.TempDir(), "a.db"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	verified(t, reader(t, path))
}

// TestACopyTellsItsNewestCheckpoint, if there is one.
func TestACopyTellsItsNewestCheckpoint(t *testing.T) {
	t.Parallel()
	copied, err := trail.Copy(t.Context(), filled(t, 3), filepath.Join(t.TempDir(), "a.db"))
	require.NoError(t, err)
	assert.Empty(t, copied.Checkpoint.Note)
	path, _ := keyFile(t)
	copied, err = trail.Copy(t.Context(), path, filepath.Join(t.TempDir(), "a.db"))
	require.NoError(t, err)
	assert.EqualValues(t, 4, copied.Checkpoint.Size)
	assert.NotEmpty(t, copied.Checkpoint.Note)
}

// TestAnArchiveEndsWithACheckpoint, has the documents that it names, and replaces nothing.
func TestAnArchiveEndsWithACheckpoint(t *testing.T) {
	t.Parallel()
	writer, path, ids := aged(t, 30)
	text := []byte("policy")
	require.NoError(t, writer.StoreDocument(t.Context(), hashOf(text), text))
	require.NoError(t, writer.Close(context.Background()))
	r := reader(t, path)
	to := filepath.Join(t.TempDir(), "archive.db")
	done, err := r.Archive(t.Context(), minute(1000), to)
	require.NoError(t, err)
	assert.EqualValues(t, 62, done.Events)
	a := reader(t, to)
	assert.EqualValues(t, 62, whole(t, a).Events)
	have, err := a.Document(t.Context(), hashOf(text))
	require.NoError(t, err)
	assert.Equal(t, text, have)
	_, _, err = a.Show(t.Context(), ids[0])
	require.NoError(t, err)
	_, err = r.Archive(t.Context(), minute(1000), to)
	require.ErrorContains(t, err, "is there already")
	_, err = r.Archive(t.Context(), minute(0), filepath.Join(t.TempDir(), "a.db"))
	require.ErrorIs(t, err, audit.ErrNoCheckpoint, "nothing that is signed lies before")
	assert.NoFileExists(t, to+".new")
	assert.NoFileExists(t, to+"-wal")
}

// TestATrailOfANewerProgramIsLeftAlone: neither written nor read by guessing.
func TestATrailOfANewerProgramIsLeftAlone(t *testing.T) {
	t.Parallel()
	path := filled(t, 3)
	db := database(t, path)
	var version int
	require.NoError(t, scan(db, &version, "PRAGMA user_version"))
	_, err := db.Exec("PRAGMA user_version = 9999")
	require.NoError(t, err)
	_, err = trail.Open(t.Context(), trail.Config{Path: path})
	require.ErrorContains(t, err, "newer")
	report, err := reader(t, path).Verify(t.Context())
	if err == nil {
		assert.False(t, report.OK)
		assert.Contains(t, report.Problems[0], "use the newer program")
	}
	var after int
	require.NoError(t, scan(db, &after, "PRAGMA user_version"))
	assert.Equal(t, 9999, after)
	assert.Less(t, version, 9999)
}

// TestOnlyAReaderOfARealTrailIsOpened: it makes no file, and takes none for one that is another's.
func TestOnlyAReaderOfARealTrailIsOpened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := trail.OpenReader(filepath.Join(dir, "none.db"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.NoFileExists(t, filepath.Join(dir, "none.db"))
	text := filepath.Join(dir, "text.db")
	require.NoError(t, os.WriteFile(text, []byte("something else, and long enough to be looked at as a database"), 0o600))
	_, err = trail.OpenReader(text)
	require.ErrorContains(t, err, "damaged")
	require.ErrorContains(t, trail.Rebuild(t.Context(), filepath.Join(dir, "none.db")), "gone")
	assert.NoFileExists(t, filepath.Join(dir, "none.db"))
}
