package sidecar_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/sandbox/sidecar"
)

func authorization(password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte("agent:"+password))
}

func TestConnectBecomesAPipe(t *testing.T) {
	t.Parallel()
	w := start(t, echo)
	// The first bytes for inside the tunnel come in the same packet as the head.
	c, br := w.connect(t, "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nUser-Agent: x/1\r\n\r\nglued ")
	require.Equal(t, http.StatusOK, status(t, br))
	_, err := io.WriteString(c, "and later")
	require.NoError(t, err)
	require.NoError(t, c.CloseWrite(), "half-close")
	got, err := io.ReadAll(br)
	require.NoError(t, err, "the end is orderly")
	assert.Equal(t, "glued and later", string(got))

	r := w.upstream.seen()[0]
	assert.Equal(t, "example.com:443", r.RequestURI)
	assert.Equal(t, http.Header{"User-Agent": {"x/1"}}, r.Header, "nothing added, the password removed")
}

func TestLargeStreamsPassUnchanged(t *testing.T) {
	t.Parallel()
	w := start(t, echo)
	c, br := w.tunnel(t)
	sent := strings.Repeat("0123456789abcdef", 1<<16)
	go func() {
		_, _ = io.WriteString(c, sent)
		_ = c.CloseWrite()
	}()
	got, err := io.ReadAll(br)
	require.NoError(t, err)
	assert.True(t, sent == string(got), "1 MiB there and back")
}

func TestPassword(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string]string{
		"missing":      "",
		"wrong":        "Proxy-Authorization: " + authorization("wrong") + "\r\n",
		"prefix":       "Proxy-Authorization: " + authorization("correc") + "\r\n",
		"empty":        "Proxy-Authorization: \r\n",
		"other scheme": "Proxy-Authorization: Bearer correct\r\n",
		"other user":   "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("root:correct")) + "\r\n",
		"not base64":   "Proxy-Authorization: Basic agent:correct\r\n",
		"other field":  "Authorization: " + authorization("correct") + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, echo)
			w.password = ""
			for _, head := range []string{"CONNECT a.example:443", "GET http://a.example/"} {
				_, br := w.connect(t, head+" HTTP/1.1\r\nHost: a.example\r\n"+fields+"\r\n")
				resp, body := problem(t, br)
				assert.Equal(t, http.StatusProxyAuthRequired, resp.StatusCode)
				assert.Equal(t, `Basic realm="sallyport sidecar"`, resp.Header.Get("Proxy-Authenticate"))
				assert.Contains(t, body, "urn:sallyport:sidecar:password")
				assert.NotContains(t, body, "correct")
			}
			assert.Empty(t, w.upstream.seen(), "nothing reaches the proxy")
		})
	}
}

func TestPasswordMayFollowOnTheSameConnection(t *testing.T) {
	t.Parallel()
	w := start(t, echo)
	password := w.password
	w.password = ""
	c, br := w.connect(t, "CONNECT a.example:443 HTTP/1.1\r\n\r\n")
	resp, _ := problem(t, br)
	require.Equal(t, http.StatusProxyAuthRequired, resp.StatusCode)
	require.False(t, resp.Close)
	_, err := fmt.Fprintf(c, "CONNECT a.example:443 HTTP/1.1\r\nproxy-authorization: %s\r\n\r\n", authorization(password))
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, status(t, br))
	assert.Empty(t, w.upstream.seen()[0].Header.Get("Proxy-Authorization"))
}

func TestNoPassword(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	w := &world{ca: ca, agent: ca.issue(t, nil, agentURI)}
	w.upstream = serveUpstream(t, ca.serverConfig(ca.issue(t, nil, proxyURI)), echo)
	w.run(t, sidecar.Config{Proxy: w.upstream.address})
	w.tunnel(t)
	w.connect(t, "CONNECT a.example:443 HTTP/1.1\r\nProxy-Authorization: Basic x\r\n\r\n")
	require.Eventually(t, func() bool { return len(w.upstream.seen()) == 2 }, 10*time.Second, time.Millisecond)
	assert.Empty(t, w.upstream.seen()[1].Header, "removed even when nobody asked for it")
}

