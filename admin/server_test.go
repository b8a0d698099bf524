package admin_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/admin"
)

// startServer serves f on a socket at path until the test ends.
func startServer(t *testing.T, f *fixture, path string, log io.Writer) {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(log, nil))
	ln, err := admin.Listen(path, logger)
	require.NoError(t, err)
	server := admin.NewServer(f.Service, http.NotFoundHandler(), logger)
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		assert.NoError(t, server.Shutdown(ctx))
		assert.NoError(t, <-done)
		assert.NoFileExists(t, path)
	})
}

func dial(t *testing.T, path string) *admin.Client {
	t.Helper()
	c, err := admin.Dial(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestEveryCommandOverTheSocket(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Reload = func(_ context.Context, by admin.Principal) (admin.Configuration, error) {
		assert.Equal(t, os.Geteuid(), by.UID)
		return admin.Configuration{}, &admin.Error{Kind: admin.Invalid, Msg: "p.yaml:1: wrong", Try: "mend it"}
	}
	path := filepath.Join(t.TempDir(), "admin.sock")
	startServer(t, f, path, io.Discard)
	c, ctx := dial(t, path), t.Context()

	e, err := c.CreateAgent(ctx, admin.CreateRequest{Name: "a", Policy: "p", Owner: "team:ops", TTL: admin.Duration(time.Hour)})
	require.NoError(t, err)
	assert.NotEmpty(t, e.Key)
	assert.Nil(t, e.Agent.Accountable)
	list, err := c.Agents(ctx)
	require.NoError(t, err)
	require.Len(t, list, 1)
	_, err = c.RenewAgent(ctx, admin.RenewRequest{ID: "a", TTL: admin.Duration(time.Hour)})
	require.NoError(t, err)
	_, err = c.SuspendAgent(ctx, admin.StatusRequest{ID: "a", Reason: "why"})
	require.NoError(t, err)
	a, err := c.ResumeAgent(ctx, admin.StatusRequest{ID: "a"})
	require.NoError(t, err)
	assert.Equal(t, "active", a.Status)
	_, err = c.RevokeAgent(ctx, admin.StatusRequest{ID: "a"})
	require.NoError(t, err)
	detail, err := c.Agent(ctx, "a")
	require.NoError(t, err)
	assert.Equal(t, "revoked", detail.Status)
	assert.Len(t, detail.Certificates, 2)
	credentials, err := c.Credentials(ctx)
	require.NoError(t, err)
	assert.Len(t, credentials, 3)
	check, err := c.CheckCredential(ctx, "key")
	require.NoError(t, err)
	assert.True(t, check.OK)

	_, err = c.Agent(ctx, "../nobody")
	var failure *admin.Error
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, admin.Unknown, failure.Kind)
	_, err = c.Reload(ctx)
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, admin.Error{Kind: admin.Invalid, Msg: "p.yaml:1: wrong", Try: "mend it"}, *failure)
}

func TestServerRefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "admin.sock")
	startServer(t, newFixture(t), path, io.Discard)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	for body, want := range map[string]string{
		`{"policy":"p","polcy":"p"}`: "unknown field",
		`{`:                          "cannot be read",
		`{"ttl":"soon"}`:             "cannot be read",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://x/v1/agents", strings.NewReader(body))
		require.NoError(t, err)
		resp, err := client.Do(req)
		require.NoError(t, err)
		var p struct{ Error string }
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&p))
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode)
		assert.Contains(t, p.Error, want)
	}
}

// A handler without a checked peer must change nothing, however it came to be
// called.
func TestUncheckedConnectionsChangeNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	server := admin.NewServer(f.Service, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	path := filepath.Join(t.TempDir(), "plain.sock")
	ln, err := net.Listen("unix", path)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	_, err = dial(t, path).CreateAgent(t.Context(), admin.CreateRequest{Policy: "p", Owner: "team:ops", TTL: admin.Duration(time.Hour)})
	require.ErrorContains(t, err, "the caller is unknown")
	assert.Empty(t, f.Registry.List())
	require.NoError(t, server.Shutdown(t.Context()))
	require.NoError(t, <-done)
}

func TestListenReplacesAStaleSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "admin.sock")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	stale.SetUnlinkOnClose(false)
	require.NoError(t, stale.Close())
	require.FileExists(t, path)
	_, err = admin.Dial(t.Context(), path)
	require.ErrorIs(t, err, admin.ErrNoServer)

	startServer(t, newFixture(t), path, io.Discard)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	_, err = dial(t, path).Agents(t.Context())
	require.NoError(t, err)
}

func TestLongSocketPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 50))
	require.NoError(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "admin.sock")
	_, err := admin.Dial(t.Context(), path)
	require.ErrorIs(t, err, admin.ErrNoServer)
	startServer(t, newFixture(t), path, io.Discard)
	_, err = dial(t, path).Agents(t.Context())
	require.NoError(t, err)
}

// TestOtherUsersAreRefused opens the folder and the socket wide on purpose: the
// kernel's word about the peer must be enough.
func TestOtherUsersAreRefused(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("needs curl")
	}
	dir, err := os.MkdirTemp("", "sp") //nolint:usetesting // t.TempDir lies in a folder that is closed to others
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	path := filepath.Join(dir, "admin.sock")
	log := make(refusals, 10)
	startServer(t, newFixture(t), path, log)
	require.NoError(t, os.Chmod(path, 0o666))
	ask := func(uid uint32) error {
		cmd := exec.CommandContext(t.Context(), curl, "-sS", "--unix-socket", path, "http://x/v1/agents")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := cmd.CombinedOutput()
		t.Logf("uid %d: %s", uid, out)
		return err
	}
	require.NoError(t, ask(0))
	require.Error(t, ask(65534))
	select {
	case line := <-log:
		assert.Contains(t, line, "other user")
		assert.Contains(t, line, "uid=65534")
	case <-time.After(10 * time.Second):
		t.Error("the refusal is not in the log")
	}
}

// refusals is a log that a test can wait for.
type refusals chan string

func (r refusals) Write(p []byte) (int, error) {
	r <- string(p)
	return len(p), nil
}

func TestLockIsHeldOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := admin.Acquire(path)
	require.NoError(t, err)
	_, err = admin.Acquire(path)
	require.ErrorIs(t, err, admin.ErrLocked)
	require.NoError(t, first.Release())
	second, err := admin.Acquire(path)
	require.NoError(t, err)
	require.NoError(t, second.Release())
	_, err = admin.Acquire(filepath.Join(path, "no", "folder"))
	require.Error(t, err)
	require.NotErrorIs(t, err, admin.ErrLocked)
}

// TestSilentServer: a server that accepts and never answers is not waited for
// longer than the caller allows, and the message says what is known.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "admin.sock")
	ln, err := net.Listen("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = dial(t, path).Agents(ctx)
	require.ErrorContains(t, err, "the running server does not answer")
}
