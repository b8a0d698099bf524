package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/certs"
	"sallyport/config"
	"sallyport/server"
	"sallyport/test/rig"
)

// TestMain fails when a goroutine outlives the servers that started it.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := leaked(5 * time.Second); left != "" {
			_, _ = os.Stderr.WriteString("goroutines are left after the tests:\n" + left + "\n")
			code = 1
		}
	}
	os.Exit(code)
}

// leaked waits until no goroutine of ours is left, and returns those that are when time is up.
func leaked(wait time.Duration) string {
	deadline := time.Now().Add(wait)
	for {
		buffer := make([]byte, 4<<20)
		var left []string
		for stack := range strings.SplitSeq(string(buffer[:runtime.Stack(buffer, true)]), "\n\n") {
			if strings.Contains(stack, "sallyport/") && !strings.Contains(stack, "TestMain") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return strings.Join(left, "\n\n")
		}
		runtime.Gosched() // there is no event for the end of a goroutine
	}
}

// patience is how long a test waits for what takes milliseconds.
const patience = 20 * time.Second

const (
	trustDomain = "agents.test"
	ownersFile  = "people:\n  dana: {name: Dana Ito}\n  eve: {name: Eve Lo}\nfallback: eve\n"
	policyFile  = "policy: p\nrules:\n  - {name: all, allow: {host: up.test}}\n"
	denyingFile = "policy: p\nrules: []\n"
)

// world is a HOME, an upstream, and what a process is told of both.
type world struct {
	layout   config.Layout
	env      server.Environment
	upstream *rig.Upstream
	settings string       // the lines of sallyport.yaml that tests leave alone
	later    atomic.Int64 // how far the clock is put forward
	gate     chan struct{}
}

// newWorld makes a HOME as `sallyport init` does, with more in sallyport.yaml.
func newWorld(t *testing.T, more string) *world {
	t.Helper()
	w := &world{layout: config.Layout{Dir: filepath.Join(t.TempDir(), "home")}, gate: make(chan struct{})}
	require.NoError(t, os.MkdirAll(w.layout.CAs(), 0o700))
	require.NoError(t, os.Mkdir(w.layout.Policies(), 0o700))
	var err error
	w.upstream, err = rig.NewUpstream(t.TempDir(), []string{"up.test"}, w)
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.upstream.Close() })
	w.settings = fmt.Sprintf("trust_domain: %s\nupstream: {roots: [%q], resolve: {\"up.test:443\": %q}}\n", trustDomain, w.upstream.Roots, w.upstream.Address)
	w.write(t, "sallyport.yaml", w.settings+"listen: 127.0.0.1:0\n"+more)
	w.write(t, "owners.yaml", ownersFile)
	w.write(t, "credentials.yaml", "credentials:\n")
	w.write(t, "policies/p.yaml", policyFile)
	w.write(t, "state/fingerprint.key", strings.Repeat("k", server.FingerprintKeySize))
	w.authority(t, w.layout.AgentCA, "spiffe://"+trustDomain)
	w.authority(t, w.layout.InterceptionCA, "")
	w.env = server.Environment{
		Home: w.layout.Dir, Getenv: func(string) string { return "" }, Version: "1.2.3", Revision: "abc",
		Now: func() time.Time { return time.Now().Add(time.Duration(w.later.Load())) },
	}
	return w
}

func (w *world) write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(w.layout.Dir, name), []byte(text), 0o600))
}

// configure writes sallyport.yaml anew, with other lines after those that stay.
func (w *world) configure(t *testing.T, more string) {
	t.Helper()
	w.write(t, "sallyport.yaml", w.settings+more)
}

// authority puts a new one in its place.
func (w *world) authority(t *testing.T, place func() (cert, key string), uri string) {
	t.Helper()
	cert, key := place()
	for _, old := range []string{cert, key} {
		require.NoError(t, os.RemoveAll(old))
	}
	ca, err := certs.CreateAuthority(certs.Template{CommonName: "test CA", URI: uri}, time.Now())
	require.NoError(t, err)
	require.NoError(t, ca.Save(cert, key))
}

// ServeHTTP is the upstream. Below /held an answer begins, and ends when the gate is opened.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/held") {
		_, _ = io.WriteString(rw, "begin ")
		rw.(http.Flusher).Flush()
		select {
		case <-w.gate:
		case <-r.Context().Done():
			return
		}
	}
	_, _ = io.WriteString(rw, "ok")
}

// journal is what a server logs, as it comes.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed at the next line
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	close(j.more)
	j.more = make(chan struct{})
	return j.text.Write(p)
}

func (j *journal) read() (string, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String(), j.more
}

// until waits for a text in the log.
func (j *journal) until(t *testing.T, text string) {
	t.Helper()
	for deadline := time.After(patience); ; {
		said, more := j.read()
		if strings.Contains(said, text) {
			return
		}
		select {
		case <-more:
		case <-deadline:
			require.Failf(t, "not logged", "%q in\n%s", text, said)
		}
	}
}

// running is a server in this process.
type running struct {
	log   *journal
	stop  context.CancelFunc
	ended chan error
}

// start begins to serve; the server may still fail.
func (w *world) start(t *testing.T, o server.ServeOptions) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := &running{log: &journal{more: make(chan struct{})}, stop: stop, ended: make(chan error, 1)}
	go func() { r.ended <- w.env.Serve(ctx, slog.New(slog.NewTextHandler(r.log, nil)), o) }()
	t.Cleanup(func() {
		stop()
		if err, open := <-r.ended; open {
			assert.NoError(t, err)
		}
	})
	return r
}