func TestHTTPSWithoutATunnelIsPassedOnAsItIs(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *http.Request, c *tls.Conn, _ *bufio.Reader) {
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
		_ = c.CloseWrite()
	})
	_, br := w.connect(t, "GET https://a.example/a%2Fb HTTP/1.1\r\nHost: a.example\r\n\r\n")
	resp, _ := problem(t, br)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Equal(t, "https://a.example/a%2Fb", w.upstream.seen()[0].RequestURI)
}

func TestPlainRequest(t *testing.T) {
	t.Parallel()
	w := start(t, func(r *http.Request, c *tls.Conn, _ *bufio.Reader) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n%s %v", body, r.Trailer)
		_ = c.CloseWrite()
	})
	_, br := w.connect(t, "POST http://a.example/a%2Fb?q=;%zz HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive, TE\r\n"+
		"Proxy-Connection: keep-alive\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"+
		"4\r\nbody\r\n0\r\nX-T: 1\r\n\r\n")
	resp, body := problem(t, br)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Equal(t, "body map[X-T:[1]]", body)

	r := w.upstream.seen()[0]
	assert.Equal(t, "http://a.example/a%2Fb?q=;%zz", r.RequestURI, "byte for byte")
	assert.Equal(t, []string{"close, TE"}, r.Header["Connection"])
	assert.Empty(t, r.Header["Proxy-Authorization"])
	assert.Empty(t, r.Header["Proxy-Connection"])
}

func TestRefusalOfTheProxyReachesTheClient(t *testing.T) {
	t.Parallel()
	const answer = "HTTP/1.1 403 Forbidden\r\nContent-Type: application/problem+json\r\nContent-Length: 15\r\n" +
		"Proxy-Status: sallyport; error=http_request_denied\r\nConnection: close\r\n\r\n{\"status\": 403}"
	w := start(t, func(_ *http.Request, c *tls.Conn, _ *bufio.Reader) { fmt.Fprint(c, answer); _ = c.CloseWrite() })
	_, br := w.connect(t, "CONNECT a.example:443 HTTP/1.1\r\n\r\n")
	got, err := io.ReadAll(br)
	require.NoError(t, err)
	assert.Equal(t, answer, string(got))
}

func TestProxyDownThenUp(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	w := &world{ca: ca, agent: ca.issue(t, nil, agentURI)}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	w.run(t, sidecar.Config{Proxy: address})

	for _, head := range []string{"CONNECT a.example:443", "HEAD http://a.example/"} {
		_, br := w.connect(t, head+" HTTP/1.1\r\n\r\n")
		method, _, _ := strings.Cut(head, " ")
		resp, err := http.ReadResponse(br, &http.Request{Method: strings.ReplaceAll(method, "CONNECT", "GET")})
		require.NoError(t, err)
		assert.Equal(t, http.StatusBadGateway, resp.StatusCode)
		assert.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
		assert.Contains(t, resp.Header.Get("Proxy-Status"), "destination_unavailable")
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		if method == http.MethodConnect {
			assert.Contains(t, string(body), "connection refused")
			assert.Contains(t, string(body), address)
		}
	}

	l, err = new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	require.NoError(t, err)
	serveUpstreamOn(t, l, ca.serverConfig(ca.issue(t, nil, proxyURI)), echo)
	w.tunnel(t)
}

func TestTicketsAreUsed(t *testing.T) {
	t.Parallel()
	w := start(t, echo)
	for range 2 {
		c, br := w.tunnel(t)
		require.NoError(t, c.CloseWrite())
		_, err := io.Copy(io.Discard, br)
		require.NoError(t, err)
	}
	w.upstream.mu.Lock()
	defer w.upstream.mu.Unlock()
	assert.Equal(t, []bool{false, true}, w.upstream.resumed)
}

func TestNewRefusesWhatItCannotServe(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	agent := ca.issue(t, nil, agentURI)
	identity, err := sidecar.ParseIdentity(agent.cert, agent.key, ca.pem)
	require.NoError(t, err)
	assert.Equal(t, agentURI, identity.String())
	for _, proxy := range []string{"", "host", ":8443", "host:0", "host:http", "host:65536", "https://host:1"} {
		_, err := sidecar.New(sidecar.Config{Proxy: proxy, Identity: identity, Log: slog.New(slog.DiscardHandler)})
		assert.ErrorContains(t, err, "proxy", proxy)
	}
	_, err = sidecar.New(sidecar.Config{Proxy: "host:1"})
	require.Error(t, err)
}
