package server_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/config"
	"sallyport/internal/hint"
	"sallyport/server"
	"sallyport/services"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// create makes an agent by whatever administers the home.
func create(name string) func(server.Administration) error {
	return func(a server.Administration) error {
		_, err := a.CreateAgent(context.Background(), admin.CreateRequest{Name: name, Policy: "p", Owner: "person:dana", TTL: admin.Duration(time.Hour)})
		return err
	}
}

// A command goes through the server that runs, and opens the stores itself while none does.
func TestCommandsFindWhoAdministers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	_, err := w.env.Connect(t.Context())
	require.ErrorIs(t, err, admin.ErrNoServer)
	require.NoError(t, w.env.Administer(t.Context(), quiet(), create("direct")))
	w.closed(t)
	r := w.serve(t, server.ServeOptions{})
	require.NoError(t, w.env.Administer(t.Context(), quiet(), create("served")))
	r.shut(t)
	var via []any
	for _, e := range w.events(t, audit.TypeAgentCreated) {
		via = append(via, e.Payload["via"])
	}
	assert.Equal(t, []any{"direct", "socket"}, via)
}

// A command that fails leaves nothing open, and its error is the one that is told.
func TestACommandThatFailsClosesTheStores(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	wrong := errors.New("not this time")
	require.ErrorIs(t, w.env.Administer(t.Context(), quiet(), func(server.Administration) error { return wrong }), wrong)
	w.closed(t)
	w.write(t, "owners.yaml", "people: []\n")
	require.ErrorContains(t, w.env.Administer(t.Context(), quiet(), create("a")), "owners.yaml:1: ")
	w.closed(t)
}

// Whoever holds the lock without a socket starts or is about to end, and is waited for.
func TestACommandWaitsForTheLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	held, err := admin.Acquire(w.layout.Lock())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, w.env.Administer(ctx, quiet(), create("a")), context.Canceled)
	done := make(chan error, 1)
	go func() { done <- w.env.Administer(t.Context(), quiet(), create("a")) }()
	require.NoError(t, held.Release())
	require.NoError(t, <-done)
}

// In a folder that others may write to, the socket could be anybody's.
func TestNobodySpeaksToASocketInAnOpenFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.serve(t, server.ServeOptions{})
	require.NoError(t, os.Chmod(w.layout.State(), 0o777))
	_, err := w.env.Connect(t.Context())
	require.ErrorContains(t, err, "state: other users may enter it (mode 0777)")
	require.ErrorContains(t, w.env.Administer(t.Context(), quiet(), create("a")), "other users may enter it")
	require.NoError(t, os.Chmod(w.layout.State(), 0o700))
	w.client(t)
}

func TestAHomeThatIsNone(t *testing.T) {
	t.Parallel()
	_, err := server.Environment{}.Layout()
	require.EqualError(t, err, "no home folder: this user has none")
	assert.Equal(t, "give --home DIR or set SALLYPORT_HOME", hint.Of(err))
	w := newWorld(t, "")
	require.NoError(t, os.Mkdir(w.layout.Staging(), 0o700))
	_, err = w.env.Layout()
	require.ErrorContains(t, err, "is half a home")
	place, err := w.env.Place()
	require.NoError(t, err, "who looks at the place does not mind")
	assert.Equal(t, w.layout, place)
}

// Files are read, to be checked, by whoever has no part in the state folder.
func TestFilesAreCheckedWithoutTheState(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	require.NoError(t, os.RemoveAll(w.layout.State()))
	set, err := config.Load(w.layout, w.env.CheckOptions())
	require.NoError(t, err)
	assert.Len(t, set.Services, len(server.Services()))
	_, err = w.env.Options(w.layout)
	require.ErrorContains(t, err, "fingerprint.key: no such file")
	assert.Equal(t, "run `sallyport init`", hint.Of(err))
}

// The services are made anew, so that what one process learns is no other's.
func TestServicesOfAnEnvironment(t *testing.T) {
	t.Parallel()
	var keys []string
	for _, s := range (server.Environment{}).Rooms() {
		keys = append(keys, s.Key())
	}
	assert.ElementsMatch(t, []string{"github", "aws", "llm"}, keys)
	none := server.Environment{Services: func() []services.Service { return nil }}
	assert.Empty(t, none.Rooms())
}

// Each run is told apart in the trail, and each machine.
func TestInstancesHaveNames(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	require.NoError(t, err)
	one, other := server.InstanceName(), server.InstanceName()
	assert.NotEqual(t, one, other)
	assert.True(t, strings.HasPrefix(one, host+"-"), one)
}

// A service manager is told when the server is ready, and when it begins to end.
func TestTheServiceManagerIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	dir, err := os.MkdirTemp("", "n") //nolint:usetesting // the path of a socket is short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = manager.Close() })
	require.NoError(t, manager.SetReadDeadline(time.Now().Add(patience)))
	w.env.Getenv = func(name string) string { return map[string]string{"NOTIFY_SOCKET": path}[name] }
	told := func() string {
		buffer := make([]byte, 4096)
		n, err := manager.Read(buffer)
		require.NoError(t, err)
		return string(buffer[:n])
	}
	r := w.serve(t, server.ServeOptions{})
	assert.Contains(t, told(), "READY=1\nMAINPID=")
	r.shut(t)
	assert.Equal(t, "STOPPING=1", told())

	require.NoError(t, manager.Close())
	w.serve(t, server.ServeOptions{}).log.until(t, "the service manager does not know that this is ready")
}
