package proxy_test

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/identity"
)

// crowd is many clients of one agent that open tunnels and exchanges all the
// time, against an upstream that streams without an end.
type crowd struct {
	*rig
	agent   agent
	last    atomic.Int64 // when the upstream last sent or got something, in Unix nanoseconds
	served  atomic.Int64
	clients sync.WaitGroup
	stop    chan struct{}
}

func newCrowd(t *testing.T, options ...func(*rig)) *crowd {
	c := &crowd{rig: newRig(t, options...), stop: make(chan struct{})}
	c.upstream(func(w http.ResponseWriter, req *http.Request) {
		control := http.NewResponseController(w)
		c.served.Add(1)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			_, err := io.WriteString(w, "tick")
			if err != nil || control.Flush() != nil {
				return
			}
			c.last.Store(time.Now().UnixNano())
			select {
			case <-req.Context().Done():
				return
			case <-tick.C:
			}
		}
	}, true, "api.test", "open.test")
	c.agent = c.rig.agent("crowd")
	return c
}

// press keeps n clients busy until the crowd is stopped.
func (c *crowd) press(n int) {
	for i := range n {
		c.clients.Go(func() {
			for {
				select {
				case <-c.stop:
					return
				default:
					c.once(i%2 == 0)
				}
			}
		})
	}
}

// once reads a stream on a connection of its own until it breaks.
func (c *crowd) once(http2 bool) {
	client := c.client(c.agent, http2)
	defer client.CloseIdleConnections()
	var exchanges sync.WaitGroup
	for _, name := range []string{"api.test", "open.test"} {
		exchanges.Go(func() {
			response, err := client.Get("https://" + name + "/stream")
			if err == nil {
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
		})
	}
	exchanges.Wait()
}

func TestNothingSlipsThroughASuspension(t *testing.T) {
	t.Parallel()
	for range 3 {
		c := newCrowd(t)
		c.press(8)
		require.Eventually(t, func() bool { return c.served.Load() > 8 }, within, time.Millisecond)
		_, err := c.registry.Suspend(t.Context(), c.agent.ID, "test")
		require.NoError(t, err)
		c.proxy.Cut(c.agent.ID)
		returned := time.Now()
		<-time.After(1200 * time.Millisecond) // the promise is about what does not happen
		assert.Less(t, time.Unix(0, c.last.Load()).Sub(returned), time.Second, "something still moves")
		before := c.served.Load()
		close(c.stop)
		c.clients.Wait()
		assert.Equal(t, before, c.served.Load())
		for _, row := range c.rows() {
			assert.NotEqual(t, audit.OutcomeCompleted, row.Outcome.Outcome)
		}
	}
}

// streams opens one endless exchange in each protocol and returns when each has
// broken, in the order of ways.
func (c *crowd) streams() (ended chan time.Time) {
	ended = make(chan time.Time, 2)
	for _, http2 := range []bool{false, true} {
		response, err := c.client(c.agent, http2).Get("https://api.test/stream")
		require.NoError(c.t, err)
		_, err = io.ReadFull(response.Body, make([]byte, 4))
		require.NoError(c.t, err)
		go func() {
			_, err := io.Copy(io.Discard, response.Body)
			assert.Error(c.t, err)
			_ = response.Body.Close()
			ended <- time.Now()
		}()
	}
	return ended
}

func TestExpiryCuts(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	ended := c.streams()
	end := time.Now().Add(500 * time.Millisecond)
	_, err := c.registry.Renew(t.Context(), c.agent.ID, end)
	require.NoError(t, err)
	c.proxy.Cut(c.agent.ID) // the agent is active
	for range 2 {
		after := (<-ended).Sub(end)
		assert.Greater(t, after, -50*time.Millisecond)
		assert.Less(t, after, time.Second)
	}
	for _, row := range c.rows() {
		assert.Equal(t, audit.OutcomeRevoked, row.Outcome.Outcome)
		assert.Equal(t, "expired", row.Outcome.Refusal)
	}
}

// An agent that was renewed is cut at its new end, not at the old one, even if it
// asks for nothing more.
func TestExpiryFollowsARenewal(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	ended := c.streams()
	first, second := time.Now().Add(500*time.Millisecond), time.Now().Add(1000*time.Millisecond)
	_, err := c.registry.Renew(t.Context(), c.agent.ID, first)
	require.NoError(t, err)
	_, err = c.registry.Renew(t.Context(), c.agent.ID, second)
	require.NoError(t, err)
	for range 2 {
		after := (<-ended).Sub(second)
		assert.Greater(t, after, -50*time.Millisecond)
		assert.Less(t, after, time.Second)
	}
}

func TestExpiredCertificateCutsNothing(t *testing.T) {
	t.Parallel()
	var clock clock
	c := newCrowd(t, func(r *rig) { r.now = clock.now })
	issued, err := c.agentCA.IssueClient(identity.AgentURI(trustDomain, c.agent.ID), 10*time.Minute, time.Now())
	require.NoError(t, err)
	require.NoError(t, c.registry.AddCertificate(t.Context(), identity.Certificate{Serial: issued.Serial, Agent: c.agent.ID, NotAfter: issued.NotAfter}))
	c.agent.certificate = issued.TLS
	client := c.client(c.agent, true)
	response, err := client.Get("https://api.test/stream")
	require.NoError(t, err)
	defer response.Body.Close()
	clock.advance(11 * time.Minute)
	conn, err := tls.Dial("tcp", c.address, c.tlsConfig(c.agent))
	require.NoError(t, err)
	_, err = conn.Read(make([]byte, 1)) // in TLS 1.3 the client learns of it after its own handshake
	_ = conn.Close()
	require.ErrorContains(t, err, "expired", "it opens no new connection")
	second, err := client.Get("https://api.test/stream") // on the tunnel that is open
	require.NoError(t, err)
	_ = second.Body.Close()
	c.last.Store(0)
	_, err = io.ReadFull(response.Body, make([]byte, 64))
	require.NoError(t, err)
}

func TestReloadCuts(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	ended := c.streams()
	start := time.Now()
	c.configure("policy: operator\nrules:\n  - {name: sockets-only, allow: {host: api.test, methods: [WEBSOCKET]}, credential: key}\n")
	c.proxy.Recheck()
	for range 2 {
		assert.Less(t, (<-ended).Sub(start), time.Second)
	}
	for _, row := range c.rows() {
		assert.Equal(t, audit.OutcomeRevoked, row.Outcome.Outcome)
		assert.Equal(t, "policy", row.Outcome.Refusal)
	}
}

// An exchange that waits for its row while the agent is suspended does not go out.
func TestSuspensionWhileTheIntentWaits(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	client := c.client(c.agent, true)
	release := c.lock()
	var asked sync.WaitGroup
	assert.Eventually(t, func() bool {
		asked.Go(func() {
			response, err := client.Get("https://api.test/stream")
			if err == nil {
				_ = response.Body.Close()
			}
		})
		return c.trail.Stats().Queue > 0
	}, within, 20*time.Millisecond, "an intent waits behind another")
	_, err := c.registry.Suspend(context.WithoutCancel(t.Context()), c.agent.ID, "test")
	release()
	require.NoError(t, err)
	asked.Wait()
	assert.Zero(t, c.served.Load())
	for _, row := range c.rows() {
		assert.Equal(t, "suspended", row.Outcome.Refusal)
	}
}