// serve runs a server until the test ends.
func (w *world) serve(t *testing.T, o server.ServeOptions) *running {
	t.Helper()
	r := w.start(t, o)
	r.log.until(t, "msg=serving")
	return r
}

// end waits for the end of a server and returns its error.
func (r *running) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.ended:
		close(r.ended)
		return err
	case <-time.After(patience):
		said, _ := r.log.read()
		require.Failf(t, "the server does not end", "%s", said)
		return nil
	}
}

// shut stops a server.
func (r *running) shut(t *testing.T) {
	t.Helper()
	r.stop()
	require.NoError(t, r.end(t))
}

// client speaks to the running server.
func (w *world) client(t *testing.T) *admin.Client {
	t.Helper()
	c, err := w.env.Connect(t.Context())
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// agent is one that the running server let in.
type agent struct {
	admin.Enrolment
	http *http.Client
	trip *http.Transport
}

func (w *world) agent(t *testing.T, name string) *agent {
	t.Helper()
	made, err := w.client(t).CreateAgent(t.Context(), admin.CreateRequest{Name: name, Policy: "p", Owner: "person:dana", TTL: admin.Duration(24 * time.Hour)})
	require.NoError(t, err)
	return newAgent(t, made)
}

func newAgent(t *testing.T, made admin.Enrolment) *agent {
	t.Helper()
	pair, err := tls.X509KeyPair(made.Certificate, made.Key)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(made.CA)
	pool.AppendCertsFromPEM(made.Bundle)
	a := &agent{Enrolment: made, trip: &http.Transport{
		Proxy:           http.ProxyURL(&url.URL{Scheme: "https", Host: made.Proxy}),
		TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, MinVersion: tls.VersionTLS13},
	}}
	a.http = &http.Client{Transport: a.trip}
	t.Cleanup(a.trip.CloseIdleConnections)
	return a
}

// get asks the upstream for a path, on a connection of its own.
func (a *agent) get(t *testing.T, path string) (status int, body string) {
	t.Helper()
	a.trip.CloseIdleConnections()
	response, err := a.http.Do(a.request(t, path))
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

func (a *agent) request(t *testing.T, path string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://up.test"+path, nil)
	require.NoError(t, err)
	return r
}

// served asserts that the agent's requests are answered.
func (a *agent) served(t *testing.T) {
	t.Helper()
	status, body := a.get(t, "/")
	assert.Equal(t, http.StatusOK, status, body)
	assert.Equal(t, "ok", body)
}

// hold begins an exchange that ends when the gate is opened; the function waits for that end.
func (a *agent) hold(t *testing.T, path string) (end func() (string, error)) {
	t.Helper()
	response, err := a.http.Do(a.request(t, path))
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	begun := make([]byte, len("begin "))
	_, err = io.ReadFull(response.Body, begun)
	require.NoError(t, err)
	return func() (string, error) {
		rest, err := io.ReadAll(response.Body)
		return string(rest), err
	}
}

// events are those of some types in the trail, the oldest first.
func (w *world) events(t *testing.T, types ...string) (list []audit.EventRow) {
	t.Helper()
	w.read(t, func(r *trail.Reader) error {
		return r.Events(t.Context(), audit.EventFilter{}, func(e audit.EventRow) error {
			if slices.Contains(types, e.Type) {
				list = append(list, e)
			}
			return nil
		})
	})
	return list
}

// row is the exchange with a path.
func (w *world) row(t *testing.T, path string) (found audit.Exchange) {
	t.Helper()
	w.read(t, func(r *trail.Reader) error {
		return r.Each(t.Context(), audit.Filter{}, func(x *audit.Exchange) error {
			if x.Path == path {
				found = *x
			}
			return nil
		})
	})
	require.NotZero(t, found.ID, "no row of %s", path)
	return found
}

// ended is the exchange with a path, once it has ended: the outcome is written behind the
// answer.
func (w *world) ended(t *testing.T, path string) (x audit.Exchange) {
	t.Helper()
	require.Eventually(t, func() bool {
		x = w.row(t, path)
		return x.Ended
	}, patience, time.Millisecond)
	return x
}

// read opens the trail to read it.
func (w *world) read(t *testing.T, do func(*trail.Reader) error) {
	t.Helper()
	r, err := trail.OpenReader(w.layout.Trail())
	require.NoError(t, err)
	require.NoError(t, do(r))
	require.NoError(t, r.Close())
}

// closed asserts that nobody holds the home, and that this process has none of its files open.
func (w *world) closed(t *testing.T) {
	t.Helper()
	assert.NoFileExists(t, w.layout.Socket())
	if _, err := os.Stat(w.layout.State()); err == nil {
		// A program that another test is starting holds what this process has open, until it runs.
		require.Eventually(t, func() bool {
			lock, err := admin.Acquire(w.layout.Lock())
			return err == nil && lock.Release() == nil
		}, patience, time.Millisecond, "the lock is free")
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return // not Linux, which alone tells
	}
	for _, e := range entries {
		file, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
		assert.False(t, err == nil && strings.HasPrefix(file, w.layout.Dir), "%s is open", file)
	}
}

// readiness is what /readyz says.
func readiness(t *testing.T, c *admin.Client) server.Readiness {
	t.Helper()
	page, err := c.Page(t.Context(), "/readyz")
	require.NoError(t, err)
	var r server.Readiness
	require.NoError(t, json.Unmarshal(page, &r), "%s", page)
	return r
}
