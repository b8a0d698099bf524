package wire_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/proxy/wire"
)

func TestAServerNeedsAllOfItsConfig(t *testing.T) {
	t.Parallel()
	_, err := wire.New(wire.Config{})
	require.Error(t, err)
}

// whence answers with where a request came from.
func whence(w http.ResponseWriter, r *http.Request) {
	s := wire.SessionOf(r)
	_ = s.Framing(r)
	where := "listener"
	if s.Tunnel != nil {
		where = s.Tunnel.Authority.String()
	}
	_, _ = io.WriteString(w, r.Proto+" "+where+" "+s.Client)
}

func TestARequestComesWithItsSession(t *testing.T) {
	t.Parallel()
	r := newRig(t, &house{handler: whence})
	plain := r.dial()
	_, text := ask(t, plain, "GET http://example.test/ HTTP/1.1\r\nHost: example.test\r\n\r\n")
	assert.Equal(t, "HTTP/1.1 listener "+plain.LocalAddr().String(), text)

	_, text = ask(t, r.connect("example.test", "http/1.1"), "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n")
	assert.Contains(t, text, "HTTP/1.1 example.test:443 127.0.0.1:")

	client := &http.Transport{ForceAttemptHTTP2: true, DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
		conn := r.connect("example.test", "h2").(*tls.Conn)
		return conn, conn.Handshake()
	}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.test/", http.NoBody)
	require.NoError(t, err)
	response, err := client.RoundTrip(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Contains(t, string(body), "HTTP/2.0 example.test:443 127.0.0.1:")
}

func TestARequestFromElsewhereHasNoSession(t *testing.T) {
	t.Parallel()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	require.NoError(t, err)
	assert.Nil(t, wire.SessionOf(request))
}

func TestNobodyIsHeardWhomTheGateRefuses(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]*house{"in the handshake": {verify: errNo}, "after it": {enter: errNo}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h.handler = func(http.ResponseWriter, *http.Request) { t.Error("it was heard") }
			r := newRig(t, h)
			conn := r.dial() // in TLS 1.3 a client is done before its certificate is judged
			_, _ = io.WriteString(conn, "GET http://example.test/ HTTP/1.1\r\nHost: example.test\r\n\r\n")
			said, _ := io.ReadAll(conn) // until it is closed, in whatever way
			assert.Empty(t, said)
			h.eventually(t, func() bool { return h.refused == 1 })
			assert.Zero(t, h.left, "who never entered does not leave")
		})
	}
}

func TestClearTextIsAnswered(t *testing.T) {
	t.Parallel()
	h := &house{}
	r := newRig(t, h)
	conn, err := net.Dial("tcp", r.address)
	require.NoError(t, err)
	defer conn.Close()
	response, text := ask(t, conn, "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n")
	assert.Equal(t, http.StatusBadRequest, response.StatusCode)
	assert.Contains(t, text, "speaks TLS")
	h.eventually(t, func() bool { return h.refused == 1 })
}

func TestWhoEnteredLeavesOnce(t *testing.T) {
	t.Parallel()
	h := &house{handler: whence}
	r := newRig(t, h)
	conn := r.dial()
	_, _ = ask(t, conn, "GET http://example.test/ HTTP/1.1\r\nHost: example.test\r\n\r\n")
	require.NoError(t, conn.Close())
	h.eventually(t, func() bool { return h.left == 1 })
	r.stop()
	assert.Equal(t, 1, h.entered)
	assert.Equal(t, 1, h.left)
}

func TestEaseWaitsForWhoIsConnected(t *testing.T) {
	t.Parallel()
	h := &house{handler: whence}
	r := newRig(t, h)
	conn := r.dial()
	_, _ = ask(t, conn, "GET http://example.test/ HTTP/1.1\r\nHost: example.test\r\n\r\n")
	assert.False(t, r.server.Easing())
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r.server.Ease(short)
	require.Error(t, short.Err(), "it waited as long as it may")
	assert.True(t, r.server.Easing())
	_, err := net.Dial("tcp", r.address)
	require.Error(t, err, "nobody else is let in")
	_, text := ask(t, conn, "GET http://example.test/ HTTP/1.1\r\nHost: example.test\r\n\r\n")
	assert.Contains(t, text, "listener", "who has connected is still served")
}

func TestEaseEndsWithTheLastConnection(t *testing.T) {
	t.Parallel()
	h := &house{handler: whence}
	r := newRig(t, h)
	conn := r.dial()
	_, _ = ask(t, conn, "GET http://example.test/ HTTP/1.1\r\nHost: example.test\r\n\r\n")
	eased := make(chan struct{})
	go func() {
		defer close(eased)
		r.server.Ease(context.WithoutCancel(t.Context()))
	}()
	require.NoError(t, conn.Close())
	select {
	case <-eased:
	case <-time.After(within):
		t.Fatal("it waits for nobody")
	}
}

func TestAServerServesOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, &house{})
	r.dial() // it serves
	at, listens := r.server.Address()
	assert.True(t, listens)
	assert.Equal(t, r.address, at.String())
	require.Error(t, r.server.Serve(listen(t), nil), "twice")
	r.stop()
	ln := listen(t)
	require.NoError(t, r.server.Serve(ln, nil), "after Drain")
	_, err := net.Dial("tcp", ln.Addr().String())
	require.Error(t, err, "the listener is closed")
	again, err := r.server.Drain(t.Context())
	require.NoError(t, err)
	assert.False(t, again)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}
