package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// hinting sends early hints without an end and counts them.
func (r *rig) hinting(hint string) (sent *atomic.Int64, left chan struct{}) {
	sent, left = new(atomic.Int64), make(chan struct{})
	r.upstream(func(w http.ResponseWriter, _ *http.Request) {
		defer close(left)
		conn, _, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(r.t, err) {
			return
		}
		defer conn.Close()
		for {
			if _, err := io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: <"+hint+">\r\n\r\n"); err != nil {
				return
			}
			sent.Add(1)
		}
	}, false, "api.test")
	return sent, left
}

// An agent that does not read the hints of an upstream cannot hold up the cut: not
// its own, and not the other agents'.
func TestUnreadHintsDoNotHoldUpACut(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	sent, left := r.hinting(strings.Repeat("x", 900<<10))
	a := r.agent("a")
	conn := r.connect(a, "api.test:443", "api.test")
	_, err := io.WriteString(conn, "GET /hints HTTP/1.1\r\nHost: api.test\r\n\r\n")
	require.NoError(t, err)
	before := int64(-1)
	require.Eventually(t, func() bool { // until nothing moves any more
		now := sent.Load()
		defer func() { before = now }()
		return now > 0 && now == before
	}, within, 200*time.Millisecond)
	_, err = r.registry.Suspend(t.Context(), a.ID, "test")
	require.NoError(t, err)
	start := time.Now()
	r.proxy.Cut(a.ID)
	<-left
	assert.Less(t, time.Since(start), time.Second)
	assert.Equal(t, "suspended", r.rows()[0].Outcome.Refusal)
}

func TestHintsHaveAnEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, left := r.hinting("x")
	response, err := r.client(r.agent("a"), false).Get("https://api.test/hints")
	if err == nil { // Go's client has a limit of its own
		assert.Equal(t, http.StatusBadGateway, response.StatusCode, body(t, response))
	}
	<-left
	assert.NotEqual(t, audit.OutcomeCompleted, r.rows()[0].Outcome.Outcome)
}

// The same for an answer that nobody reads: a reload breaks it off at once, and
// its row is there soon.
func TestUnreadAnswerIsCut(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		r := newRig(t)
		var sent atomic.Int64
		left := make(chan struct{})
		r.upstream(func(w http.ResponseWriter, _ *http.Request) {
			defer close(left)
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
				sent.Add(1)
			}
		}, upstreamSide, "api.test")
		response, err := r.client(r.agent("a"), agentSide).Get("https://api.test/flood")
		require.NoError(t, err)
		defer response.Body.Close()
		before := int64(-1)
		require.Eventually(t, func() bool { // until nothing moves any more
			now := sent.Load()
			defer func() { before = now }()
			return now > 0 && now == before
		}, within, 200*time.Millisecond)
		r.configure("policy: operator\nrules:\n  - {name: little, allow: {host: little.test}}\n")
		start := time.Now()
		r.proxy.Recheck()
		<-left
		assert.Less(t, time.Since(start), time.Second)
		assert.Equal(t, audit.OutcomeRevoked, r.rows()[0].Outcome.Outcome)
	})
}
