package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// watched is an upstream's address that counts who comes near it.
func (r *rig) watched(name string) (near *atomic.Int64) {
	near = new(atomic.Int64)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			near.Add(1)
			_ = conn.Close()
		}
	}()
	r.point(name+":443", ln.Addr().String())
	r.configure(r.policy)
	return near
}

// Not even a connection is opened before the intent is committed.
func TestNoRowNoRequest(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		r := newRig(t)
		near := r.watched("api.test")
		client := r.client(r.agent("a"), http2)
		response, err := client.Get("https://api.test/forbidden/x") // opens the tunnel
		require.NoError(t, err)
		require.Equal(t, http.StatusForbidden, response.StatusCode, body(t, response))
		release := r.lock()
		for i := range 2 {
			start := time.Now()
			response, err = client.Get("https://api.test/x")
			require.NoError(t, err)
			text := body(t, response)
			took := time.Since(start)
			assert.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
			assert.Contains(t, text, "The request could not be recorded, so it was not let out.")
			assert.NotContains(t, text, "lock", "the cause is the operator's business")
			assert.NotEmpty(t, response.Header.Get("Retry-After"))
			assert.Less(t, took, 3*time.Second, "answer %d", i)
			assert.Zero(t, near.Load(), "the upstream was approached before the row was there")
		}
		refused, err := client.Get("https://api.test/forbidden/x")
		require.NoError(t, err)
		assert.Equal(t, http.StatusServiceUnavailable, refused.StatusCode, "a refusal has a row too: %s", body(t, refused))
		require.Error(t, r.trail.Err())
		assert.Contains(t, r.log.String(), "audit trail cannot be written")
		release()
		require.Eventually(t, func() bool { return r.trail.Err() == nil }, within, 5*time.Millisecond, "it does not heal")
		response, err = client.Get("https://api.test/x")
		require.NoError(t, err)
		assert.Equal(t, http.StatusBadGateway, response.StatusCode, body(t, response))
		assert.Positive(t, near.Load())
		assert.Equal(t, audit.OutcomeUpstreamFailed, r.rows()[0].Outcome.Outcome)
	}
}

func TestNoRowNoRefusedConnect(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := r.agent("a")
	_, err := r.registry.Suspend(t.Context(), a.ID, "test")
	require.NoError(t, err)
	defer r.lock()()
	conn := r.dial(a)
	require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
	_, err = io.WriteString(conn, "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n")
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	text := body(t, response)
	assert.Equal(t, http.StatusServiceUnavailable, response.StatusCode, text)
	assert.NotEmpty(t, response.Header.Get("Retry-After"))
}
