package proxy_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

const doorURL = "https://sallyport.internal"

// exchange reads a row as the server does for the door.
func (r *rig) exchange(ctx context.Context, id uuid.UUID) (x audit.Exchange, err error) {
	reader, err := trail.OpenReader(r.trailPath)
	if err != nil {
		return x, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	x, _, err = reader.Show(ctx, id)
	return x, err
}

const doorPolicy = `
policy: operator
description: ships small fixes
rules:
  - {name: reads, allow: {host: up.test, methods: [GET], path: "/open/**"}, credential: key} # a comment of the team's
  - {name: closed, deny: {host: "*.up.test"}}
`

// at asks the door, and reads its JSON.
func at(t *testing.T, client *http.Client, path string, into any) *http.Response {
	t.Helper()
	response, err := client.Get(doorURL + path) //nolint:noctx // bounded by the client
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	if into != nil {
		require.NoError(t, json.Unmarshal(data, into), "%s", data)
	}
	response.Body = io.NopCloser(strings.NewReader(string(data)))
	return response
}

func TestAnAgentAsksWhoItIs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.credentials = "credentials:\n  key: {kind: bearer, hosts: [up.test], secret: {env: RIG_KEY}}\n"
	r.configure(doorPolicy)
	a := r.agent("builder")
	for _, http2 := range []bool{false, true} {
		client := r.client(a, http2)
		var who map[string]any
		at(t, client, "/v1/whoami", &who)
		assert.Equal(t, a.ID.String(), who["id"])
		assert.Equal(t, []any{"builder", "operator", "active"}, []any{who["name"], who["policy"], who["status"]})
		assert.NotEmpty(t, who["certificate"].(map[string]any)["not_after"])
		var owner map[string]any
		at(t, client, "/v1/owner", &owner)
		assert.Equal(t, who["owner"], owner["owner"])
		assert.NotContains(t, owner, "email")
		var may struct {
			Policy, Description, Order string
			Rules                      []map[string]any
		}
		at(t, client, "/v1/policy", &may)
		require.Len(t, may.Rules, 2)
		assert.Equal(t, "reads", may.Rules[0]["name"])
		assert.Equal(t, map[string]any{"host": "up.test", "methods": []any{"GET"}, "path": "/open/**"}, may.Rules[0]["allow"])
		assert.Contains(t, may.Rules[1], "deny")
	}
	client := r.client(a, true)
	response := at(t, client, "/", nil)
	text, _ := io.ReadAll(response.Body)
	assert.Contains(t, string(text), "You hold no secrets")
	assert.Less(t, len(strings.Fields(string(text))), 220, "a model reads it before it begins")
	assert.Equal(t, string(r.mitmCA.CertificatePEM()), body(t, at(t, client, "/ca.pem", nil)))
	assert.Equal(t, http.StatusNotFound, at(t, client, "/v1/nothing", nil).StatusCode)
	posted, err := client.Post(doorURL+"/v1/whoami", "text/plain", strings.NewReader("x")) //nolint:noctx // bounded by the client
	require.NoError(t, err)
	assert.Equal(t, http.StatusMethodNotAllowed, posted.StatusCode)
	_ = posted.Body.Close()
	assert.Empty(t, r.rows(), "nothing leaves, and nothing is recorded")
}

func TestAnAgentAsksWhyItWasRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.credentials = "credentials:\n  key: {kind: bearer, hosts: [up.test], secret: {env: RIG_KEY}}\n"
	r.configure(doorPolicy)
	a, b := r.agent("a"), r.agent("b")
	response, err := r.client(a, true).Get("https://x.up.test/secret?q=1") //nolint:noctx // bounded by the client
	require.NoError(t, err)
	var problem struct{ Why, Exchange string }
	require.NoError(t, json.Unmarshal([]byte(body(t, response)), &problem))
	path, isDoor := strings.CutPrefix(problem.Why, doorURL)
	require.True(t, isDoor, problem.Why)

	var why struct {
		URL, Rule, Refusal, Hint string
		Rules                    []struct {
			Rule, Effect, Why string
			Matches           bool
		}
	}
	require.Equal(t, http.StatusOK, at(t, r.client(a, true), path, &why).StatusCode)
	assert.Equal(t, []string{"https://x.up.test/secret", "closed", "policy"}, []string{why.URL, why.Rule, why.Refusal})
	assert.NotEmpty(t, why.Hint)
	require.Len(t, why.Rules, 2)
	assert.False(t, why.Rules[0].Matches)
	assert.Contains(t, why.Rules[0].Why, "host")
	assert.True(t, why.Rules[1].Matches)

	others := at(t, r.client(b, true), path, nil)
	none := at(t, r.client(b, true), "/v1/why?exchange="+uuid.NewString(), nil)
	assert.Equal(t, http.StatusNotFound, others.StatusCode, "of another's request it says nothing")
	assert.Equal(t, body(t, none), body(t, others))
	for _, odd := range []string{"/v1/why", "/v1/why?exchange=x", "/v1/why?exchange=%zz"} {
		assert.Equal(t, http.StatusBadRequest, at(t, r.client(a, true), odd, nil).StatusCode, odd)
	}
}

// The door is the agent's own: nobody else's host can be taken for it, and it for nobody's.
func TestTheDoorIsNoWayRound(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.configure("policy: operator\nrules:\n  - {name: all, allow: {host: \"*\"}}\n")
	a := r.agent("a")
	conn := r.connect(a, "up.test:443", "up.test")
	_, err := io.WriteString(conn, "GET /v1/whoami HTTP/1.1\r\nHost: sallyport.internal\r\n\r\n")
	require.NoError(t, err)
	text := make([]byte, 16)
	_, err = io.ReadFull(conn, text)
	require.NoError(t, err)
	assert.Contains(t, string(text), " 421 ", "another host's tunnel does not lead to it")
	_, err = r.registry.Suspend(t.Context(), a.ID, "stop")
	require.NoError(t, err)
	r.proxy.Cut(a.ID)
	_, err = r.client(a, false).Get(doorURL + "/v1/policy") //nolint:noctx,bodyclose // refused
	require.Error(t, err, "who is suspended is told nothing but that")
}
