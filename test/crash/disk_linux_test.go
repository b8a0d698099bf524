package crash_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/test/rig"
)

// smallState mounts a tmpfs where HOME/state will be.
func smallState(t *testing.T, size string) (home, state string) {
	t.Helper()
	home = filepath.Join(t.TempDir(), "home")
	state = filepath.Join(home, "state")
	require.NoError(t, os.MkdirAll(state, 0o700))
	small(t, state, size)
	return home, state
}

// small mounts a small file system at dir.
func small(t *testing.T, dir, size string) {
	t.Helper()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+size)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		t.Skip("needs the right to mount a small file system: run as root")
	}
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH))
	})
}

// TestAFullDiskLeavesNoHalfFiles: what a command could not write whole is not there, so
// that nothing takes it for a file that somebody wrote.
func TestAFullDiskLeavesNoHalfFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	small(t, dir, "1m")
	home := &rig.Home{Dir: filepath.Join(dir, "home"), Binary: binary}
	require.NoError(t, os.Mkdir(home.Dir, 0o700))
	filler := filepath.Join(dir, "filler")
	fill(t, filler)
	_, err := home.Run(t.Context(), "init")
	require.ErrorContains(t, err, "no space left on device")
	require.NoError(t, os.Remove(filler))
	_, err = home.Run(t.Context(), "init")
	require.NoError(t, err)
	_, err = home.Run(t.Context(), "policy", "check")
	require.NoError(t, err, "what the first left behind was taken for files to keep")

	fill(t, filler)
	_, err = home.Run(t.Context(), "policy", "new", "late", "--from", "reader")
	require.ErrorContains(t, err, "no space left on device")
	require.NoError(t, os.Remove(filler))
	_, err = home.Run(t.Context(), "policy", "check")
	require.NoError(t, err)
	_, err = home.Run(t.Context(), "policy", "new", "late", "--from", "reader")
	require.NoError(t, err)
}

// TestDiskFull: when the trail cannot grow, requests are refused with 503 and
// nothing is forwarded; when there is room again, they are served.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	home, state := smallState(t, "16m")
	w := newWorld(t, home)
	srv := w.serve(t)
	client := w.client(t)
	status, text := call(t.Context(), client, "/before")
	require.Equal(t, http.StatusOK, status, text+srv.Log())

	filler := filepath.Join(state, "filler")
	fill(t, filler)
	// What the write-ahead log has allocated already can still be used.
	refused := 0
	for n := 0; refused == 0 && n < 20000; n++ {
		if status, text = call(t.Context(), client, fmt.Sprintf("/full/%d", n)); status != http.StatusOK {
			refused = status
		}
	}
	require.Equal(t, http.StatusServiceUnavailable, refused, text+srv.Log())
	assert.Contains(t, text, "urn:sallyport:refusal:trail")
	_, before := w.upstream.seen()
	for n := range 10 {
		status, _ = call(t.Context(), client, fmt.Sprintf("/never/%d", n))
		assert.Equal(t, http.StatusServiceUnavailable, status)
	}
	_, after := w.upstream.seen()
	assert.Equal(t, before, after, "a request without an intent reached the upstream")
	assert.Contains(t, ready(t, w.settings.Health), "trail")

	require.NoError(t, os.Remove(filler))
	w.recovers(t, client)
	w.check(t)
	require.NoError(t, srv.Stop())
}

// fill writes until the file system has no byte left.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	require.NoError(t, err)
	defer f.Close()
	for size := 1 << 16; size > 0; {
		if _, err = f.Write(make([]byte, size)); err != nil {
			require.ErrorIs(t, err, syscall.ENOSPC)
			size /= 2
		}
	}
}

// ready is what /readyz says when the server is not ready.
func ready(t *testing.T, address string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/readyz", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	return string(text)
}

