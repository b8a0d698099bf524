package server_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/internal/hint"
	"sallyport/internal/sqlite"
	"sallyport/server"
)

func TestAServerFromItsStartToItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	r := w.serve(t, server.ServeOptions{})
	a := w.agent(t, "builder")
	a.served(t)
	assert.Equal(t, server.StatusOK, readiness(t, w.client(t)).Status)
	r.shut(t)

	w.closed(t)
	_, err := net.Dial("tcp", a.Proxy)
	require.Error(t, err, "nobody listens any more")
	events := w.events(t, audit.TypeServerStarted, audit.TypeConfigurationLoaded, audit.TypeAgentCreated, audit.TypeIntent, audit.TypeServerStopped)
	var types []string
	for _, e := range events {
		types = append(types, e.Type)
	}
	assert.Equal(t, []string{audit.TypeServerStarted, audit.TypeConfigurationLoaded, audit.TypeAgentCreated, audit.TypeIntent, audit.TypeServerStopped}, types)
	started := events[0].Payload
	assert.Empty(t, started["after"], "there was none before")
	assert.Equal(t, "server", started["via"])
	assert.Equal(t, a.Proxy, started["listen"])
	assert.Equal(t, "1.2.3", started["version"])
	assert.Equal(t, "abc", started["revision"])
	assert.EqualValues(t, os.Getpid(), started["pid"])
	assert.Len(t, started["authorities"], 2)
	assert.Equal(t, "start", events[1].Payload["source"])
	assert.EqualValues(t, 1, events[1].Payload["generation"])
	assert.Equal(t, audit.OutcomeCompleted, w.row(t, "/").Outcome.Outcome)
	w.read(t, func(r *trail.Reader) error {
		report, err := r.Verify(t.Context())
		assert.True(t, report.OK, "%v", report.Problems)
		return err
	})
}

// What is not right is said at once; nothing is open afterwards, and no row says that a server
// had started.
func TestWhatIsNotRightIsSaidAtTheStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() })
	at := func(w *world, name string) string { return filepath.Join(w.layout.Dir, name) }
	for name, c := range map[string]struct {
		spoil func(*testing.T, *world)
		says  string
		try   string
	}{
		"no home folder": {func(_ *testing.T, w *world) { w.env.Home = "" }, "no home folder: this user has none", "give --home DIR or set SALLYPORT_HOME"},
		"nothing there":  {func(t *testing.T, w *world) { require.NoError(t, os.RemoveAll(w.layout.State())) }, "state: no such folder", "run `sallyport init`"},
		"half of a home": {func(t *testing.T, w *world) { require.NoError(t, os.Mkdir(w.layout.Staging(), 0o700)) }, "is half a home", "if none runs, remove everything"},
		"open to others": {func(t *testing.T, w *world) { require.NoError(t, os.Chmod(w.layout.State(), 0o755)) }, "state: other users may enter it (mode 0755)", "chmod 700"},
		"no fingerprint key": {
			func(t *testing.T, w *world) { require.NoError(t, os.Remove(w.layout.FingerprintKey())) },
			"fingerprint.key: no such file", "run `sallyport init`",
		},
		"a cut fingerprint key": {func(t *testing.T, w *world) { w.write(t, "state/fingerprint.key", "short") }, "fingerprint.key: has 5 bytes instead of 32", "restore it from a backup"},
		"a mistake in a file": {
			func(t *testing.T, w *world) { w.write(t, "policies/p.yaml", "policy: p\nrulez: []\n") },
			"policies/p.yaml:2: rulez: unknown key", "",
		},
		"no authority": {
			func(t *testing.T, w *world) { require.NoError(t, os.Remove(at(w, "state/ca/interception-ca.key"))) },
			"interception-ca.key: no such file", "",
		},
		"another trust domain": {
			func(t *testing.T, w *world) { w.authority(t, w.layout.AgentCA, "spiffe://other.test") },
			"sallyport.yaml: trust_domain: is agents.test, but ", "put the trust domain back",
		},
		"no registry": {func(t *testing.T, w *world) { w.write(t, "state/identity.db", strings.Repeat("no database ", 99)) }, "identity.db", ""},
		"no trail":    {func(t *testing.T, w *world) { w.write(t, "state/audit.db", strings.Repeat("no database ", 99)) }, "audit.db", ""},
		"a taken address": {
			func(t *testing.T, w *world) { w.configure(t, "listen: "+taken.Addr().String()+"\n") },
			"sallyport.yaml: listen: listen tcp", "another program uses " + taken.Addr().String(),
		},
		"a taken address of health": {
			func(t *testing.T, w *world) {
				w.configure(t, "listen: 127.0.0.1:0\nhealth: {listen: "+taken.Addr().String()+"}\n")
			},
			"sallyport.yaml: health.listen: listen tcp", "stop it, or choose another port",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			c.spoil(t, w)
			err := w.env.Serve(t.Context(), slog.New(slog.DiscardHandler), server.ServeOptions{})
			require.ErrorContains(t, err, c.says)
			assert.Contains(t, hint.Of(err)+err.Error(), c.try)
			w.closed(t)
			if _, err := os.Stat(w.layout.Trail()); err == nil && name != "no trail" {
				assert.Empty(t, w.events(t, audit.TypeServerStarted, audit.TypeServerStopped))
			}
		})
	}
}

