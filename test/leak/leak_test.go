// Package leak_test puts a canary into every source of a secret, drives the
// real server through answers and failures of all kinds, and then searches all
// that an agent, an operator or a thief of the state folder could read.
package leak_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/sqlite"
	"sallyport/test/rig"
)

// canaries by credential; each must reach the upstream and nobody else.
var canaries = map[string]string{
	"header": "canary+header/7d1f90b2c4",
	"bearer": "canary-bearer-55e0a1d93f",
	"basic":  "canary&basic=9c27bb41aa",
	"query":  "canary query/3b8d7740ee",
	"stderr": "canary-stderr-1f6e02d8b7", // an exec source writes it to standard error and fails
	"broken": "canary-broken-4a9c5511de", // cannot stand in a header
}

const credentialsFile = `credentials:
  header: {kind: header, header: x-service-key, prefix: "Key ", secret: {env: CANARY_HEADER}, hosts: [up.test, down.test, cut.test]}
  bearer: {kind: bearer, secret: {file: bearer.txt}, hosts: [up.test]}
  basic: {kind: basic, username: robot, secret: {exec: [/bin/sh, basic.sh]}, hosts: [up.test]}
  query: {kind: query, parameter: key, secret: {file: query.txt}, hosts: [up.test]}
  stderr: {kind: bearer, secret: {exec: [/bin/sh, stderr.sh]}, hosts: [up.test]}
  broken: {kind: bearer, secret: {file: broken.txt}, hosts: [up.test]}
`

const policyHead = `policy: leak
rules:
  - name: ask
    ask: {host: up.test, path: /ask}
  - name: down
    allow: {host: down.test}
    credential: header
  - name: untrusted
    allow: {host: cut.test}
    credential: header
`

// policyFile allows everything below /NAME with the credential NAME.
func policyFile() string {
	var b strings.Builder
	b.WriteString(policyHead)
	for name := range canaries {
		fmt.Fprintf(&b, "  - name: %s\n    allow: {host: up.test, path: /%s/**}\n    credential: %s\n    record: {query: [q], headers: [x-echo, x-echo-base64, x-echo-percent, location]}\n", name, name, name)
	}
	return b.String()
}

