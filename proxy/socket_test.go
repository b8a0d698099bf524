package proxy_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// sockets is an upstream that takes WebSockets and hands each to a function.
func (r *rig) sockets(serve func(ctx context.Context, conn *websocket.Conn)) {
	r.upstream(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/refused" {
			http.Error(w, "no sockets here", http.StatusForbidden)
			return
		}
		conn, err := websocket.Accept(w, req, nil)
		if !assert.NoError(r.t, err) {
			return
		}
		conn.SetReadLimit(-1)
		defer conn.CloseNow()
		serve(req.Context(), conn)
	}, true, "api.test")
}

func echo(ctx context.Context, conn *websocket.Conn) {
	for {
		kind, message, err := conn.Read(ctx)
		if err != nil {
			return
		}
		if conn.Write(ctx, kind, message) != nil {
			return
		}
	}
}

func (r *rig) socket(client *http.Client) *websocket.Conn {
	conn, _, err := websocket.Dial(r.t.Context(), "wss://api.test/socket", &websocket.DialOptions{HTTPClient: client})
	require.NoError(r.t, err)
	conn.SetReadLimit(-1)
	r.t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

// A browser can put a key nowhere else, so that one is where placeholders stand too.
func TestKeysInSubprotocolsStayHere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var upstream recorder
	r.upstream(func(w http.ResponseWriter, req *http.Request) {
		upstream.serve(w, req)
		conn, err := websocket.Accept(w, req, &websocket.AcceptOptions{Subprotocols: []string{"realtime"}})
		if assert.NoError(t, err) {
			_ = conn.CloseNow()
		}
	}, true, "api.test")
	conn, response, err := websocket.Dial(t.Context(), "wss://api.test/socket", &websocket.DialOptions{
		HTTPClient: r.client(r.agent("a"), false), Subprotocols: []string{"openai-insecure-api-key.own", "realtime", "base64url.bearer.authorization.k8s.io.own"},
	})
	require.NoError(t, err)
	defer func() { _ = conn.CloseNow() }()
	assert.Equal(t, "realtime", response.Header.Get("Sec-Websocket-Protocol"))
	assert.Equal(t, []string{"realtime"}, upstream.request().Header["Sec-Websocket-Protocol"])
	assert.Equal(t, "Bearer "+canary, upstream.request().Header.Get("Authorization"))
}

func TestBigFramesBothWays(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sockets(echo)
	conn := r.socket(r.client(r.agent("a"), false))
	message := bytes.Repeat([]byte("0123456789abcdef"), 256<<10)
	for range 2 {
		require.NoError(t, conn.Write(t.Context(), websocket.MessageBinary, message))
		_, got, err := conn.Read(t.Context())
		require.NoError(t, err)
		require.True(t, bytes.Equal(message, got))
	}
	_ = conn.Close(websocket.StatusNormalClosure, "") // its own TLS may be closed first
	row := r.rows()[0]
	assert.Equal(t, audit.OutcomeCompleted, row.Outcome.Outcome)
	assert.Greater(t, row.Outcome.BytesSent, int64(len(message)))
	assert.Greater(t, row.Outcome.BytesReceived, int64(len(message)))
}

func TestSocketsAreCut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cut     func(r *rig, a agent)
		outcome string
		refusal string
	}{
		"suspended": {func(r *rig, a agent) {
			_, err := r.registry.Suspend(context.Background(), a.ID, "test")
			assert.NoError(t, err)
			r.proxy.Cut(a.ID)
		}, audit.OutcomeRevoked, "suspended"},
		"reloaded": {func(r *rig, _ agent) {
			r.configure("policy: operator\nrules:\n  - {name: little, allow: {host: little.test}}\n")
			r.proxy.Recheck()
		}, audit.OutcomeRevoked, "policy"},
		"stopping": {func(r *rig, _ agent) { r.shutdown() }, audit.OutcomeInterrupted, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			left := make(chan time.Time, 1)
			r.sockets(func(ctx context.Context, conn *websocket.Conn) {
				echo(ctx, conn)
				left <- time.Now()
			})
			a := r.agent("a")
			conn := r.socket(r.client(a, false))
			require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte("hello")))
			_, _, err := conn.Read(t.Context())
			require.NoError(t, err)
			start := time.Now()
			c.cut(r, a)
			_, _, err = conn.Read(t.Context())
			require.Error(t, err)
			assert.Less(t, time.Since(start), time.Second, "the agent's side")
			assert.Less(t, (<-left).Sub(start), time.Second, "the upstream's side")
			row := r.rows()[0]
			assert.Equal(t, c.outcome, row.Outcome.Outcome)
			assert.Equal(t, c.refusal, row.Outcome.Refusal)
		})
	}
}

