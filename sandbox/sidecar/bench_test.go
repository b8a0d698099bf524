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

	"github.com/stretchr/testify/require"
)

// BenchmarkConnect is what a new tunnel costs: one loopback connection, one
// resumed mutual TLS handshake, one head each way. Both ends run here.
func BenchmarkConnect(b *testing.B) {
	w := start(b, echo)
	b.ReportAllocs()
	for b.Loop() {
		c, br := w.open(b)
		require.NoError(b, c.CloseWrite())
		_, err := io.Copy(io.Discard, br)
		require.NoError(b, err)
		c.Close()
	}
}

// BenchmarkRoundTrip is what one small request and answer cost in an open tunnel.
func BenchmarkRoundTrip(b *testing.B) {
	w := start(b, echo)
	c, br := w.open(b)
	defer c.Close()
	message := make([]byte, 512)
	b.ReportAllocs()
	for b.Loop() {
		_, err := c.Write(message)
		require.NoError(b, err)
		_, err = io.ReadFull(br, message)
		require.NoError(b, err)
	}
}

// BenchmarkDownload is bulk from the proxy to the client.
func BenchmarkDownload(b *testing.B) {
	const size = 64 << 20
	w := start(b, func(_ *http.Request, c *tls.Conn, _ *bufio.Reader) {
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\n\r\n")
		block := make([]byte, 64<<10)
		for range size / len(block) {
			if _, err := c.Write(block); err != nil {
				return
			}
		}
		_ = c.CloseWrite()
	})
	b.SetBytes(size)
	for b.Loop() {
		c, br := w.open(b)
		n, err := io.Copy(io.Discard, br)
		require.NoError(b, err)
		require.EqualValues(b, size, n)
		c.Close()
	}
}

func (w *world) open(tb testing.TB) (*net.TCPConn, *bufio.Reader) {
	tb.Helper()
	c, err := new(net.Dialer).DialContext(tb.Context(), "tcp", w.address)
	require.NoError(tb, err)
	require.NoError(tb, c.SetDeadline(time.Now().Add(time.Minute)))
	_, err = fmt.Fprintf(c, "CONNECT example.com:443 HTTP/1.1\r\nProxy-Authorization: %s\r\n\r\n", authorization(w.password))
	require.NoError(tb, err)
	br := bufio.NewReader(c)
	resp, err := http.ReadResponse(br, &http.Request{Method: http.MethodConnect})
	require.NoError(tb, err)
	require.Equal(tb, http.StatusOK, resp.StatusCode)
	return c.(*net.TCPConn), br
}