// echo is an upstream that gives away, in every place but the body, whatever
// secret it was sent: bodies are a stated limit of the threat model.
type echo struct{ arrived rig.Log }

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secret := secretOf(r)
	fmt.Fprintln(&e.arrived, secret)
	h := w.Header()
	switch {
	case strings.HasSuffix(r.URL.Path, "/echo"):
		h.Set("X-Echo", "you sent "+secret)
		h.Set("X-Echo-Base64", base64.StdEncoding.EncodeToString([]byte(secret)))
		h.Set("X-Echo-Percent", url.QueryEscape(secret))
		h.Set("Set-Cookie", "session="+url.QueryEscape(secret))
	case strings.HasSuffix(r.URL.Path, "/redirect"):
		h.Set("Location", "https://up.test/elsewhere?key="+url.QueryEscape(secret))
		w.WriteHeader(http.StatusFound)
	case strings.HasSuffix(r.URL.Path, "/trailer"):
		h.Set("Trailer", "X-Echo")
		fmt.Fprintln(w, "body")
		h.Set("X-Echo", secret)
	case strings.HasSuffix(r.URL.Path, "/cut"):
		h.Set("Content-Length", "100")
		fmt.Fprintln(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case strings.HasSuffix(r.URL.Path, "/garbage"):
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			fmt.Fprintf(conn, "HTTP/1.1 %s\r\n\r\n", secret)
			conn.Close()
		}
	case strings.HasSuffix(r.URL.Path, "/status"):
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func secretOf(r *http.Request) string {
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	if key := r.URL.Query().Get("key"); key != "" {
		return key
	}
	if key, ok := strings.CutPrefix(r.Header.Get("X-Service-Key"), "Key "); ok {
		return key
	}
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return key
}

// world is the server under search, and everything the search has collected.
type world struct {
	home     *rig.Home
	settings rig.Settings
	echo     *echo
	agent    rig.Agent
	seen     map[string]*bytes.Buffer // by place
}

func (w *world) saw(place string, data []byte) {
	if w.seen[place] == nil {
		w.seen[place] = &bytes.Buffer{}
	}
	w.seen[place].Write(data)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	binary, err := rig.Build(t.Context(), dir)
	require.NoError(t, err)
	w := &world{home: &rig.Home{Dir: filepath.Join(dir, "home"), Binary: binary}, echo: &echo{}, seen: map[string]*bytes.Buffer{}}
	w.home.Env = []string{"CANARY_HEADER=" + canaries["header"]}
	up, err := rig.NewUpstream(dir, []string{"up.test"}, w.echo)
	require.NoError(t, err)
	t.Cleanup(func() { _ = up.Close() })
	untrusted, err := rig.NewUpstream(t.TempDir(), []string{"cut.test"}, w.echo)
	require.NoError(t, err)
	t.Cleanup(func() { _ = untrusted.Close() })
	nobody, err := rig.FreeAddress()
	require.NoError(t, err)
	w.settings.Listen, err = rig.FreeAddress()
	require.NoError(t, err)
	w.settings.Health, err = rig.FreeAddress()
	require.NoError(t, err)
	w.settings.Roots = []string{up.Roots}
	w.settings.Resolve = map[string]string{
		"up.test:443": up.Address, "down.test:443": nobody, "cut.test:443": untrusted.Address,
	}
	require.NoError(t, w.home.Init(t.Context(), w.settings))
	for name, content := range map[string]string{
		"owners.yaml":        "people:\n  dana: {name: Dana Ito, email: dana@example.com}\n",
		"policies/leak.yaml": policyFile(),
		"credentials.yaml":   credentialsFile,
		"bearer.txt":         canaries["bearer"] + "\n",
		"query.txt":          canaries["query"] + "\n",
		"broken.txt":         canaries["broken"] + "\r\nX-Injected: yes\n",
		"basic.sh":           "printf %s '" + canaries["basic"] + "'\n",
		"stderr.sh":          "echo '" + canaries["stderr"] + "' >&2; exit 3\n",
	} {
		require.NoError(t, w.home.Write(name, content))
	}
	w.agent, err = w.home.CreateAgent(t.Context(), "leak", "person:dana", "leak-agent")
	require.NoError(t, err)
	return w
}

func TestNoSecretLeaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	srv, err := w.home.Serve(t.Context(), w.settings, "--log-level", "debug", "--log-format", "json")
	require.NoError(t, err)
	t.Cleanup(srv.Kill)

	w.driveAgent(t)
	w.driveOperator(t)
	w.driveBadFiles(t)
	w.driveTrouble(t)
	w.saw("/metrics", w.fetch(t, "/metrics"))
	w.saw("/readyz", w.fetch(t, "/readyz"))
	dump, err := rig.Dump(t.Context(), w.home.Dir)
	require.NoError(t, err)
	w.saw("state while running", dump)
	_ = srv.Abort() // it ends by a signal: that is the point
	w.saw("log and crash output", []byte(srv.Log()))
	require.Contains(t, srv.Log(), "goroutine ", "the crash output is part of the search")
	dump, err = rig.Dump(t.Context(), w.home.Dir)
	require.NoError(t, err)
	w.saw("state after a crash", dump)

	for _, name := range []string{"header", "bearer", "basic", "query"} {
		assert.Containsf(t, w.echo.arrived.String(), canaries[name], "the secret of %s never reached the upstream: the search would prove nothing", name)
	}
	for place, data := range w.seen {
		require.NotZero(t, data.Len(), place)
		for name, secret := range canaries {
			if form := rig.Find(data.Bytes(), secret); form != "" {
				t.Errorf("%s holds the secret of %s (%s):\n%s", place, name, form, around(data.Bytes(), secret))
			}
		}
	}
}

// around is the place of a hit, to find its cause.
func around(data []byte, secret string) string {
	i := bytes.Index(data, []byte(secret))
	if i < 0 {
		return "(encoded)"
	}
	return fmt.Sprintf("%q", data[max(0, i-200):min(len(data), i+len(secret)+100)])
}

// driveAgent walks every way an exchange can go, with every credential.
func (w *world) driveAgent(t *testing.T) {
	t.Helper()
	transport, err := w.agent.Transport(w.settings.Listen)
	require.NoError(t, err)
	for _, h2 := range []bool{false, true} {
		tr := transport.Clone()
		tr.ForceAttemptHTTP2 = h2
		client := &http.Client{Transport: tr, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}}
		for name := range canaries {
			for _, way := range []string{"plain", "echo", "redirect", "trailer", "cut", "garbage", "status", "%zz", "a/../b"} {
				if h2 && way == "%zz" {
					continue // the server resets the stream, and Go's client waits for an answer all the same
				}
				w.request(t, client, http.MethodGet, "https://up.test/"+name+"/"+way+"?q=1", nil)
			}
			w.request(t, client, http.MethodPost, "https://up.test/"+name+"/plain", map[string]string{
				"Authorization": "Bearer placeholder", "X-Service-Key": "placeholder",
			})
			w.request(t, client, http.MethodGet, "https://up.test/"+name+"/echo?key=placeholder", map[string]string{"X-Http-Method-Override": "DELETE"})
		}
		for _, target := range []string{"https://down.test/", "https://cut.test/", "https://up.test/ask", "https://up.test/none", "https://other.test/"} {
			w.request(t, client, http.MethodGet, target, nil)
		}
		w.request(t, client, "TRACE", "https://up.test/header/plain", nil)
		tr.CloseIdleConnections()
	}
}

