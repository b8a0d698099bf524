package crash_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/test/rig"
)

// TestRestoreDrill loses a home under load and brings it back from a backup that was made
// under load too: what was revoked before the backup stays revoked, what was revoked since
// does not come back to life, and the trail says where it goes on.
func TestRestoreDrill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := newWorld(t, filepath.Join(dir, "home"))
	srv := w.serve(t)
	before, since := w.newAgent(t, "before"), w.newAgent(t, "since")
	w.run(t, "agent", "revoke", "before", "--reason", "a job done before the backup")

	copied := filepath.Join(dir, "backup")
	refused := w.underLoad(t, func() {
		w.run(t, "backup", copied, "--with-keys")
		w.run(t, "agent", "revoke", "since", "--reason", "it went wrong after the backup")
		srv.Kill()
	})
	assert.Zero(t, refused, "a backup holds nothing up")
	lost := filepath.Join(dir, "lost")
	require.NoError(t, os.Rename(w.home.Dir, lost))

	w.run(t, "restore", copied)
	w.run(t, "audit", "verify", "--checkpoint", filepath.Join(copied, "checkpoint"))
	assert.Equal(t, map[string]string{"load-agent": "suspended", "since": "suspended", "before": "revoked"}, w.statuses(t, w.home))
	srv = w.serve(t)
	for _, agent := range []rig.Agent{w.agent, since} {
		_, why := w.callAs(t, agent)
		assert.Contains(t, why, "Forbidden", "%s is looked at first", agent.Name)
	}
	_, why := w.callAs(t, before)
	assert.Contains(t, why, "bad certificate", "the handshake itself fails")
	w.run(t, "agent", "resume", "load-agent")
	status, why := w.callAs(t, w.agent)
	assert.Equal(t, http.StatusOK, status, why)
	w.verify(t)
	require.NoError(t, srv.Stop())

	// What the lost home left behind, as it was when its server was killed, tells more.
	again := &rig.Home{Dir: filepath.Join(dir, "again"), Binary: binary}
	_, err := again.Run(t.Context(), "restore", copied, "--trail", filepath.Join(lost, "state", "audit.db"))
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"load-agent": "active", "since": "revoked", "before": "revoked"}, w.statuses(t, again))
	_, err = again.Run(t.Context(), "audit", "verify")
	require.NoError(t, err)
}

func (w *world) newAgent(t *testing.T, name string) rig.Agent {
	t.Helper()
	agent, err := w.home.CreateAgent(t.Context(), "load", "person:dana", name)
	require.NoError(t, err)
	return agent
}

func (w *world) run(t *testing.T, args ...string) {
	t.Helper()
	_, err := w.home.Run(t.Context(), args...)
	require.NoError(t, err)
}

func (w *world) statuses(t *testing.T, home *rig.Home) map[string]string {
	t.Helper()
	var list []struct{ Name, Status string }
	require.NoError(t, home.RunJSON(t.Context(), &list, "agent", "list"))
	statuses := map[string]string{}
	for _, a := range list {
		statuses[a.Name] = a.Status
	}
	return statuses
}

func (w *world) callAs(t *testing.T, agent rig.Agent) (int, string) {
	t.Helper()
	transport, err := agent.Transport(w.settings.Listen)
	require.NoError(t, err)
	defer transport.CloseIdleConnections()
	return call(t.Context(), &http.Client{Transport: transport}, "/drill")
}

// underLoad does what it is told while workers call, and returns how many of them got
// another answer than the upstream's. What is done ends the server.
func (w *world) underLoad(t *testing.T, do func()) int64 {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client := w.client(t)
	var load sync.WaitGroup
	var refused atomic.Int64
	for worker := range 8 {
		load.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				switch status, _ := call(ctx, client, fmt.Sprintf("/drill/%d/%d", worker, n)); status {
				case http.StatusOK:
				case 0:
					return // the server is gone
				default:
					refused.Add(1)
				}
			}
		})
	}
	w.upstream.reached(t, "/drill/0/20")
	do()
	cancel()
	load.Wait()
	return refused.Load()
}
