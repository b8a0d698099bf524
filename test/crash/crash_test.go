// Package crash_test kills, starves and blocks the real server under load and
// then compares what the upstream saw with what the trail says.
package crash_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/test/rig"
)

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sallyport-crash-")
	if err == nil {
		binary, err = rig.Build(context.Background(), dir)
	}
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// upstream counts each path that reached it; its memory survives the kills.
type upstream struct {
	mu    sync.Mutex
	paths map[string]int
	total int
	when  chan int      // receives the total after each request, if anyone waits
	gate  chan struct{} // holds the answer to /held, and the end of those to /stream, back until it is closed
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	u.paths[r.URL.Path]++
	u.total++
	total := u.total
	u.mu.Unlock()
	select {
	case u.when <- total:
	default:
	}
	_, _ = io.Copy(w, r.Body)
	if r.URL.Path == "/held" {
		<-u.gate
	}
	if strings.HasPrefix(r.URL.Path, "/stream/") {
		fmt.Fprint(w, "begin\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-u.gate:
		case <-r.Context().Done():
		}
	}
	fmt.Fprint(w, "ok")
}

// reached waits until a path has reached the upstream.
func (u *upstream) reached(t *testing.T, path string) {
	t.Helper()
	require.Eventually(t, func() bool { seen, _ := u.seen(); return seen[path] > 0 }, 20*time.Second, 5*time.Millisecond)
}

func (u *upstream) seen() (map[string]int, int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.paths), u.total
}

// world is a HOME with one agent that may call one upstream.
type world struct {
	home     *rig.Home
	settings rig.Settings
	upstream *upstream
	agent    rig.Agent
}

const policyFile = `policy: load
rules:
  - name: all
    allow: {host: up.test, path: /**}
    credential: key
`

func newWorld(t *testing.T, home string) *world {
	t.Helper()
	dir := filepath.Dir(home)
	w := &world{
		home:     &rig.Home{Dir: home, Binary: binary},
		upstream: &upstream{paths: map[string]int{}, when: make(chan int)},
	}
	up, err := rig.NewUpstream(dir, []string{"up.test"}, w.upstream)
	require.NoError(t, err)
	t.Cleanup(func() { _ = up.Close() })
	w.settings = rig.Settings{Roots: []string{up.Roots}, Resolve: map[string]string{"up.test:443": up.Address}}
	w.settings.Extra = "limits:\n  per_agent: {requests_per_second: 100000}\n"
	w.settings.Listen, err = rig.FreeAddress()
	require.NoError(t, err)
	w.settings.Health, err = rig.FreeAddress()
	require.NoError(t, err)
	require.NoError(t, w.home.Init(t.Context(), w.settings))
	require.NoError(t, w.home.Write("owners.yaml", "people:\n  dana: {name: Dana Ito, email: dana@example.com}\n"))
	require.NoError(t, w.home.Write("policies/load.yaml", policyFile))
	require.NoError(t, w.home.Write("key", "s3cret-of-the-load\n"))
	require.NoError(t, w.home.Write("credentials.yaml",
		"credentials:\n  key: {kind: bearer, secret: {file: key}, hosts: [up.test]}\n"))
	w.agent, err = w.home.CreateAgent(t.Context(), "load", "person:dana", "load-agent")
	require.NoError(t, err)
	return w
}

func (w *world) serve(t *testing.T) *rig.Server {
	t.Helper()
	srv, err := w.home.Serve(t.Context(), w.settings)
	require.NoError(t, err)
	t.Cleanup(srv.Kill)
	return srv
}

// client has tunnels of its own, as after every restart.
func (w *world) client(t *testing.T) *http.Client {
	t.Helper()
	transport, err := w.agent.Transport(w.settings.Listen)
	require.NoError(t, err)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// call sends one request; the status is 0 when no answer came.
func call(ctx context.Context, client *http.Client, path string) (int, string) {
	method, body := http.MethodGet, io.Reader(nil)
	if strings.HasSuffix(path, "1") { // some requests carry a body
		method, body = http.MethodPost, strings.NewReader(strings.Repeat("x", 40<<10))
	}
	req, err := http.NewRequestWithContext(ctx, method, "https://up.test"+path, body)
	if err != nil {
		return 0, err.Error()
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// TestKillRounds kills the server at a random moment under load, again and
// again. What the upstream saw must be in the trail, and the trail must be
// whole: no request without an intent, no intent left open after a restart.
func TestKillRounds(t *testing.T) {
	t.Parallel()
	rounds := 3
	if n, err := strconv.Atoi(os.Getenv("ROUNDS")); err == nil {
		rounds = n
	}
	w := newWorld(t, filepath.Join(t.TempDir(), "home"))
	srv := w.serve(t)
	for round := range rounds {
		began := time.Now()
		w.killUnderLoad(t, srv, round)
		srv = w.serve(t)
		w.compare(t, fmt.Sprintf("/r/%d/", round), "--since", began.Format(time.RFC3339Nano))
		if round%10 == 9 { // the trail grows, and every round has to stay short
			w.verify(t)
		}
	}
	w.check(t)
	require.NoError(t, srv.Stop())
	_, total := w.upstream.seen()
	t.Logf("%d rounds, %d requests reached the upstream", rounds, total)
}

// killUnderLoad lets workers call until the upstream has seen a random number
// of requests, kills the server in the middle of the others and ends the load.
func (w *world) killUnderLoad(t *testing.T, srv *rig.Server, round int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	client := w.client(t)
	var load sync.WaitGroup
	for worker := range 8 {
		load.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if status, _ := call(ctx, client, fmt.Sprintf("/r/%d/%d/%d", round, worker, n)); status == 0 {
					return // the server is gone
				}
			}
		})
	}
	_, before := w.upstream.seen()
	enough := before + 1 + rand.IntN(400)
	for total := before; total < enough; {
		select {
		case total = <-w.upstream.when:
		case <-ctx.Done():
			t.Fatalf("the load did not reach %d requests: %s", enough, srv.Log())
		}
	}
	srv.Kill()
	cancel()
	load.Wait()
}

// check holds the trail of a running server without load against the upstream.
func (w *world) check(t *testing.T) {
	t.Helper()
	w.compare(t, "/")
	w.verify(t)
}

func (w *world) verify(t *testing.T) {
	t.Helper()
	_, err := w.home.Run(t.Context(), "audit", "verify")
	require.NoError(t, err)
}

// compare holds the rows that flags select against what the upstream has seen
// below prefix.
func (w *world) compare(t *testing.T, prefix string, flags ...string) {
	t.Helper()
	seen, _ := w.upstream.seen()
	maps.DeleteFunc(seen, func(path string, _ int) bool { return !strings.HasPrefix(path, prefix) })
	var intents map[string]int
	require.EventuallyWithT(t, func(c *assert.CollectT) { // nobody waits for an outcome to be written
		rows, err := w.home.Trail(t.Context(), flags...)
		require.NoError(c, err)
		intents = map[string]int{}
		for _, row := range rows {
			intents[row.Path]++
			assert.NotNilf(c, row.Outcome, "%s is open although nothing runs", row.Path)
			assert.NotNilf(c, row.EndedAt, "%s has no end although nothing runs", row.Path)
		}
	}, time.Minute, 100*time.Millisecond)
	for path, times := range seen {
		assert.LessOrEqualf(t, times, intents[path], "the upstream saw %s %d times, the trail has %d intents", path, times, intents[path])
	}
}