// A peer that does not read cannot hold up the cut.
func TestStuckSocketIsCut(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var sent atomic.Int64
	left := make(chan time.Time, 1)
	r.sockets(func(ctx context.Context, conn *websocket.Conn) {
		flood := make([]byte, 1<<20)
		for conn.Write(ctx, websocket.MessageBinary, flood) == nil {
			sent.Add(1)
		}
		left <- time.Now()
	})
	r.socket(r.client(r.agent("a"), false)) // reads nothing
	before := int64(0)
	require.Eventually(t, func() bool { // until the buffers on the way are full
		now := sent.Load()
		defer func() { before = now }()
		return now > 0 && now == before
	}, within, 200*time.Millisecond)
	r.configure("policy: operator\nrules:\n  - {name: little, allow: {host: little.test}}\n")
	start := time.Now()
	r.proxy.Recheck()
	assert.Less(t, (<-left).Sub(start), time.Second)
	assert.Equal(t, audit.OutcomeRevoked, r.rows()[0].Outcome.Outcome)
}

func TestVanishingAgentEndsItsSocket(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	left := make(chan struct{})
	r.sockets(func(ctx context.Context, conn *websocket.Conn) {
		echo(ctx, conn)
		close(left)
	})
	var last net.Conn
	client := r.client(r.agent("a"), false)
	client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		last = conn
		return conn, err
	}
	conn := r.socket(client)
	require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte("hello")))
	_, _, err := conn.Read(t.Context())
	require.NoError(t, err)
	require.NoError(t, last.(*net.TCPConn).SetLinger(0)) // a reset
	require.NoError(t, last.Close())
	select {
	case <-left:
	case <-time.After(within):
		t.Fatal("the upstream's socket stays open")
	}
	assert.Equal(t, audit.OutcomeClientGone, r.rows()[0].Outcome.Outcome)
}

func TestRefusedUpgradeIsAnOrdinaryAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sockets(echo)
	client := r.client(r.agent("a"), false)
	_, response, err := websocket.Dial(t.Context(), "wss://api.test/refused", &websocket.DialOptions{HTTPClient: client})
	require.Error(t, err)
	require.NotNil(t, response)
	assert.Equal(t, http.StatusForbidden, response.StatusCode)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Equal(t, "no sockets here\n", string(text))
	row := r.rows()[0]
	assert.Equal(t, audit.OutcomeCompleted, row.Outcome.Outcome)
	assert.Equal(t, http.StatusForbidden, row.Outcome.Status)
	again, err := client.Get("https://api.test/refused") // on the same connection
	require.NoError(t, err)
	assert.Equal(t, "no sockets here\n", body(t, again))
}

func TestSocketNeedsItsOwnMethod(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) {
		r.policy = "policy: operator\nrules:\n  - {name: reads, allow: {host: api.test, methods: [GET]}, credential: key}\n"
	})
	r.sockets(echo)
	_, response, err := websocket.Dial(t.Context(), "wss://api.test/socket", &websocket.DialOptions{HTTPClient: r.client(r.agent("a"), false)})
	require.Error(t, err)
	require.NotNil(t, response)
	assert.Equal(t, http.StatusForbidden, response.StatusCode)
	assert.Equal(t, "policy", r.rows()[0].Outcome.Refusal)
}

// An upstream that switches protocols although nobody asked gets nowhere.
func TestUnaskedSwitchIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	closed := make(chan error, 1)
	r.upstream(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, err = conn.Read(make([]byte, 1))
		_ = conn.Close()
		closed <- err
	}, false, "api.test")
	response, err := r.client(r.agent("a"), false).Get("https://api.test/x")
	require.NoError(t, err)
	assert.Equal(t, http.StatusBadGateway, response.StatusCode, body(t, response))
	require.Error(t, <-closed, "its connection is closed")
	assert.Equal(t, audit.OutcomeUpstreamFailed, r.rows()[0].Outcome.Outcome)
}