// The lock comes first, for what another process writes may be half written; then the files,
// without which nothing is made; then the databases.
func TestTheOrderOfTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.write(t, "policies/p.yaml", "no policy")
	held, err := admin.Acquire(w.layout.Lock())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	quiet := slog.New(slog.DiscardHandler)
	require.ErrorIs(t, w.env.Serve(ctx, quiet, server.ServeOptions{}), context.Canceled, "it waits for the lock, and has read nothing")
	require.NoError(t, held.Release())

	require.ErrorContains(t, w.env.Serve(t.Context(), quiet, server.ServeOptions{}), "p.yaml:1: ")
	assert.NoFileExists(t, w.layout.Registry())
	assert.NoFileExists(t, w.layout.Trail())

	w.write(t, "policies/p.yaml", policyFile)
	w.write(t, "state/identity.db", strings.Repeat("no database ", 99))
	require.Error(t, w.env.Serve(t.Context(), quiet, server.ServeOptions{}))
	assert.NoFileExists(t, w.layout.Trail(), "the registry is opened before the trail")
	w.closed(t)
}

// A command that holds the stores for a moment is waited for.
func TestAStartWaitsForACommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	held, err := admin.Acquire(w.layout.Lock())
	require.NoError(t, err)
	r := w.start(t, server.ServeOptions{})
	require.NoError(t, held.Release())
	r.log.until(t, "msg=serving")
}

func TestOneServerServesAHome(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.serve(t, server.ServeOptions{})
	err := w.env.Serve(t.Context(), slog.New(slog.DiscardHandler), server.ServeOptions{})
	require.ErrorIs(t, err, admin.ErrLocked)
	require.ErrorContains(t, err, w.layout.Dir)
	assert.Contains(t, hint.Of(err), "take its place with --take-over")
	w.agent(t, "a").served(t)
	assert.Len(t, w.events(t, audit.TypeServerStarted), 1)
}

// A row that a crash left open is closed, and the start says how the server before it ended.
func TestAStartAfterACrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.serve(t, server.ServeOptions{}).shut(t)
	writer, err := trail.Open(t.Context(), trail.Config{Path: w.layout.Trail(), Key: w.layout.TrailKey(), Origin: trustDomain})
	require.NoError(t, err)
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: audit.TypeServerStarted}))
	require.NoError(t, writer.Close(t.Context()))
	r := w.serve(t, server.ServeOptions{})
	r.log.until(t, "the server before this one did not stop in order")
	r.shut(t)
	w.serve(t, server.ServeOptions{}).shut(t)
	var after []any
	for _, e := range w.events(t, audit.TypeServerStarted) {
		after = append(after, e.Payload["after"])
	}
	assert.Equal(t, []any{"", nil, "crash", "stop"}, after)
}

func TestAnAuthorityThatIsNotTheOneBeforeIsRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.serve(t, server.ServeOptions{}).shut(t)
	w.serve(t, server.ServeOptions{}).shut(t)
	assert.Empty(t, w.events(t, audit.TypeAuthorityChanged))
	w.authority(t, w.layout.InterceptionCA, "")
	r := w.serve(t, server.ServeOptions{})
	r.log.until(t, "an authority is another than at the last start")
	r.shut(t)
	changed := w.events(t, audit.TypeAuthorityChanged)
	require.Len(t, changed, 1)
	assert.Equal(t, "interception", changed[0].Payload["authority"])
	starts := w.events(t, audit.TypeServerStarted)
	of := func(i int) any { return starts[i].Payload["authorities"].(map[string]any)["interception"] }
	assert.Equal(t, of(1), changed[0].Payload["was"])
	assert.Equal(t, of(2), changed[0].Payload["is"])
}

// A part that fails while the server runs ends it, in order.
func TestAListenerThatFailsEndsTheServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	r := w.serve(t, server.ServeOptions{})
	conn, err := admin.TakeOver(t.Context(), w.layout.Socket(), admin.TakeOverRequest{Force: true})
	require.NoError(t, err)
	got := receive(t, conn)
	require.NoError(t, conn.Close())
	r.log.until(t, "no take-over: ")
	for i, ln := range got.files { // the same socket: to shut one is to shut both
		if got.Listeners[i].Name == "listen" {
			shutDown(t, ln)
		}
	}
	require.ErrorContains(t, r.end(t), "listener: accept: ")
	assert.Len(t, w.events(t, audit.TypeServerStopped), 1)
	w.closed(t)
}

// execute changes a database of HOME as no part of Sallyport would.
func execute(t *testing.T, path, statements string) {
	t.Helper()
	db, err := sqlite.Open(path, sqlite.Options{Connections: 1})
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), statements)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}
