package trail_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// restored is a trail that was copied while it was written, and both that go on.
type restored struct {
	path           string // of the copy, restored and closed again
	was, now       string // public keys
	copied         trail.Copied
	shared, beyond []byte // checkpoints of the original: in the copy, and signed after it
}

func newest(t *testing.T, path string) []byte {
	t.Helper()
	c, err := reader(t, path).Checkpoint(t.Context())
	require.NoError(t, err)
	return []byte(c.Note)
}

func restore(t *testing.T) restored {
	t.Helper()
	from := trail.Config{Path: filepath.Join(t.TempDir(), "audit.db"), Key: filepath.Join(t.TempDir(), "trail.key"), Origin: "agents.test"}
	writer, err := trail.Open(t.Context(), from)
	require.NoError(t, err)
	require.NoError(t, writer.Begin(t.Context(), intent()))
	require.NoError(t, writer.Close(t.Context()))
	writer, err = trail.Open(t.Context(), from)
	require.NoError(t, err)
	require.NoError(t, writer.Begin(t.Context(), intent()))
	r := restored{path: filepath.Join(t.TempDir(), "audit.db"), was: writer.PublicKey(), shared: newest(t, from.Path)}
	r.copied, err = trail.Copy(t.Context(), from.Path, r.path)
	require.NoError(t, err)
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "lost"}))
	require.NoError(t, writer.Close(t.Context()))
	r.beyond = newest(t, from.Path)

	report := verify(t, r.path)
	assert.True(t, report.OK, "%v", report.Problems)
	assert.Equal(t, audit.StateOpen, report.State)
	assert.EqualValues(t, 1, report.Live)
	assert.Equal(t, r.copied.Root, report.Root)

	to := trail.Config{
		Path: r.path, Key: filepath.Join(t.TempDir(), "trail.key"), Origin: "agents.test/restored/1",
		Continue: &trail.Continuation{PublicKey: r.was, Payload: map[string]any{"user": "dana"}},
	}
	again, err := trail.Open(t.Context(), to)
	require.NoError(t, err)
	require.NoError(t, again.Record(t.Context(), audit.Event{Type: "note"}))
	r.now = again.PublicKey()
	require.NoError(t, again.Close(context.Background()))
	return r
}

func (r restored) verify(t *testing.T, o audit.VerifyOptions) audit.Report {
	t.Helper()
	report, err := reader(t, r.path).VerifyWith(t.Context(), o)
	require.NoError(t, err)
	return report
}

func TestARestoredTrailGoesOnUnderALogOfItsOwn(t *testing.T) {
	t.Parallel()
	r := restore(t)
	report := r.verify(t, audit.VerifyOptions{PublicKey: r.now, Checkpoint: r.shared})
	assert.True(t, report.OK, "%v", report.Problems)
	assert.Equal(t, audit.StateWhole, report.State)
	assert.Equal(t, report.Events, report.Checkpoint, "all of it is signed")
	assert.NotZero(t, report.Outside, "what the log before has signed counts")
	want := audit.Continued{Event: r.copied.Events + 1, Log: "agents.test/restored/1", WasLog: "agents.test", Vouched: true}
	assert.Equal(t, []audit.Continued{want}, report.Continued)

	e, err := reader(t, r.path).Last(t.Context(), "trail.continued")
	require.NoError(t, err)
	assert.Equal(t, r.copied.Events+1, e.Seq, "before anything else is written")
	assert.Equal(t, string(r.shared), e.Payload["checkpoint"], "it names the checkpoint that it continues")
	assert.Equal(t, "dana", e.Payload["user"])

	key, err := reader(t, r.path).KeyOf(t.Context(), r.copied.Events, r.now)
	require.NoError(t, err)
	assert.Equal(t, r.was, strings.TrimSpace(key))
	key, err = reader(t, r.path).KeyOf(t.Context(), report.Events, r.now)
	require.NoError(t, err)
	assert.Equal(t, r.now, key)

	// Who has only the key of before is told where that ends.
	report = r.verify(t, audit.VerifyOptions{PublicKey: r.was})
	assert.True(t, report.OK, "%v", report.Problems)
	assert.LessOrEqual(t, report.Checkpoint, r.copied.Events)
	assert.False(t, report.Continued[0].Vouched)
}

func TestWhatARestoreLostIsNamed(t *testing.T) {
	t.Parallel()
	r := restore(t)
	report := r.verify(t, audit.VerifyOptions{PublicKey: r.now, Checkpoint: r.beyond})
	assert.False(t, report.OK)
	require.Len(t, report.Problems, 1)
	assert.Contains(t, report.Problems[0], "which agents.test has signed for and somebody kept elsewhere, are not in this trail: it was restored from a copy")
}

func TestAStrangersKeyVerifiesNothing(t *testing.T) {
	t.Parallel()
	r := restore(t)
	_, stranger, err := note.GenerateKey(nil, "agents.test")
	require.NoError(t, err)
	report := r.verify(t, audit.VerifyOptions{PublicKey: stranger})
	assert.False(t, report.OK)
	assert.Contains(t, strings.Join(report.Problems, "\n"), "the public key is none of those that have signed this trail")
}

// The log before may not sign for what comes after the restore, nor the new one for what
// came before it.
func TestALogSignsForItsOwnPartOnly(t *testing.T) {
	t.Parallel()
	r := restore(t)
	db, err := trail.OpenDatabase(r.path)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "INSERT OR REPLACE INTO checkpoints VALUES (?, ?)", r.copied.Events+1, string(r.beyond))
	require.NoError(t, err)
	require.NoError(t, db.Close())
	report := r.verify(t, audit.VerifyOptions{PublicKey: r.now})
	assert.False(t, report.OK)
	assert.Contains(t, strings.Join(report.Problems, "\n"), "was altered")
}

func TestContinuingNeedsANewName(t *testing.T) {
	t.Parallel()
	c := trail.Config{Path: filepath.Join(t.TempDir(), "audit.db"), Key: filepath.Join(t.TempDir(), "trail.key"), Origin: "agents.test"}
	writer, err := trail.Open(t.Context(), c)
	require.NoError(t, err)
	was := writer.PublicKey()
	require.NoError(t, writer.Close(t.Context()))
	c.Key, c.Continue = filepath.Join(t.TempDir(), "trail.key"), &trail.Continuation{PublicKey: was}
	_, err = trail.Open(t.Context(), c)
	require.ErrorContains(t, err, "the new log has the name of the one before")
}

func TestTexts(t *testing.T) {
	t.Parallel()
	r := trail.Config{Path: filepath.Join(t.TempDir(), "audit.db"), Key: filepath.Join(t.TempDir(), "trail.key")}
	writer, err := trail.Open(t.Context(), r)
	require.NoError(t, err)
	public := writer.PublicKey()
	require.NoError(t, writer.Close(t.Context()))
	signed, err := trail.SignText(r.Key, "a text\n")
	require.NoError(t, err)
	text, err := audit.OpenText(signed, public)
	require.NoError(t, err)
	assert.Equal(t, "a text\n", text)
	_, err = audit.OpenText(strings.Replace(signed, "a text", "another", 1), public)
	require.Error(t, err)
	_, err = audit.OpenCheckpoint([]byte(signed), public)
	require.Error(t, err, "it is no checkpoint")
}
