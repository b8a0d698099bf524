package crash_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/test/rig"
)

// load calls without pause until it is stopped, on new connections and on kept
// ones, and remembers what went wrong and the longest that a call took.
type load struct {
	served  atomic.Int64
	longest atomic.Int64
	mu      sync.Mutex
	failed  []string
	stop    func()
}

func (w *world) load(t *testing.T, workers int) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{}
	var running sync.WaitGroup
	l.stop = func() { cancel(); running.Wait() }
	t.Cleanup(l.stop)
	for worker := range workers {
		client := w.client(t)
		client.Transport.(*http.Transport).DisableKeepAlives = worker%2 == 0
		client.Transport.(*http.Transport).ForceAttemptHTTP2 = worker%4 == 3
		running.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				begun := time.Now()
				status, text := call(context.WithoutCancel(ctx), client, fmt.Sprintf("/load/%d/%d", worker, n))
				if took := int64(time.Since(begun)); took > l.longest.Load() {
					l.longest.Store(took)
				}
				if status != http.StatusOK {
					l.mu.Lock()
					l.failed = append(l.failed, fmt.Sprintf("worker %d: %d %s", worker, status, text))
					l.mu.Unlock()
					continue
				}
				l.served.Add(1)
			}
		})
	}
	return l
}

// takeOver starts a server in the place of the one that runs.
func (w *world) takeOver(t *testing.T, args ...string) *rig.Server {
	t.Helper()
	srv, err := w.home.Start(t.Context(), append([]string{"--take-over"}, args...)...)
	require.NoError(t, err)
	t.Cleanup(srv.Kill)
	serving(t, srv)
	return srv
}

func serving(t *testing.T, srv *rig.Server) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(srv.Log(), "msg=serving") }, 20*time.Second, 5*time.Millisecond,
		"%s", srv.Log())
}

// stream begins an answer whose end the upstream holds back.
func (w *world) stream(t *testing.T, name string) *bufio.Reader {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://up.test/stream/"+name, nil)
	require.NoError(t, err)
	client := w.client(t)
	client.Timeout = 0
	resp, err := client.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	body := bufio.NewReader(resp.Body)
	line, err := body.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "begin\n", line)
	return body
}

func (w *world) row(t *testing.T, path string) rig.Exchange {
	t.Helper()
	rows, err := w.home.Trail(t.Context())
	require.NoError(t, err)
	for _, row := range rows {
		if row.Path == path {
			return row
		}
	}
	require.Failf(t, "no row", "%s", path)
	return rig.Exchange{}
}

func (w *world) outcome(t *testing.T, path string) string {
	t.Helper()
	if row := w.row(t, path); row.Outcome != nil {
		return *row.Outcome
	}
	return ""
}

// Ten take-overs under load lose no connection; a stream through the first server
// of them ends whole, and so does its row.
func TestTakeOversLoseNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "home"))
	w.upstream.gate = make(chan struct{})
	srv, err := w.home.Serve(t.Context(), w.settings, "--drain", "2m")
	require.NoError(t, err)
	t.Cleanup(srv.Kill)
	body := w.stream(t, "long")
	l := w.load(t, 8)
	servers := []*rig.Server{srv}
	for range 10 {
		before := l.served.Load()
		servers = append(servers, w.takeOver(t, "--drain", "2m"))
		require.Eventually(t, func() bool { return l.served.Load() >= before+50 }, 30*time.Second, time.Millisecond)
	}
	l.stop()
	assert.Empty(t, l.failed)
	t.Logf("%d calls, the longest took %s", l.served.Load(), time.Duration(l.longest.Load()).Round(time.Millisecond))

	assert.Empty(t, w.outcome(t, "/stream/long"), "it is open, and nobody has closed it")
	close(w.upstream.gate)
	rest, err := io.ReadAll(body)
	require.NoError(t, err)
	assert.Equal(t, "ok", string(rest))
	for _, old := range servers[:10] {
		require.NoError(t, old.Wait(30*time.Second), "%s", old.Log())
	}
	w.check(t)
	assert.Equal(t, "completed", w.outcome(t, "/stream/long"))
	rows, err := w.home.Trail(t.Context(), "--outcome", "interrupted")
	require.NoError(t, err)
	assert.Empty(t, rows)
	require.NoError(t, servers[10].Stop(), "%s", servers[10].Log())
	w.verify(t)
}