// request keeps every byte of the answer, or of the error.
func (w *world) request(t *testing.T, client *http.Client, method, target string, header map[string]string) {
	t.Helper()
	const place = "what the agent received"
	req := &http.Request{Method: method, Header: http.Header{}}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	host, path, _ := strings.Cut(strings.TrimPrefix(target, "https://"), "/")
	req.URL = &url.URL{Scheme: "https", Host: host, Opaque: "/" + path} // as it is, also a bad one
	resp, err := client.Do(req.WithContext(t.Context()))
	if err != nil {
		w.saw(place, []byte(err.Error()))
		return
	}
	defer resp.Body.Close()
	head, err := httputil.DumpResponse(resp, false)
	require.NoError(t, err)
	w.saw(place, head)
	body, err := io.ReadAll(resp.Body)
	w.saw(place, body)
	if err != nil {
		w.saw(place, []byte(err.Error()))
	}
	w.saw(place, fmt.Append(nil, resp.Trailer))
}

// driveOperator runs the commands that speak of credentials or rows.
func (w *world) driveOperator(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{
		{"credential", "list"},
		{"credential", "list", "-o", "json"},
		{"credential", "check", "header"},
		{"credential", "check", "basic"},
		{"credential", "check", "query"},
		{"credential", "check", "stderr"},
		{"credential", "check", "broken"},
		{"policy", "check"},
		{"policy", "explain", "--policy", "leak", "https://up.test/bearer/x"},
		{"agent", "list", "-o", "json"},
		{"agent", "show", w.agent.ID},
		{"audit", "list", "--limit", "0"},
		{"audit", "list", "--limit", "0", "-o", "json"},
		{"audit", "events"},
		{"audit", "verify"},
		{"reload"},
	} {
		out, err := w.home.Run(t.Context(), args...)
		w.saw("what commands print", []byte(out))
		if err != nil { // some must fail; what they say is searched
			w.saw("what commands print", []byte(err.Error()))
		}
	}
	rows, err := w.home.Trail(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, rows)
	listed, err := w.home.Run(t.Context(), "audit", "list", "--limit", "0", "-o", "json")
	require.NoError(t, err)
	require.Contains(t, listed, `"response_headers":{"X-Echo":`, "rows keep what rules list, without the secret in it")
	out, err := w.home.Run(t.Context(), "audit", "show", rows[0].ID)
	require.NoError(t, err)
	w.saw("what commands print", []byte(out))
}

// driveBadFiles reloads files that are wrong around a secret: a literal one,
// which the format does not allow, and a source that is gone.
func (w *world) driveBadFiles(t *testing.T) {
	t.Helper()
	literal := "  literal: {kind: bearer, secret: " + canaries["bearer"] + ", hosts: [up.test]}\n"
	require.NoError(t, w.home.Write("credentials.yaml", credentialsFile+literal))
	_, err := w.home.Run(t.Context(), "reload")
	require.Error(t, err, "a literal secret must not load")
	w.saw("what a bad file is answered", []byte(err.Error()))

	require.NoError(t, w.home.Write("credentials.yaml", credentialsFile))
	require.NoError(t, os.Remove(filepath.Join(w.home.Dir, "bearer.txt")))
	transport, err := w.agent.Transport(w.settings.Listen)
	require.NoError(t, err)
	defer transport.CloseIdleConnections()
	_, _ = w.home.Run(t.Context(), "reload")
	w.request(t, &http.Client{Transport: transport, Timeout: 20 * time.Second}, http.MethodGet, "https://up.test/bearer/plain", nil)
	require.NoError(t, w.home.Write("bearer.txt", canaries["bearer"]+"\n"))
}

// driveTrouble asks while the agent is suspended, and while the trail cannot be
// written.
func (w *world) driveTrouble(t *testing.T) {
	t.Helper()
	transport, err := w.agent.Transport(w.settings.Listen)
	require.NoError(t, err)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	ask := func() {
		w.request(t, client, http.MethodGet, "https://up.test/bearer/echo?q="+url.QueryEscape(canaries["bearer"]), nil)
	}
	ask() // a secret that the agent should not know, in a parameter that is kept
	_, err = w.home.Run(t.Context(), "agent", "suspend", w.agent.ID, "--reason", "trouble")
	require.NoError(t, err)
	w.request(t, client, http.MethodGet, "https://up.test/bearer/plain", nil)
	_, err = w.home.Run(t.Context(), "agent", "resume", w.agent.ID)
	require.NoError(t, err)
	db, err := sqlite.Open(filepath.Join(w.home.Dir, "state", "audit.db"), sqlite.Options{Connections: 1})
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	w.request(t, client, http.MethodGet, "https://up.test/bearer/echo", nil)
	w.saw("/readyz while the trail is blocked", w.fetch(t, "/readyz"))
	_, err = db.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	require.Eventually(t, func() bool { return bytes.Contains(w.fetch(t, "/readyz"), []byte(`"name":"trail","status":"ok"`)) }, 20*time.Second, 50*time.Millisecond)
	ask()
}

func (w *world) fetch(t *testing.T, path string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.settings.Health+path, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return data
}
