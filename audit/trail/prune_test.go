package trail_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// aged makes an open, signed trail of n exchanges, one a minute, whose paths
// name them.
func aged(t *testing.T, n int) (writer *trail.Writer, path string, ids []uuid.UUID) {
	t.Helper()
	writer, path = open(t, func(c *trail.Config) { c.Key = filepath.Join(filepath.Dir(c.Path), "trail.key") })
	for i := range n {
		in, out := intent(), outcome()
		in.StartedAt = minute(i)
		in.Path = "/number/" + strings.Repeat("x", i%7) + "/" + in.ID.String()
		out.EndedAt = in.StartedAt.Add(time.Second)
		ids = append(ids, in.ID)
		require.NoError(t, writer.Begin(t.Context(), in))
		writer.End(in.ID, out)
	}
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "note"})) // takes the outcomes along
	require.Eventually(t, func() bool { return writer.Stats().Lag == 0 }, 10*time.Second, time.Millisecond)
	return writer, path, ids
}

func minute(i int) time.Time { return time.Date(2026, 1, 1, 0, i, 0, 0, time.UTC) }

func TestPrune(t *testing.T) {
	t.Parallel()
	writer, path, ids := aged(t, 700)
	long := begun(t, writer) // open all the time
	pruned, err := writer.Prune(t.Context(), audit.PruneRequest{Before: minute(400), By: map[string]any{"user": "dana"}})
	require.NoError(t, err)
	// The last outcome may have shared a commit with a later intent.
	assert.InDelta(t, 400, pruned.Exchanges, 1)
	assert.True(t, pruned.Done)
	again, err := writer.Prune(t.Context(), audit.PruneRequest{Before: minute(400)})
	require.NoError(t, err)
	assert.Zero(t, again.Exchanges)
	writer.End(long.ID, outcome())
	last := begun(t, writer)
	writer.End(last.ID, outcome())
	require.NoError(t, writer.Close(context.Background()))

	r := reader(t, path)
	report := verified(t, r)
	assert.Equal(t, 2*pruned.Exchanges, report.Removed)
	list, err := r.List(t.Context(), audit.Filter{})
	require.NoError(t, err)
	assert.Len(t, list, 702-int(pruned.Exchanges))
	_, _, err = r.Show(t.Context(), ids[398])
	require.ErrorIs(t, err, audit.ErrNotFound)
	_, _, err = r.Show(t.Context(), ids[400])
	require.NoError(t, err)
	event, err := r.Last(t.Context(), "trail.pruned")
	require.NoError(t, err)
	assert.Equal(t, "dana", event.Payload["user"])

	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.NotContains(t, string(data), ids[0].String(), "what is removed is gone from the file")
	assert.Contains(t, string(data), ids[699].String())

	require.NoError(t, trail.Rebuild(t.Context(), path))
	verified(t, reader(t, path))
}

// TestWhatStandsBesideRowsIsPrunedWithThem: the refs of a push and the keys of a deletion
// that a row had no room for.
func TestWhatStandsBesideRowsIsPrunedWithThem(t *testing.T) {
	t.Parallel()
	writer, path, _ := aged(t, 3)
	in, out := intent(), outcome()
	in.StartedAt, out.EndedAt = minute(5), minute(6)
	require.NoError(t, writer.Begin(t.Context(), in))
	for kind, payload := range map[string]map[string]any{
		"request.calls": {"calls": []any{map[string]any{"resource": "arn:aws:s3:::acme/pruned-key"}}},
		"push.refs":     {"refs": []any{map[string]any{"ref": "refs/heads/pruned-ref"}}},
		"agent.revoked": {"name": "kept-name"},
	} {
		require.NoError(t, writer.Record(t.Context(), audit.Event{Type: kind, Exchange: in.ID, Payload: payload}))
	}
	writer.End(in.ID, out)
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "note"}))
	require.Eventually(t, func() bool { return writer.Stats().Lag == 0 }, 10*time.Second, time.Millisecond)
	pruned, err := writer.Prune(t.Context(), audit.PruneRequest{Before: minute(10)})
	require.NoError(t, err)
	assert.EqualValues(t, 4, pruned.Exchanges)
	require.NoError(t, writer.Close(context.Background()))
	report := verified(t, reader(t, path))
	assert.EqualValues(t, 10, report.Removed)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.NotContains(t, string(data), "pruned-")
	assert.Contains(t, string(data), "kept-name")
	require.NoError(t, reader(t, path).Events(t.Context(), audit.EventFilter{}, func(audit.EventRow) error { return nil }))
}

