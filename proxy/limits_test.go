package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/proxy"
)

func limited(l proxy.Limits) func(*rig) {
	return func(r *rig) {
		if l.RequestsPerSecond == 0 {
			l.RequestsPerSecond = 1e6
		}
		r.limits = l
	}
}

// assertLimited holds an answer to what a client needs to slow down.
func assertLimited(t *testing.T, response *http.Response, limit string) {
	text := body(t, response)
	require.Equal(t, http.StatusTooManyRequests, response.StatusCode, text)
	assert.Contains(t, text, "urn:sallyport:refusal:limit")
	assert.Contains(t, text, limit)
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	require.NoError(t, err)
	assert.Positive(t, seconds)
}

func TestRequestsPerSecond(t *testing.T) {
	t.Parallel()
	r := newRig(t, limited(proxy.Limits{RequestsPerSecond: 5}))
	r.upstream(func(http.ResponseWriter, *http.Request) {}, true, "api.test")
	client := r.client(r.agent("a"), true)
	start := time.Now()
	for range 5 {
		response, err := client.Get("https://api.test/x")
		require.NoError(t, err)
		require.Equal(t, 200, response.StatusCode, body(t, response))
	}
	response, err := client.Get("https://api.test/a/../malformed")
	require.NoError(t, err)
	if time.Since(start) < 200*time.Millisecond { // a slow machine earns tokens meanwhile
		assertLimited(t, response, "requests_per_second")
	}
	other, err := r.client(r.agent("b"), true).Get("https://api.test/x")
	require.NoError(t, err)
	assert.Equal(t, 200, other.StatusCode, "another agent has limits of its own: %s", body(t, other))
}

func TestOpenExchanges(t *testing.T) {
	t.Parallel()
	r := newRig(t, limited(proxy.Limits{Exchanges: 2}))
	arrived, release := make(chan struct{}), make(chan struct{})
	r.upstream(func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-release }, true, "api.test")
	client := r.client(r.agent("a"), true)
	var open sync.WaitGroup
	for range 2 {
		open.Go(func() {
			response, err := client.Get("https://api.test/x")
			if assert.NoError(t, err) {
				assert.Equal(t, 200, response.StatusCode, body(t, response))
			}
		})
		<-arrived
	}
	response, err := client.Get("https://api.test/x")
	require.NoError(t, err)
	assertLimited(t, response, "exchanges")
	close(release)
	open.Wait()
	go func() { <-arrived }()
	response, err = client.Get("https://api.test/x")
	require.NoError(t, err)
	assert.Equal(t, 200, response.StatusCode, body(t, response))
}

func TestNewHostsPerMinute(t *testing.T) {
	t.Parallel()
	r := newRig(t, limited(proxy.Limits{NewHostsPerMinute: 2}))
	r.upstream(func(http.ResponseWriter, *http.Request) {}, true, "api.test", "open.test")
	client := r.client(r.agent("a"), true)
	for _, name := range []string{"api.test", "open.test", "api.test"} {
		response, err := client.Get("https://" + name + "/x")
		require.NoError(t, err)
		require.Equal(t, 200, response.StatusCode, body(t, response))
	}
	for range 2 {
		response, err := client.Get("https://third.test/x")
		require.NoError(t, err)
		assertLimited(t, response, "new_hosts_per_minute")
	}
	response, err := client.Get("https://api.test/x")
	require.NoError(t, err)
	assert.Equal(t, 200, response.StatusCode, "hosts that were met stay open: %s", body(t, response))
}

func TestOpenTunnels(t *testing.T) {
	t.Parallel()
	r := newRig(t, limited(proxy.Limits{Tunnels: 2}))
	a := r.agent("a")
	connect := func() *http.Response {
		conn := r.dial(a)
		require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
		_, err := io.WriteString(conn, "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n")
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
		require.NoError(t, err)
		return response
	}
	for range 2 {
		r.speak2(a) // stays open, as one that says nothing would not
	}
	const flood = 30
	for range flood {
		response := connect()
		require.Equal(t, http.StatusTooManyRequests, response.StatusCode)
		assert.Equal(t, "1", response.Header.Get("Retry-After"))
	}
	r.shutdown()
	r.assertSummed(a, flood, "tunnels")
}

// assertSummed holds the agent's rows to a count of refusals for one limit.
func (r *rig) assertSummed(a agent, refused int, limit string) {
	t := r.t
	rows, sum := 0, 0
	for _, row := range r.rows() {
		if row.Agent != a.ID || row.Outcome.Refusal != "limit" {
			continue
		}
		rows++
		assert.Equal(t, limit, row.Details["limit"])
		assert.Equal(t, http.StatusTooManyRequests, row.Outcome.Status)
		if n, summed := row.Details["refused"]; summed {
			count, err := strconv.Atoi(fmt.Sprint(n))
			require.NoError(t, err)
			sum += count
			continue
		}
		sum++
	}
	assert.Equal(t, refused, sum, "refusals are lost")
	assert.LessOrEqual(t, rows, 8, "a runaway agent fills the trail")
}

func TestFloodIsSummedUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, limited(proxy.Limits{RequestsPerSecond: 10}))
	r.upstream(func(http.ResponseWriter, *http.Request) {}, true, "api.test")
	a := r.agent("a")
	client := r.client(a, true)
	var mu sync.Mutex
	named := map[string]int{}
	var flood sync.WaitGroup
	for range 10 {
		flood.Go(func() {
			for range 100 {
				response, err := client.Get("https://api.test/x")
				if !assert.NoError(t, err) {
					return
				}
				text := body(t, response)
				if response.StatusCode == http.StatusOK {
					continue
				}
				_, after, _ := strings.Cut(text, `"exchange": "`)
				id, _, _ := strings.Cut(after, `"`)
				mu.Lock()
				named[id]++
				mu.Unlock()
			}
		})
	}
	flood.Wait()
	r.shutdown()
	refused := 0
	ids := map[uuid.UUID]bool{}
	for _, row := range r.rows() {
		ids[row.ID] = true
	}
	for id, n := range named {
		refused += n
		assert.True(t, ids[uuid.MustParse(id)], "an answer names a row that is not there")
	}
	assert.Greater(t, refused, 500)
	r.assertSummed(a, refused, "requests_per_second")
}
