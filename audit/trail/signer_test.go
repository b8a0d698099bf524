package trail_test

import (
	"context"
	"encoding/base64"
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

// keyFile makes a trail's key, and the trail that it signs.
func keyFile(t *testing.T) (path, key string) {
	t.Helper()
	dir := t.TempDir()
	path, key = filepath.Join(dir, "audit.db"), filepath.Join(dir, "trail.key")
	signed(t, path, key, exchangesOf(t, 2))
	return path, key
}

// TestAKeyThatIsNotRightIsRefused, and no error shows it.
func TestAKeyThatIsNotRightIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(t *testing.T, key string)
		want  string
	}{
		"readable by others": {func(t *testing.T, key string) { t.Helper(); require.NoError(t, os.Chmod(key, 0o640)) }, "try: chmod 600"},
		"no key": {func(t *testing.T, key string) {
			t.Helper()
			require.NoError(t, os.WriteFile(key, []byte("PRIVATE nonsense"), 0o600))
		}, "not a note signer key"},
		"empty":          {func(t *testing.T, key string) { t.Helper(); require.NoError(t, os.WriteFile(key, nil, 0o600)) }, "not a note signer key"},
		"public is gone": {func(t *testing.T, key string) { t.Helper(); require.NoError(t, os.Remove(key+".pub")) }, "read public checkpoint key"},
		"public is damaged": {func(t *testing.T, key string) {
			t.Helper()
			require.NoError(t, os.WriteFile(key+".pub", []byte("x"), 0o644))
		}, "public checkpoint key"},
		"of another": {func(t *testing.T, key string) {
			t.Helper()
			_, other := keyFile(t)
			data, err := os.ReadFile(other + ".pub")
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(key+".pub", data, 0o644)) //nolint:gosec // a public key
		}, "does not belong to"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, key := keyFile(t)
			secret, err := os.ReadFile(key)
			require.NoError(t, err)
			c.spoil(t, key)
			_, err = trail.Open(t.Context(), trail.Config{Path: path, Key: key})
			require.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), strings.TrimSpace(string(secret)))
			assert.NotContains(t, err.Error(), "nonsense")
			again, err := trail.Open(t.Context(), trail.Config{Path: path})
			require.NoError(t, err, "nothing is left locked")
			require.NoError(t, again.Close(context.Background()))
		})
	}
}

// TestAKeyIsMadeOnce: it is named as the trail is, and goes on with it.
func TestAKeyIsMadeOnce(t *testing.T) {
	t.Parallel()
	path, key := keyFile(t)
	before, err := os.ReadFile(key)
	require.NoError(t, err)
	public, _ := signed(t, path, key, exchangesOf(t, 1))
	after, err := os.ReadFile(key)
	require.NoError(t, err)
	assert.Equal(t, before, after)
	assert.True(t, strings.HasPrefix(public, "agents.example.com+"), public)
	assert.NoFileExists(t, key+".new")
}

// TestCheckpointsCoverWhatCameBefore: the newest covers all, and each event has an oldest that covers it.
func TestCheckpointsCoverWhatCameBefore(t *testing.T) {
	t.Parallel()
	path, key := keyFile(t) // 4 events
	public, _ := signed(t, path, key, exchangesOf(t, 3))
	r := reader(t, path)
	newest, err := r.Checkpoint(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 10, newest.Size)
	assert.False(t, newest.At.IsZero())
	for seq, size := range map[uint64]uint64{1: 4, 4: 4, 5: 10, 10: 10} {
		c, err := r.Covering(t.Context(), seq)
		require.NoError(t, err)
		assert.Equal(t, size, c.Size, "event %d", seq)
		head, err := audit.OpenCheckpoint([]byte(c.Note), public)
		require.NoError(t, err)
		root, err := r.RootAt(t.Context(), size)
		require.NoError(t, err)
		assert.Equal(t, root, base64.StdEncoding.EncodeToString(head.Root[:]))
	}
	_, err = r.Covering(t.Context(), 11)
	require.ErrorIs(t, err, audit.ErrNoCheckpoint)
	_, err = r.RootAt(t.Context(), 11)
	require.Error(t, err, "there are not so many events")
}

func TestATrailWithoutAKeyHasNoCheckpoint(t *testing.T) {
	t.Parallel()
	r := reader(t, filled(t, 2))
	_, err := r.Checkpoint(t.Context())
	require.ErrorIs(t, err, audit.ErrNoCheckpoint)
	_, err = r.Covering(t.Context(), 1)
	require.ErrorIs(t, err, audit.ErrNoCheckpoint)
	_, err = r.Prove(t.Context(), 1)
	require.ErrorIs(t, err, audit.ErrNoCheckpoint)
}

// TestARemovedPayloadIsNotProven: its event is in the tree, but nobody can show what it said.
func TestARemovedPayloadIsNotProven(t *testing.T) {
	t.Parallel()
	writer, path, _ := aged(t, 100)
	_, err := writer.Prune(t.Context(), audit.PruneRequest{Before: minute(50)})
	require.NoError(t, err)
	require.NoError(t, writer.Close(context.Background()))
	r := reader(t, path)
	_, err = r.Prove(t.Context(), 1)
	require.ErrorContains(t, err, "the payload of event 1 was removed by retention")
	_, err = r.Prove(t.Context(), 199)
	require.NoError(t, err)
}

// TestATextIsSignedAsWhatItSays: with the key of the trail, and never as a checkpoint.
func TestATextIsSignedAsWhatItSays(t *testing.T) {
	t.Parallel()
	path, key := keyFile(t)
	public, _ := signed(t, path, key, func(*trail.Writer) {})
	text, err := trail.SignText(key, "sallyport-backup-v1\nmanifest\n")
	require.NoError(t, err)
	read, err := audit.OpenText(text, public)
	require.NoError(t, err)
	assert.Equal(t, "sallyport-backup-v1\nmanifest\n", read)
	_, err = audit.OpenCheckpoint([]byte(text), public)
	require.Error(t, err)
	_, err = trail.SignText(key+".not", "x\n")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestAQuietTrailIsSignedOnce: nothing new, no checkpoint.
func TestAQuietTrailIsSignedOnce(t *testing.T) {
	t.Parallel()
	path, key := keyFile(t)
	db := database(t, path)
	var before, after int
	require.NoError(t, scan(db, &before, "SELECT count(*) FROM checkpoints"))
	signed(t, path, key, func(*trail.Writer) {})
	require.NoError(t, scan(db, &after, "SELECT count(*) FROM checkpoints"))
	assert.Equal(t, before, after)
	writer, err := trail.Open(t.Context(), trail.Config{Path: path, Key: key})
	require.NoError(t, err)
	in := begun(t, writer)
	writer.End(in.ID, outcome())
	r := reader(t, path)
	require.Eventually(t, func() bool {
		c, err := r.Checkpoint(t.Context())
		return err == nil && c.Size == 6
	}, 10*time.Second, 5*time.Millisecond, "a second after the last event, without another one")
	require.NoError(t, writer.Close(context.Background()))
}