func TestPruneOnlyWhatIsOver(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	in := intent()
	in.StartedAt = minute(0)
	require.NoError(t, writer.Begin(t.Context(), in))
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "note"}))
	pruned, err := writer.Prune(t.Context(), audit.PruneRequest{Before: minute(10)})
	require.NoError(t, err)
	assert.Zero(t, pruned.Exchanges)
	out := outcome()
	out.EndedAt = minute(20)
	writer.End(in.ID, out)
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "note"}))
	require.Eventually(t, func() bool { return writer.Stats().Lag == 0 }, 10*time.Second, time.Millisecond)
	pruned, err = writer.Prune(t.Context(), audit.PruneRequest{Before: minute(10)})
	require.NoError(t, err)
	assert.Zero(t, pruned.Exchanges, "it began before and ended after")
	pruned, err = writer.Prune(t.Context(), audit.PruneRequest{Before: minute(30)})
	require.NoError(t, err)
	assert.EqualValues(t, 1, pruned.Exchanges)
	require.NoError(t, writer.Close(context.Background()))
	verified(t, reader(t, path))
	_, err = writer.Prune(t.Context(), audit.PruneRequest{Before: minute(30)})
	require.Error(t, err)
}

// TestRemovalIsGuarded removes what was not announced, or not kept the hash of.
func TestRemovalIsGuarded(t *testing.T) {
	t.Parallel()
	source := filled(t, 30)
	db, err := trail.OpenDatabase(source)
	require.NoError(t, err)
	for _, statement := range []string{
		"UPDATE events SET payload = NULL WHERE seq = 17",
		"INSERT INTO removed VALUES (17, zeroblob(32)); UPDATE events SET payload = x'00' WHERE seq = 17",
		"UPDATE events SET payload = NULL, at = 0 WHERE seq = 17",
	} {
		_, err := db.Exec(statement)
		require.ErrorContains(t, err, "append-only", statement)
	}
	require.NoError(t, db.Close())
	source = filled(t, 30)
	for name, c := range map[string]struct{ sql, want string }{
		"wrong hash":  {"INSERT INTO removed VALUES (1, zeroblob(32)); UPDATE events SET payload = NULL WHERE seq = 1", "event 1 was altered"},
		"not removed": {"INSERT INTO removed VALUES (1, zeroblob(32))", "event 1: its payload is there"},
		"no event":    {"INSERT INTO removed VALUES (1000, zeroblob(32))", "event 1000: its payload is there, or the event is not"},
	} {
		path := filepath.Join(t.TempDir(), "audit.db")
		copyTrail(t, source, path)
		db, err := trail.OpenDatabase(path)
		require.NoError(t, err)
		_, err = db.Exec(c.sql)
		require.NoError(t, err)
		require.NoError(t, db.Close())
		assert.Contains(t, alone(t, path), c.want, name)
	}
}

// alone are the problems of a trail that nothing outside is known of.
func alone(t *testing.T, path string) string {
	t.Helper()
	report, err := reader(t, path).Verify(t.Context())
	require.NoError(t, err)
	return strings.Join(report.Problems, "\n")
}

func TestUnannouncedRemovalIsNamed(t *testing.T) {
	t.Parallel()
	writer, path, _ := aged(t, 5)
	require.NoError(t, writer.Close(context.Background()))
	require.NoError(t, trail.RemovePayloads(path, 1, 2))
	assert.Contains(t, alone(t, path), "event 2: its payload was removed, and no event announced it")
}

