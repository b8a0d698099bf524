package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/proxy"
)

// TestRefusedRequestsFillABoundedPartOfTheTrail has an agent be refused as often as it can,
// with paths as long as are stored.
func TestRefusedRequestsFillABoundedPartOfTheTrail(t *testing.T) {
	t.Parallel()
	const budget = 40_000
	r := newRig(t, limited(proxy.Limits{RefusedBytesPerMinute: budget}))
	r.upstream(func(http.ResponseWriter, *http.Request) {}, true, "api.test")
	a := r.agent("a")
	client := r.client(a, true)
	const sent = 300
	path := strings.Repeat("x", 4000)
	for i := range sent {
		response, err := client.Get(fmt.Sprintf("https://api.test/forbidden/%d/%s", i, path))
		require.NoError(t, err)
		text := body(t, response)
		require.Equal(t, http.StatusForbidden, response.StatusCode, "it is told why all the same: %s", text)
		require.Contains(t, text, "rule never")
	}
	response, err := client.Get("https://api.test/allowed")
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, response.StatusCode, "what is allowed has a budget of its own: %s", body(t, response))
	assert.Equal(t, 1, r.atLimit("refused_bytes_per_minute"))
	assert.Zero(t, r.atLimit("trail_bytes_per_minute"))
	r.shutdown()
	rows, refused := 0, 0
	for _, row := range r.rows() {
		if row.Outcome.Status == http.StatusOK {
			continue
		}
		rows++
		if n, summed := row.Details["refused"].(int64); summed {
			assert.Equal(t, "refused_bytes_per_minute", row.Details["limit"])
			refused += int(n)
			continue
		}
		refused++
	}
	assert.Equal(t, sent, refused, "none is lost")
	assert.Less(t, rows, 2*budget/4000, "a long path counts with its length")
}

// atLimit reads how many agents are at a bound.
func (r *rig) atLimit(limit string) (n int) {
	recorder := httptest.NewRecorder()
	r.metrics.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	name := `sallyport_agents_at_limit{limit="` + limit + `"} `
	for line := range strings.Lines(recorder.Body.String()) {
		if value, found := strings.CutPrefix(line, name); found {
			_, err := fmt.Sscan(value, &n)
			require.NoError(r.t, err)
			return n
		}
	}
	r.t.Fatalf("there is no figure %s", name)
	return 0
}

func TestRowsHaveABudget(t *testing.T) {
	t.Parallel()
	r := newRig(t, limited(proxy.Limits{TrailBytesPerMinute: 20_000}))
	r.upstream(func(http.ResponseWriter, *http.Request) {}, true, "api.test")
	a := r.agent("a")
	client := r.client(a, true)
	refused := 0
	for range 60 {
		response, err := client.Get("https://api.test/" + strings.Repeat("x", 1000))
		require.NoError(t, err)
		if response.StatusCode == http.StatusOK {
			_ = body(t, response)
			continue
		}
		assertLimited(t, response, "trail_bytes_per_minute")
		refused++
	}
	assert.Greater(t, refused, 30)
	assert.Equal(t, 1, r.atLimit("trail_bytes_per_minute"))
	other, err := r.client(r.agent("b"), true).Get("https://api.test/x")
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, other.StatusCode, body(t, other))
	r.shutdown()
	r.assertSummed(a, refused, "trail_bytes_per_minute")
}

func TestTunnelsPerSecond(t *testing.T) {
	t.Parallel()
	r := newRig(t, limited(proxy.Limits{TunnelsPerSecond: 5}))
	a := r.agent("a")
	start, refused := time.Now(), 0
	for range 30 {
		conn := r.dial(a)
		require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
		_, err := io.WriteString(conn, "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n")
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
		require.NoError(t, err)
		if response.StatusCode != http.StatusOK {
			assertLimited(t, response, "tunnels_per_second")
			refused++
		}
		require.NoError(t, conn.Close())
	}
	if time.Since(start) < 2*time.Second { // a slow machine earns tokens meanwhile
		assert.GreaterOrEqual(t, refused, 15)
	}
	assert.Equal(t, 1, r.atLimit("tunnels_per_second"))
	r.shutdown()
	r.assertSummed(a, refused, "tunnels_per_second")
}

// An agent that is at rest between two tunnels keeps what it has used of its bounds.
func TestTunnelsPerSecondAreCountedOverPauses(t *testing.T) {
	t.Parallel()
	r := newRig(t, limited(proxy.Limits{TunnelsPerSecond: 0.01}), func(r *rig) { r.sweep = time.Millisecond })
	a := r.agent("a")
	opened := 0
	for range 20 {
		conn := r.dial(a)
		require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
		_, err := io.WriteString(conn, "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n")
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
		require.NoError(t, err)
		if response.StatusCode == http.StatusOK {
			opened++
		}
		require.NoError(t, conn.Close())
	}
	assert.Equal(t, 1, opened)
}

// TestListsBesideRowsCountAgainstTheBudget: what a row has no room for lies beside it, in
// events that are as long as the agent makes them.
func TestListsBesideRowsCountAgainstTheBudget(t *testing.T) {
	t.Parallel()
	const budget = 60_000
	many := strings.Repeat("<Object><Key>"+strings.Repeat("k", 100)+"</Key></Object>", 900)
	for name, c := range map[string]struct {
		policy, url string
		body        string
	}{
		"calls": {awsPolicy, "https://acme.s3.eu-west-1.amazonaws.com/?delete", "<Delete>" + many + "</Delete>"},
		"refs":  {hubPolicy, "https://github.com/acme/web/git-receive-pack", pushList(300, 100) + "PACK"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, limited(proxy.Limits{TrailBytesPerMinute: budget}))
			r.upstream(func(_ http.ResponseWriter, req *http.Request) { _, _ = io.Copy(io.Discard, req.Body) }, true, "acme.s3.eu-west-1.amazonaws.com", "github.com")
			r.configure(c.policy)
			client := r.client(r.agent("a"), true)
			send := func() *http.Response {
				if name == "calls" {
					response, err := client.Do(signedFor(t, "s3", "eu-west-1", http.MethodPost, c.url, c.body))
					require.NoError(t, err)
					return response
				}
				return postTo(t, client, c.url, map[string]string{"Content-Type": "application/x-git-receive-pack-request"}, strings.NewReader(c.body))
			}
			response := send()
			require.Equal(t, http.StatusOK, response.StatusCode, body(t, response))
			for range 50 { // each row alone takes a hundredth of it
				if response = send(); response.StatusCode != http.StatusOK || r.atLimit("trail_bytes_per_minute") > 0 {
					break
				}
				_ = body(t, response)
			}
			_ = body(t, response)
			assert.Equal(t, 1, r.atLimit("trail_bytes_per_minute"))
			assert.Less(t, len(r.rows()), 4)
		})
	}
}
