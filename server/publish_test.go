package server_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/server"
)

// What the server before signed at its end is published at the start.
func TestCheckpointsGoToEveryPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "audit: {publish: [{file: published}, {command: [sh, -c, cat > sent]}]}\n")
	w.serve(t, server.ServeOptions{}).shut(t)
	var newest audit.SignedCheckpoint
	w.read(t, func(r *trail.Reader) (err error) {
		newest, err = r.Checkpoint(t.Context())
		return err
	})
	w.serve(t, server.ServeOptions{})
	for _, place := range []string{"published", "sent"} {
		require.Eventually(t, func() bool {
			note, err := os.ReadFile(filepath.Join(w.layout.Dir, place))
			return err == nil && string(note) == newest.Note
		}, patience, time.Millisecond, place)
	}
	assert.Contains(t, newest.Note, trustDomain)
}

// A place that is gone is warned of; it stops nobody, unless a time was set for that.
func TestAPlaceThatDoesNotTakeCheckpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.serve(t, server.ServeOptions{}).shut(t)
	w.configure(t, "listen: 127.0.0.1:0\naudit: {publish: [{file: gone/checkpoint}]}\n")
	w.serve(t, server.ServeOptions{})
	unready(t, w, "checkpoints", server.StatusWarning, "gone/checkpoint")
	w.agent(t, "a").served(t)
}