func TestArchive(t *testing.T) {
	t.Parallel()
	writer, path, ids := aged(t, 300)
	text := []byte("policy: p\n")
	sum := sha256.Sum256(text)
	require.NoError(t, writer.StoreDocument(t.Context(), hex.EncodeToString(sum[:]), text))
	public := writer.PublicKey()
	require.NoError(t, writer.Close(context.Background())) // signs
	writer, err := trail.Open(t.Context(), trail.Config{Path: path, Key: filepath.Join(filepath.Dir(path), "trail.key")})
	require.NoError(t, err)
	open := begun(t, writer)
	late := intent()
	late.StartedAt = minute(1000)
	r, out := reader(t, path), filepath.Join(t.TempDir(), "old.db")
	require.Eventually(t, func() bool {
		c, err := r.Checkpoint(t.Context())
		return err == nil && c.Size > 602
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, writer.Begin(t.Context(), late))

	archived, err := r.Archive(t.Context(), minute(1000), out)
	require.NoError(t, err)
	assert.Equal(t, archived.Events, archived.Checkpoint.Size)
	_, err = r.Archive(t.Context(), minute(1000), out)
	require.ErrorContains(t, err, "there already")
	old := reader(t, out)
	report, err := old.VerifyWith(t.Context(), audit.VerifyOptions{PublicKey: public, Checkpoint: []byte(archived.Checkpoint.Note)})
	require.NoError(t, err)
	assert.True(t, report.OK, "%v", report.Problems)
	assert.Equal(t, archived.Events, report.Checkpoint)
	assert.Equal(t, archived.Events, report.Outside)
	cut := filepath.Join(t.TempDir(), "cut.db")
	copyTrail(t, out, cut)
	db, err := trail.OpenDatabase(cut)
	require.NoError(t, err)
	_, err = db.Exec("DROP TRIGGER checkpoints_no_delete; DELETE FROM checkpoints WHERE size = ?", archived.Events)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	assert.Contains(t, problems(t, cut, public, archived.Checkpoint.Note), "an archive ends with one")
	_, _, err = old.Show(t.Context(), ids[0])
	require.NoError(t, err)
	have, err := old.Document(t.Context(), hex.EncodeToString(sum[:]))
	require.NoError(t, err)
	assert.Equal(t, text, have)

	pruned, err := writer.Prune(t.Context(), audit.PruneRequest{Before: minute(1000), UpTo: archived.Events})
	require.NoError(t, err)
	assert.InDelta(t, 300, pruned.Exchanges, 1)
	writer.End(open.ID, outcome())
	writer.End(late.ID, outcome())
	require.NoError(t, writer.Close(context.Background()))
	verified(t, reader(t, path))
	assert.Empty(t, problems(t, path, public, archived.Checkpoint.Note), "what remains is consistent with the archive's checkpoint")

	db, err = trail.OpenDatabase(out)
	require.NoError(t, err)
	_, err = db.Exec("DROP TRIGGER events_no_update; UPDATE events SET at = at + 1 WHERE seq = 9")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	assert.Contains(t, problems(t, out, public, archived.Checkpoint.Note), "event 9 was altered")
}

func TestHold(t *testing.T) {
	t.Parallel()
	writer, _ := open(t)
	why := errors.New("no checkpoint can be published")
	writer.Hold(why)
	require.ErrorIs(t, writer.Begin(t.Context(), intent()), why)
	require.ErrorIs(t, writer.Err(), why)
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "note"}))
	require.NoError(t, writer.Refused(t.Context(), intent(), &audit.Outcome{Outcome: audit.OutcomeRefused}))
	writer.Hold(nil)
	in := begun(t, writer)
	writer.End(in.ID, outcome())
	require.NoError(t, writer.Err())
}
