// Package thirdservice proves that a service is a room: package teapot, which knows the
// contract alone, is added by one line and takes part in everything.
package thirdservice

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit/trail"
	"sallyport/config"
	"sallyport/policy"
	"sallyport/server"
	"sallyport/services"
	"sallyport/test/rig"
	"sallyport/test/thirdservice/teapot"
)

// withTeapots is the one line.
func withTeapots() []services.Service { return append(server.Services(), teapot.Service{}) }

const master = "master-key-of-the-pantry"

const policyFile = `policy: guest
rules:
  - {name: drinks, allow: {teapot: {operations: [brew, menu]}}, credential: ticket}
tests:
  - {request: "teapot brew large at pot.test", expect: allow by drinks}
  - {request: "teapot descale large at pot.test", expect: deny}
`

// pot is a teapot that sells a ticket for each order and takes it once.
type pot struct {
	mu      sync.Mutex
	tickets map[string]string // to the order
	brewed  []string
}

func (p *pot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Teapot-Order", "order-4711")
	if r.URL.Path == "/tickets" {
		if r.Header.Get("Authorization") != "Bearer "+master {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		ticket := "ticket-for-" + string(body) + "-0123456789"
		p.tickets[ticket] = string(body)
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]string{"ticket": ticket})
		return
	}
	ticket := r.Header.Get("Teapot-Ticket")
	order := p.tickets[ticket]
	if order == "" || !bytes.Contains(body, []byte(`"`+order+`"`)) {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	delete(p.tickets, ticket)
	p.brewed = append(p.brewed, string(body))
	w.Header().Set("Echo", ticket) // which the agent must not see
	_, _ = io.WriteString(w, "tea")
}

type world struct {
	home     *rig.Home
	settings rig.Settings
	pot      *pot
	env      server.Environment
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	binary, err := rig.Build(t.Context(), dir)
	require.NoError(t, err)
	w := &world{home: &rig.Home{Dir: filepath.Join(dir, "home"), Binary: binary}, pot: &pot{tickets: map[string]string{}}}
	upstream, err := rig.NewUpstream(dir, []string{"pot.test"}, w.pot)
	require.NoError(t, err)
	t.Cleanup(func() { _ = upstream.Close() })
	w.settings = rig.Settings{Roots: []string{upstream.Roots}, Resolve: map[string]string{"pot.test:443": upstream.Address}}
	w.settings.Listen, err = rig.FreeAddress()
	require.NoError(t, err)
	require.NoError(t, w.home.Init(t.Context(), w.settings))
	for name, text := range map[string]string{
		"owners.yaml": "people:\n  dana: {name: Dana Ito, email: dana@example.com}\n", "policies/guest.yaml": policyFile, "key": master + "\n",
		"credentials.yaml": "credentials:\n  ticket: {kind: teapot_ticket, secret: {file: key}, hosts: [pot.test]}\n",
	} {
		require.NoError(t, w.home.Write(name, text))
	}
	require.NoError(t, os.Remove(filepath.Join(w.home.Dir, "policies", "example.yaml")))
	w.env = server.Environment{Home: w.home.Dir, Getenv: func(string) string { return "" }, Now: time.Now, Services: withTeapots}
	return w
}

// serve runs the server in this process until the test ends.
func (w *world) serve(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- w.env.Serve(ctx, slog.New(slog.DiscardHandler), server.ServeOptions{Drain: time.Second})
	}()
	t.Cleanup(func() {
		stop()
		assert.NoError(t, <-ended)
	})
	require.Eventually(t, func() bool {
		client, err := w.env.Connect(t.Context())
		if err == nil {
			client.Close()
		}
		return err == nil
	}, 20*time.Second, 10*time.Millisecond)
}

func TestFilesThatSpeakOfIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	layout, err := w.env.Layout()
	require.NoError(t, err)
	set, err := config.Load(layout, w.env.CheckOptions())
	require.NoError(t, err)
	guest := set.Policies["guest"]
	assert.Empty(t, guest.RunTests(), "the policy's own tests ask in its words")

	languages := services.Languages(withTeapots(), set.Credentials.Lookup)
	q, ours, err := guest.ParseQuestion("teapot descale large at pot.test", languages...)
	require.NoError(t, err)
	require.True(t, ours)
	explained := guest.Explain(q)
	assert.Equal(t, policy.Deny, explained.Decision.Effect)
	assert.Contains(t, explained.Rules[0].Why, "operations [brew, menu] do not include descale")

	for text, want := range map[string]string{
		"teapot: {operations: [coffee]}":             `"coffee" is no order; there are menu, brew and descale`,
		"teapot: {repos: [a/b]}":                     "unknown key; known here are operations, access",
		"teapot: {operations: [brew]}, credential: ": "",
	} {
		_, err := policy.Parse("guest.yaml", []byte("policy: guest\nrules:\n  - {name: a, allow: {"+strings.TrimSuffix(text, ", credential: ")+"}}\n"), languages...)
		if want == "" {
			want = "nothing goes to the teapot unsigned; give the rule a credential"
		}
		require.ErrorContains(t, err, want)
	}

	require.NoError(t, w.home.Write("credentials.yaml", "credentials:\n  ticket: {kind: bearer, secret: {file: key}, hosts: [pot.test]}\n"))
	_, err = config.Load(layout, w.env.CheckOptions())
	require.ErrorContains(t, err, "a rule that says teapot: takes a credential of kind teapot_ticket")
}

func TestARequestFromEndToEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve(t)
	agent, err := w.home.CreateAgent(t.Context(), "guest", "person:dana", "guest-agent")
	require.NoError(t, err)
	transport, err := agent.Transport(w.settings.Listen)
	require.NoError(t, err)
	t.Cleanup(transport.CloseIdleConnections)
	order := func(body string) (*http.Response, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://pot.test/orders", strings.NewReader(body))
		require.NoError(t, err)
		response, err := (&http.Client{Transport: transport}).Do(r)
		require.NoError(t, err)
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response, string(text)
	}
	answer, text := order(`{"do":"brew","pot":"large"}`)
	require.Equal(t, http.StatusOK, answer.StatusCode, text)
	assert.Equal(t, "tea", text)
	assert.Equal(t, "[redacted]", answer.Header.Get("Echo"), "the ticket is not the agent's")
	assert.Equal(t, []string{`{"do":"brew","pot":"large"}`}, w.pot.brewed)

	for _, body := range []string{`{"do":"descale","pot":"large"}`, `{"do":"coffee"}`, `x`} {
		answer, text = order(body)
		assert.Equal(t, http.StatusTeapot, answer.StatusCode, body)
		assert.Contains(t, text, "short and stout: ", body)
	}
	assert.Len(t, w.pot.brewed, 1)

	var rows []struct {
		Operation, Resource, Rule, Outcome *string
		Details                            map[string]any
	}
	require.Eventually(t, func() bool {
		rows = nil
		return w.home.RunJSON(t.Context(), &rows, "audit", "list") == nil && len(rows) == 5
	}, 20*time.Second, 50*time.Millisecond, "an order, the ticket for it, and three refusals")
	found := map[string]bool{}
	for _, row := range rows {
		if row.Operation != nil {
			found[*row.Operation+" "+*row.Resource+" "+*row.Outcome] = true
		}
	}
	assert.True(t, found["teapot:brew large completed"], "%v", found)
	assert.True(t, found["teapot:tickets/buy brew completed"], "%v", found)
	assert.True(t, found["teapot:descale large refused"], "%v", found)

	out, err := w.home.Run(t.Context(), "audit", "whodid", "order-4711")
	require.NoError(t, err)
	assert.Contains(t, out, "guest-agent")
	assert.Contains(t, out, "person:dana")
	w.findByWhatTeapotsShow(t)
	dump, err := w.home.Run(t.Context(), "audit", "list", "-o", "json")
	require.NoError(t, err)
	assert.NotContains(t, dump, master)
	assert.NotContains(t, dump, "ticket-for-brew")
}

// findByWhatTeapotsShow finds the order by what a teapot prints and writes down.
func (w *world) findByWhatTeapotsShow(t *testing.T) {
	t.Helper()
	seen, err := services.ReadLog(withTeapots(), []byte(`{"brewed_at": "2026-01-01T10:00:00Z", "teapot_order": "order-4711"}`))
	require.NoError(t, err)
	require.Len(t, seen, 1)
	assert.Equal(t, time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC), seen[0].At)
	layout, err := w.env.Layout()
	require.NoError(t, err)
	r, err := trail.OpenReader(layout.Trail())
	require.NoError(t, err)
	defer func() { assert.NoError(t, r.Close()) }()
	for _, clue := range []services.Clue{seen[0].Clues[0], services.Recognize(withTeapots(), "receipt for order-4711")} {
		agents, exchanges, err := r.Candidates(t.Context(), clue.Filter)
		require.NoError(t, err)
		require.Len(t, agents, 1)
		assert.Equal(t, "guest-agent", agents[0].AgentName)
		assert.EqualValues(t, 2, agents[0].Exchanges, "the order and its ticket")
		assert.Empty(t, exchanges, "as many as asked for")
	}
}