// A server that was taken over from obeys the next one.
func TestSuspensionReachesWhoDrains(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "home"))
	w.upstream.gate = make(chan struct{})
	old := w.serve(t)
	body := w.stream(t, "suspended")
	next := w.takeOver(t)
	_, err := w.home.Run(t.Context(), "agent", "suspend", w.agent.ID, "--reason", "looks wrong")
	require.NoError(t, err)
	begun := time.Now()
	_, err = io.ReadAll(body)
	require.Error(t, err)
	assert.Less(t, time.Since(begun), time.Second)
	require.NoError(t, old.Wait(20*time.Second), "%s", old.Log())
	w.check(t)
	assert.Equal(t, "revoked", w.outcome(t, "/stream/suspended"))
	require.NoError(t, next.Stop())
}

// Without being told to, a server takes over from one that drains, and from no other.
func TestWhoMayBeTakenOverFrom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "home"))
	w.upstream.gate = make(chan struct{})
	old := w.serve(t)
	refused, err := w.home.Start(t.Context())
	require.NoError(t, err)
	require.Error(t, refused.Wait(20*time.Second))
	assert.Contains(t, refused.Log(), "take its place with --take-over")

	body := w.stream(t, "draining")
	stopped := make(chan error, 1)
	go func() { stopped <- old.Stop() }()
	require.Eventually(t, func() bool { return strings.Contains(old.Log(), "msg=draining") }, 10*time.Second, time.Millisecond)
	next := w.serve(t)
	serving(t, next)
	status, text := call(t.Context(), w.client(t), "/next")
	assert.Equal(t, http.StatusOK, status, text)
	close(w.upstream.gate)
	rest, err := io.ReadAll(body)
	require.NoError(t, err)
	assert.Equal(t, "ok", string(rest))
	require.NoError(t, <-stopped, "%s", old.Log())
	w.check(t)
	assert.Equal(t, "completed", w.outcome(t, "/stream/draining"))
	require.NoError(t, next.Stop())
}

// Whoever is killed, at whatever moment of a take-over: the trail is right, and the
// home is served, by the old server, the new one, or one that is started then.
func TestKilledInATakeOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "home"))
	w.upstream.gate = make(chan struct{})
	srv := w.serve(t)
	client := w.client(t)
	client.Transport.(*http.Transport).DisableKeepAlives = true
	served := func() {
		t.Helper()
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			status, text := call(t.Context(), client, "/served")
			assert.Equal(c, http.StatusOK, status, text)
		}, 20*time.Second, 10*time.Millisecond)
	}
	for i := range 6 {
		next, err := w.home.Start(t.Context(), "--take-over")
		require.NoError(t, err)
		t.Cleanup(next.Kill)
		select { // a moment further into the take-over each time, and past its end
		case <-next.Exited():
		case <-time.After(time.Duration(i) * 60 * time.Millisecond):
		}
		if i%2 == 0 {
			next.Kill()
		} else {
			srv.Kill()
			srv = next
		}
		select {
		case <-srv.Exited(): // the one that was killed had taken over: nobody is left
			srv = w.serve(t)
		case <-time.After(100 * time.Millisecond):
		}
		if status, _ := call(t.Context(), client, "/served"); status == 0 {
			if _, err := w.home.Run(t.Context(), "agent", "list"); err == nil {
				_ = srv.Stop() // it drains, and nobody accepts
				srv = w.serve(t)
			}
		}
		served()
		w.verify(t)
	}
	w.check(t)
	require.NoError(t, srv.Stop(), "%s", srv.Log())
	w.verify(t)
}

// When the new server is killed while the old one drains, the next one takes up
// what the old one ends; when the old one is killed, its rows are closed, and no others.
func TestKilledAfterATakeOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "home"))
	w.upstream.gate = make(chan struct{})
	first, err := w.home.Serve(t.Context(), w.settings, "--drain", "2m")
	require.NoError(t, err)
	t.Cleanup(first.Kill)
	body := w.stream(t, "first")
	second := w.takeOver(t, "--drain", "2m")
	second.Kill()
	third := w.serve(t)
	assert.Empty(t, w.outcome(t, "/stream/first"), "its process lives")
	fourth := w.takeOver(t)
	lost := w.stream(t, "fourth")
	fifth := w.takeOver(t)
	require.NoError(t, third.Wait(20*time.Second), "%s", third.Log())
	fourth.Kill()
	_, err = io.ReadAll(lost)
	require.Error(t, err)
	require.Eventually(t, func() bool { return w.outcome(t, "/stream/fourth") == "interrupted" }, 10*time.Second, 20*time.Millisecond)
	assert.Empty(t, w.outcome(t, "/stream/first"), "its process lives")

	close(w.upstream.gate)
	rest, err := io.ReadAll(body)
	require.NoError(t, err)
	assert.Equal(t, "ok", string(rest))
	require.NoError(t, first.Wait(20*time.Second), "%s", first.Log())
	w.check(t)
	assert.Equal(t, "completed", w.outcome(t, "/stream/first"))
	require.NoError(t, fifth.Stop())
	w.verify(t)
}