// TestReadOnlyState: a server that cannot write its trail does not start, says
// which folder is at fault, and forwards nothing.
func TestReadOnlyState(t *testing.T) {
	t.Parallel()
	home, state := smallState(t, "16m")
	w := newWorld(t, home)
	require.NoError(t, syscall.Mount("", state, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	srv, err := w.home.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(srv.Kill)
	require.Error(t, srv.Wait(10*time.Second), "a server without a writable trail must not run")
	assert.Contains(t, srv.Log(), "state")
	assert.True(t, strings.Contains(srv.Log(), "read-only") || strings.Contains(srv.Log(), "readonly"), srv.Log())
	_, total := w.upstream.seen()
	assert.Zero(t, total)
}

// TestAStopOnAFullDiskHolds: an agent is stopped in the server though its registry cannot be
// written, what it has open ends, and the person is told that a restart forgets it.
func TestAStopOnAFullDiskHolds(t *testing.T) {
	t.Parallel()
	home, state := smallState(t, "16m")
	w := newWorld(t, home)
	srv := w.serve(t)
	client := w.client(t)
	w.upstream.gate = make(chan struct{})
	defer close(w.upstream.gate)
	ended := make(chan time.Time, 1)
	go func() {
		_, _ = call(t.Context(), client, "/stream/0")
		ended <- time.Now()
	}()
	w.upstream.reached(t, "/stream/0")
	filler := filepath.Join(state, "filler")
	fill(t, filler)
	w.exhaust(t, w.agent)

	started := time.Now()
	_, err := w.home.Run(t.Context(), "agent", "suspend", w.agent.ID, "--reason", "runs wild")
	require.ErrorContains(t, err, "is suspended in this server, but not on disk, and a restart forgets it")
	require.ErrorContains(t, err, "make room, and do it again")
	select {
	case at := <-ended:
		assert.Less(t, at.Sub(started), 5*time.Second)
	case <-time.After(20 * time.Second):
		require.Fail(t, "the stream goes on", srv.Log())
	}
	out, err := w.home.Run(t.Context(), "agent", "list")
	require.NoError(t, err)
	assert.Contains(t, out, "suspended")
	assert.Contains(t, ready(t, w.settings.Health), "1 agents are stopped in this server, but not on disk")

	require.NoError(t, os.Remove(filler))
	require.Eventually(t, func() bool { // the trail may take a moment longer
		_, err = w.home.Run(t.Context(), "agent", "suspend", w.agent.ID)
		return err == nil || strings.Contains(err.Error(), "it is suspended already")
	}, 20*time.Second, 50*time.Millisecond)
	require.Eventually(t, func() bool {
		status, text := call(t.Context(), client, "/after")
		assert.NotEqual(t, http.StatusOK, status, text)
		return w.ready(t) == http.StatusOK
	}, 20*time.Second, 50*time.Millisecond)
	require.NoError(t, srv.Stop())
	srv = w.serve(t)
	out, err = w.home.Run(t.Context(), "agent", "list")
	require.NoError(t, err)
	assert.Contains(t, out, "suspended", "it is on disk")
	require.NoError(t, srv.Stop())
}

// TestEveryStopOnAFullDiskEndsStreams: an agent or its certificate is revoked in the server, and
// what it has open ends, though nothing can be written; saying it again says again that it is
// not on disk, until there is room.
func TestEveryStopOnAFullDiskEndsStreams(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"revoke", "revoke-certificate"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			home, state := smallState(t, "16m")
			w := newWorld(t, home)
			srv := w.serve(t)
			w.upstream.gate = make(chan struct{})
			defer close(w.upstream.gate)
			other := w.newAgent(t, "other")
			name := w.agent.ID
			if command == "revoke-certificate" {
				name = w.serial(t)
			}
			stream := w.stream(t, "0")
			filler := filepath.Join(state, "filler")
			fill(t, filler)
			w.exhaust(t, other)

			started := time.Now()
			_, err := w.home.Run(t.Context(), "agent", command, name)
			require.ErrorContains(t, err, "is revoked in this server, but not on disk, and a restart forgets it")
			_, err = io.ReadAll(stream)
			require.Error(t, err, "the stream was cut")
			assert.Less(t, time.Since(started), 5*time.Second)
			require.Eventually(t, func() bool { // the log comes through a pipe
				return strings.Contains(srv.Log(), "what was stopped in this server is not on disk")
			}, 20*time.Second, 5*time.Millisecond)
			_, err = w.home.Run(t.Context(), "agent", command, name)
			require.ErrorContains(t, err, "is revoked in this server, but not on disk", "it is still so")

			require.NoError(t, os.Remove(filler))
			require.Eventually(t, func() bool { return w.ready(t) == http.StatusOK }, 20*time.Second, 50*time.Millisecond)
			next, err := w.home.Start(t.Context(), "--take-over")
			require.NoError(t, err)
			t.Cleanup(next.Kill)
			require.Error(t, next.Wait(20*time.Second), "it would let the agent go on")
			assert.Contains(t, next.Log(), "take over: 1 agents are stopped in this server, but not on disk")
			w.run(t, "agent", "suspend", other.ID)
			w.run(t, "agent", "resume", other.ID)
			status, text := call(t.Context(), w.client(t), "/after")
			assert.NotEqual(t, http.StatusOK, status, text)
			w.run(t, "agent", command, name)
			require.NoError(t, srv.Stop())
			srv = w.serve(t)
			status, text = call(t.Context(), w.client(t), "/restarted")
			assert.NotEqual(t, http.StatusOK, status, text)
			require.NoError(t, srv.Stop())
		})
	}
}

// serial is that of the agent's only certificate.
func (w *world) serial(t *testing.T) string {
	t.Helper()
	out, err := w.home.Run(t.Context(), "agent", "show", w.agent.ID, "-o", "json")
	require.NoError(t, err)
	var shown struct{ Certificates []struct{ Serial string } }
	require.NoError(t, json.Unmarshal([]byte(out), &shown))
	require.Len(t, shown.Certificates, 1)
	return shown.Certificates[0].Serial
}

// exhaust writes to the registry until that fails: what its log has allocated already can
// still be used on a full disk.
func (w *world) exhaust(t *testing.T, agent rig.Agent) {
	t.Helper()
	var err error
	for n := 0; err == nil && n < 5000; n++ {
		_, err = w.home.Run(t.Context(), "agent", "renew", agent.ID, "--out", filepath.Join(t.TempDir(), "renewed"))
	}
	require.ErrorContains(t, err, "full")
}
