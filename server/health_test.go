package server_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/server"
	"sallyport/test/rig"
)

// unready waits until a check of /readyz has a status, with a text in its detail.
func unready(t *testing.T, w *world, check, status, detail string) {
	t.Helper()
	c := w.client(t)
	var last server.Readiness
	require.Eventually(t, func() bool {
		last = readiness(t, c)
		for _, one := range last.Checks {
			if one.Name == check {
				said := ""
				if one.Detail != nil {
					said = *one.Detail
				}
				return one.Status == status && strings.Contains(said, detail) && (status == server.StatusOK) == (one.Detail == nil)
			}
		}
		return false
	}, patience, 1e6, "%s is not %s: %+v", check, status, &last)
	if status != server.StatusOK {
		assert.Equal(t, status, last.Status, "the worst of the checks")
	}
}

// Each check is red while what it looks at is not right, and green again by itself.
func TestEachCheckOfReadiness(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil, mend  func(*testing.T, *world)
		status, says string
	}{
		"trail": {
			spoil: func(t *testing.T, w *world) {
				require.NoError(t, os.Rename(w.layout.Trail(), w.layout.Trail()+".away"))
			},
			mend: func(t *testing.T, w *world) {
				require.NoError(t, os.Rename(w.layout.Trail()+".away", w.layout.Trail()))
			},
			status: server.StatusFailed, says: "audit.db",
		},
		"configuration": {
			spoil:  func(t *testing.T, w *world) { w.write(t, "policies/p.yaml", "policy: p\nrulez: []\n") },
			mend:   func(t *testing.T, w *world) { w.write(t, "policies/p.yaml", policyFile) },
			status: server.StatusWarning, says: "p.yaml:2: rulez: unknown key",
		},
		"owners": {
			spoil:  func(t *testing.T, w *world) { w.write(t, "owners.yaml", "people: {eve: {name: Eve Lo}}\n") },
			mend:   func(t *testing.T, w *world) { w.write(t, "owners.yaml", ownersFile) },
			status: server.StatusWarning, says: "person:dana is not there and owns 1 live agent (builder)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			w.serve(t, server.ServeOptions{})
			a := w.agent(t, "builder")
			c.spoil(t, w)
			if status, _ := a.get(t, "/"); c.status == server.StatusFailed {
				assert.Equal(t, http.StatusServiceUnavailable, status, "no row, no request")
			} else {
				assert.Equal(t, http.StatusOK, status, "a warning takes nothing out of service")
			}
			unready(t, w, name, c.status, c.says)
			c.mend(t, w)
			unready(t, w, name, server.StatusOK, "")
			a.served(t)
		})
	}
}

func TestAReadyServerNamesItsChecks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.serve(t, server.ServeOptions{})
	got := readiness(t, w.client(t))
	var names []string
	for _, c := range got.Checks {
		assert.Equal(t, server.StatusOK, c.Status, c.Name)
		assert.Nil(t, c.Detail, c.Name)
		names = append(names, c.Name)
	}
	assert.Equal(t, []string{"trail", "checkpoints", "configuration", "owners", "registry", "listener"}, names)
}

// The listener of health shows pages and changes nothing.
func TestTheListenerOfHealth(t *testing.T) {
	t.Parallel()
	address, err := rig.FreeAddress()
	require.NoError(t, err)
	w := newWorld(t, "health: {listen: "+address+"}\n")
	r := w.serve(t, server.ServeOptions{})
	ask := func(method, path string) *http.Response {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, nil)
		require.NoError(t, err)
		response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response
	}
	for path, want := range map[string]int{
		"/healthz": http.StatusOK, "/readyz": http.StatusOK, "/metrics": http.StatusOK,
		"/": http.StatusNotFound, "/v1/agents": http.StatusNotFound, "/v1/reload": http.StatusNotFound,
	} {
		assert.Equal(t, want, ask(http.MethodGet, path).StatusCode, path)
	}
	assert.Equal(t, http.StatusMethodNotAllowed, ask(http.MethodPost, "/readyz").StatusCode)
	assert.Equal(t, "application/json", ask(http.MethodGet, "/readyz").Header.Get("Content-Type"))
	a := w.agent(t, "a")
	require.NoError(t, os.Rename(w.layout.Trail(), w.layout.Trail()+".away"))
	status, _ := a.get(t, "/")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Equal(t, http.StatusServiceUnavailable, ask(http.MethodGet, "/readyz").StatusCode, "who distributes agents looks at the status alone")
	assert.Equal(t, http.StatusOK, ask(http.MethodGet, "/healthz").StatusCode, "a restart would mend nothing")
	require.NoError(t, os.Rename(w.layout.Trail()+".away", w.layout.Trail()))
	unready(t, w, "trail", server.StatusOK, "")
	r.shut(t)
}

// An agent does not reach the listener of health by way of the proxy.
func TestOwnListenersAreNotDialledForAgents(t *testing.T) {
	t.Parallel()
	address, err := rig.FreeAddress()
	require.NoError(t, err)
	w := newWorld(t, "health: {listen: "+address+"}\n")
	w.write(t, "policies/p.yaml", "policy: p\nrules:\n  - {name: all, allow: {host: own.test, scheme: http}}\n")
	w.settings = strings.Replace(w.settings, "resolve: {", "resolve: {\"own.test:80\": \""+address+"\", ", 1)
	w.configure(t, "listen: 127.0.0.1:0\nhealth: {listen: "+address+"}\n")
	w.serve(t, server.ServeOptions{})
	a := w.agent(t, "a")
	response, err := a.http.Get("http://own.test/metrics")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusForbidden, response.StatusCode)
	assert.Equal(t, "address", w.ended(t, "/metrics").Outcome.Refusal)
}

func TestMetricsOfTheParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.serve(t, server.ServeOptions{})
	a := w.agent(t, "a")
	a.served(t)
	a.served(t)
	page, err := w.client(t).Page(t.Context(), "/metrics")
	require.NoError(t, err)
	for _, line := range []string{
		"sallyport_config_generation 1", "sallyport_config_broken 0", "sallyport_audit_broken 0", "sallyport_audit_backlog 0",
		"sallyport_leaf_issued_total 1", "sallyport_leaf_cache_hits_total 1", "sallyport_leaf_cache_size 1",
	} {
		assert.Contains(t, string(page), "\n"+line+"\n")
	}
	w.write(t, "policies/p.yaml", "no policy")
	_, err = w.client(t).Reload(t.Context())
	require.Error(t, err)
	page, err = w.client(t).Page(t.Context(), "/metrics")
	require.NoError(t, err)
	for _, line := range []string{"sallyport_config_broken 1", "sallyport_config_generation 1"} {
		assert.Contains(t, string(page), "\n"+line+"\n")
	}
}
