package trail_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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

// signed opens a trail with a key, lets fn use it, closes it and returns the
// public key and the last checkpoint.
func signed(t *testing.T, path, key string, fn func(*trail.Writer)) (public, checkpoint string) {
	t.Helper()
	writer, err := trail.Open(t.Context(), trail.Config{Path: path, Key: key, Origin: "agents.example.com"})
	require.NoError(t, err)
	fn(writer)
	public = writer.PublicKey()
	require.NoError(t, writer.Close(context.Background()))
	db, err := trail.OpenDatabase(path)
	require.NoError(t, err)
	require.NoError(t, db.QueryRow("SELECT note FROM checkpoints ORDER BY size DESC").Scan(&checkpoint))
	require.NoError(t, db.Close())
	return public, checkpoint
}

func exchangesOf(t *testing.T, n int) func(*trail.Writer) {
	return func(writer *trail.Writer) {
		for range n {
			in := begun(t, writer)
			writer.End(in.ID, outcome())
		}
	}
}

func problems(t *testing.T, path, public, checkpoint string) string {
	t.Helper()
	report, err := reader(t, path).VerifyWith(t.Context(), audit.VerifyOptions{PublicKey: public, Checkpoint: []byte(checkpoint)})
	require.NoError(t, err)
	assert.Equal(t, len(report.Problems) == 0, report.OK)
	return strings.Join(report.Problems, "\n")
}

func TestOutsideCheckpoint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, key, older, fork := filepath.Join(dir, "audit.db"), filepath.Join(dir, "trail.key"), filepath.Join(dir, "older.db"), filepath.Join(dir, "fork.db")
	public, first := signed(t, path, key, exchangesOf(t, 5))
	copyTrail(t, path, older)
	copyTrail(t, path, fork)
	again, second := signed(t, path, key, exchangesOf(t, 7))
	assert.Equal(t, public, again)
	assert.True(t, strings.HasPrefix(second, "agents.example.com\n24\n"), second)
	signed(t, fork, key, exchangesOf(t, 9))

	assert.Empty(t, problems(t, path, public, first), "consistent with what it was")
	assert.Empty(t, problems(t, path, public, second))
	assert.Empty(t, problems(t, older, public, first))
	assert.Contains(t, problems(t, older, public, second), "event 11 is missing")
	assert.Contains(t, problems(t, fork, public, second), "has another root")
	for of, reach := range map[string]uint64{path: 24, older: 0, fork: 0} {
		report, err := reader(t, of).VerifyWith(t.Context(), audit.VerifyOptions{PublicKey: public, Checkpoint: []byte(second)})
		require.NoError(t, err)
		assert.Equal(t, reach, report.Outside, "only what agrees with it is evidence")
	}

	fi, err := os.Stat(key)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), fi.Mode().Perm())
	require.NoError(t, os.Chmod(key, 0o644))
	_, err = trail.Open(t.Context(), trail.Config{Path: path, Key: key})
	require.ErrorContains(t, err, "chmod 600")

	_, err = reader(t, path).VerifyWith(t.Context(), audit.VerifyOptions{PublicKey: public, Checkpoint: []byte(strings.Replace(second, "24", "25", 1))})
	require.Error(t, err)
}

func TestCheckpointsAreVerified(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, key := filepath.Join(dir, "audit.db"), filepath.Join(dir, "trail.key")
	public, checkpoint := signed(t, path, key, exchangesOf(t, 3))
	for name, c := range map[string]struct{ sql, want string }{
		"text":  {"UPDATE checkpoints SET note = replace(note, 'agents', 'angels')", "was altered"},
		"size":  {"UPDATE checkpoints SET size = 2", "was altered"},
		"ahead": {"DROP TRIGGER events_no_delete; DELETE FROM events WHERE seq = 6", "event 6 is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			altered := filepath.Join(t.TempDir(), "audit.db")
			copyTrail(t, path, altered)
			db, err := trail.OpenDatabase(altered)
			require.NoError(t, err)
			_, err = db.Exec("DROP TRIGGER checkpoints_no_update; " + c.sql)
			require.NoError(t, err)
			require.NoError(t, db.Close())
			assert.Contains(t, problems(t, altered, public, checkpoint), c.want)
			if name == "ahead" {
				_, err = trail.Open(t.Context(), trail.Config{Path: altered, Key: key})
				require.ErrorContains(t, err, "events were cut off")
			}
		})
	}
}

