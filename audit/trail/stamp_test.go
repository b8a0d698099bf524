package trail_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// copyMain copies the main file of a trail alone, as who does not know of the log does.
func copyMain(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "audit.db")
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, data, 0o600))
	return to
}

func verify(t *testing.T, path string) audit.Report {
	t.Helper()
	report, err := reader(t, path).Verify(t.Context())
	require.NoError(t, err)
	return report
}

func TestACopyWithoutTheLogIsIncomplete(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	for range 20 {
		require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "note"}))
	}
	to := copyMain(t, path)
	for range 2 { // the first look leaves an empty log beside the copy
		report := verify(t, to)
		assert.False(t, report.OK)
		assert.Equal(t, audit.StateIncomplete, report.State)
		require.Len(t, report.Problems, 1)
		assert.Contains(t, report.Problems[0], "the end of the trail is missing")
		assert.Less(t, report.Events, uint64(20), "or the test shows nothing")
	}
	assert.Equal(t, audit.StateWhole, verify(t, path).State, "the one that is being written")

	require.NoError(t, writer.Close(t.Context()))
	report := verify(t, copyMain(t, path))
	assert.True(t, report.OK, "%v", report.Problems)
	assert.Equal(t, audit.StateWhole, report.State, "a trail that was closed is one file")
	assert.EqualValues(t, 20, report.Events)
}

// What is on disk after a crash is the same as such a copy: the process's own commits are
// in the log, and the main file is as the last checkpoint has left it.
func TestAMissingLogIsRecordedByTheNextStart(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "note"}))
	to := copyMain(t, path)
	again, err := trail.Open(t.Context(), trail.Config{Path: to})
	require.NoError(t, err)
	require.NoError(t, again.Close(context.Background()))
	r := reader(t, to)
	_, err = r.Last(t.Context(), "trail.log_missing")
	require.NoError(t, err)
	assert.Equal(t, audit.StateWhole, verify(t, to).State)

	whole := filepath.Join(t.TempDir(), "audit.db")
	copyTrail(t, path, whole)
	again, err = trail.Open(t.Context(), trail.Config{Path: whole})
	require.NoError(t, err)
	require.NoError(t, again.Close(context.Background()))
	_, err = reader(t, whole).Last(t.Context(), "trail.log_missing")
	require.ErrorIs(t, err, audit.ErrNotFound, "with its log it lacks nothing")
}

// A trail that was never stamped, as programs before this one left it, says what it said.
func TestAnOpenTrailWithoutAStampIsNamed(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	in := intent()
	require.NoError(t, writer.Begin(t.Context(), in))
	to := filepath.Join(t.TempDir(), "audit.db")
	copyTrail(t, path, to)
	db, err := trail.OpenDatabase(to)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "PRAGMA application_id = 0")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	report := verify(t, to)
	assert.Equal(t, audit.StateDamaged, report.State)
	require.Len(t, report.Problems, 1)
	assert.Contains(t, report.Problems[0], "event 1: intent of exchange "+in.ID.String()+" has no outcome and no process is running")
}

// TestAReaderKnowsThatTheEndIsMissing: of a copy of the main file alone, and of nothing else.
func TestAReaderKnowsThatTheEndIsMissing(t *testing.T) {
	t.Parallel()
	lacks := func(path string) bool {
		missing, err := reader(t, path).LacksLog(t.Context())
		require.NoError(t, err)
		return missing
	}
	writer, path := open(t)
	in := begun(t, writer)
	alone := copyMain(t, path)
	whole := filepath.Join(t.TempDir(), "audit.db")
	copyTrail(t, path, whole)
	assert.False(t, lacks(path), "a process writes it")
	assert.True(t, lacks(alone))
	assert.False(t, lacks(whole), "its log is beside it")
	writer.End(in.ID, outcome())
	require.NoError(t, writer.Close(context.Background()))
	assert.False(t, lacks(copyMain(t, path)), "it was closed")
	to := filepath.Join(t.TempDir(), "copied.db")
	_, err := trail.Copy(t.Context(), path, to)
	require.NoError(t, err)
	assert.False(t, lacks(to), "a copy is one file")
}
