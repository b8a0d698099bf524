package sidecar_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/sandbox/sidecar"
)

// A cut below TLS looks like an end to crypto/tls when it falls between two
// records; the client must see it as an error all the same.
func TestCutReachesTheClientAsAnError(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *http.Request, c *tls.Conn, _ *bufio.Reader) {
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\n\r\nhalf of the ans")
		_ = c.NetConn().Close() // no close_notify
	})
	_, br := w.connect(t, "GET http://a.example/ HTTP/1.1\r\n\r\n")
	_, err := io.ReadAll(br)
	require.Error(t, err)
	assert.Contains(t, err.Error(), "reset")
}

func TestCutByTheClientReachesTheProxy(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	w := start(t, func(_ *http.Request, c *tls.Conn, br *bufio.Reader) {
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\n\r\n")
		_, _ = io.Copy(io.Discard, br)
		close(ended)
	})
	c, _ := w.tunnel(t)
	require.NoError(t, c.SetLinger(0))
	require.NoError(t, c.Close())
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the proxy never heard of it")
	}
}

func TestProxyEndsFirst(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	w := start(t, func(_ *http.Request, c *tls.Conn, br *bufio.Reader) {
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\n\r\nbye")
		_ = c.CloseWrite()
		rest, _ := io.ReadAll(br)
		got <- string(rest)
	})
	c, br := w.tunnel(t)
	answer, err := io.ReadAll(br)
	require.NoError(t, err)
	assert.Equal(t, "bye", string(answer))
	_, err = io.WriteString(c, "still talking")
	require.NoError(t, err)
	require.NoError(t, c.CloseWrite())
	assert.Equal(t, "still talking", <-got)
}

// A client that uploads while the proxy refuses and hangs up still reads the refusal.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *http.Request, c *tls.Conn, br *bufio.Reader) {
		fmt.Fprint(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		_ = c.CloseWrite()
		_, _ = io.CopyN(io.Discard, br, 1<<16)
	})
	_, br := w.connect(t, "POST http://a.example/ HTTP/1.1\r\nContent-Length: 1000000\r\n\r\nsome")
	resp, err := http.ReadResponse(br, nil)
	require.NoError(t, err)
	assert.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
	_ = resp.Body.Close()
}

func TestStop(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	w := &world{ca: ca, agent: ca.issue(t, nil, agentURI)}
	w.upstream = serveUpstream(t, ca.serverConfig(ca.issue(t, nil, proxyURI)), echo)
	w.run(t, sidecar.Config{Proxy: w.upstream.address, Grace: time.Minute})
	c, br := w.tunnel(t)
	w.stop()
	require.Eventually(t, func() bool {
		late, err := new(net.Dialer).DialContext(t.Context(), "tcp", w.address)
		if err == nil {
			late.Close()
		}
		return err != nil
	}, 10*time.Second, time.Millisecond, "the listener closes at once")
	_, err := io.WriteString(c, "x")
	require.NoError(t, err)
	b, err := br.ReadByte()
	require.NoError(t, err, "an open tunnel goes on")
	assert.Equal(t, byte('x'), b)
	require.NoError(t, c.CloseWrite())
	require.NoError(t, <-w.stopped, "and Serve returns when it has ended, long before the grace is over")
}

func TestStopCutsAfterTheGrace(t *testing.T) {
	t.Parallel()
	w := start(t, echo) // grace 0
	_, br := w.tunnel(t)
	w.stop()
	require.NoError(t, <-w.stopped)
	_, err := br.ReadByte()
	require.Error(t, err)
}