func TestProof(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.db")
	public, _ := signed(t, path, filepath.Join(dir, "trail.key"), exchangesOf(t, 50))
	stranger, _ := signed(t, filepath.Join(dir, "other.db"), filepath.Join(dir, "other.key"), exchangesOf(t, 1))
	r := reader(t, path)
	for _, seq := range []uint64{1, 2, 37, 64, 99, 100} {
		proof, err := r.Prove(t.Context(), seq)
		require.NoError(t, err)
		text, err := json.Marshal(proof)
		require.NoError(t, err)
		row, checkpoint, err := audit.CheckProof(text, public)
		require.NoError(t, err)
		assert.Equal(t, seq, row.Seq)
		assert.EqualValues(t, 100, checkpoint.Size)
		_, _, err = audit.CheckProof(text, stranger)
		require.Error(t, err, "another key")
		for name, change := range map[string]func(*audit.Proof){
			"seq":      func(p *audit.Proof) { p.Seq++ },
			"at":       func(p *audit.Proof) { p.At++ },
			"type":     func(p *audit.Proof) { p.Type = "note" },
			"exchange": func(p *audit.Proof) { p.Exchange[3] ^= 1 },
			"id":       func(p *audit.Proof) { p.ID[3] ^= 1 },
			"payload":  func(p *audit.Proof) { p.Payload = append([]byte{}, p.Payload[:len(p.Payload)-1]...) },
			"hashes":   func(p *audit.Proof) { p.Hashes = p.Hashes[1:] },
		} {
			altered := proof
			change(&altered)
			text, err := json.Marshal(altered)
			require.NoError(t, err)
			_, _, err = audit.CheckProof(text, public)
			require.Error(t, err, name)
		}
	}
	_, err := r.Prove(t.Context(), 101)
	require.ErrorIs(t, err, audit.ErrNotFound)
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	text := []byte("policy: operator\n")
	sum := sha256.Sum256(text)
	hash := hex.EncodeToString(sum[:])
	require.Error(t, writer.StoreDocument(t.Context(), hash, []byte("other")))
	for range 3 {
		require.NoError(t, writer.StoreDocument(t.Context(), hash, text))
	}
	require.NoError(t, writer.Close(t.Context()))
	again, err := trail.Open(t.Context(), trail.Config{Path: path})
	require.NoError(t, err)
	require.NoError(t, again.StoreDocument(t.Context(), hash, text))
	require.NoError(t, again.Close(t.Context()))

	r := reader(t, path)
	have, err := r.Document(t.Context(), hash)
	require.NoError(t, err)
	assert.Equal(t, text, have)
	_, err = r.Document(t.Context(), "00")
	require.ErrorIs(t, err, audit.ErrNoDocument)
	assert.EqualValues(t, 1, verified(t, r).Events, "stored once")

	db, err := trail.OpenDatabase(path)
	require.NoError(t, err)
	_, err = db.Exec("DROP TRIGGER documents_no_update; UPDATE documents SET text = x'00'")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	report, err := r.Verify(t.Context())
	require.NoError(t, err)
	require.Len(t, report.Problems, 2)
	assert.Contains(t, report.Problems[0], "its text has another hash")
	assert.Contains(t, report.Problems[1], "schema: trigger documents_no_update is not as it was made")
}

func TestCheckpointComesWithoutMoreEvents(t *testing.T) {
	t.Parallel()
	writer, path := open(t, func(c *trail.Config) { c.Key = filepath.Join(filepath.Dir(c.Path), "trail.key") })
	in := begun(t, writer)
	r := reader(t, path)
	require.Eventually(t, func() bool {
		_, err := r.Prove(t.Context(), 1)
		return err == nil
	}, 10*time.Second, 20*time.Millisecond)
	writer.End(in.ID, outcome())
}

func TestCloseLeavesOneFile(t *testing.T) {
	t.Parallel()
	path := filled(t, 3)
	for _, suffix := range []string{"-wal", "-shm"} {
		_, err := os.Stat(path + suffix)
		assert.ErrorIs(t, err, os.ErrNotExist, suffix)
	}
}
