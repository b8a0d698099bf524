package crash_test

import (
	"context"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/sqlite"
)

// TestBlockedTrail holds the database's write lock, as a stuck backup or a
// hanging disk would: within two seconds the request is refused with 503, and
// when the lock is gone everything works again.
func TestBlockedTrail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "home"))
	srv := w.serve(t)
	client := w.client(t)
	status, text := call(t.Context(), client, "/before")
	require.Equal(t, http.StatusOK, status, text+srv.Log())

	db, err := sqlite.Open(filepath.Join(w.home.Dir, "state", "audit.db"), sqlite.Options{})
	require.NoError(t, err)
	defer db.Close()
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)

	started := time.Now()
	status, text = call(t.Context(), client, "/blocked")
	assert.Equal(t, http.StatusServiceUnavailable, status, text)
	assert.Less(t, time.Since(started), 4*time.Second)
	assert.Contains(t, text, "urn:sallyport:refusal:trail")
	seen, _ := w.upstream.seen()
	assert.NotContains(t, seen, "/blocked")

	_, err = conn.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	w.recovers(t, client)
	w.check(t)
}

// recovers waits until requests are served again.
func (w *world) recovers(t *testing.T, client *http.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		status, text := call(ctx, client, "/after")
		if status == http.StatusOK {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("still refused: %d %s", status, text)
		}
	}
}
