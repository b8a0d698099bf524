package sidecar_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/sandbox/sidecar"
)

func TestHeadsThatAreRefused(t *testing.T) {
	t.Parallel()
	const ok = "CONNECT a.example:443 HTTP/1.1\r\n"
	w := start(t, echo)
	password := authorization(w.password)
	w.password = ""
	for name, test := range map[string]struct {
		head   string
		status int
		detail string
	}{
		"TLS":                 {"\x16\x03\x01\x02\x00\x01", 400, "not the start of an HTTP request"},
		"SOCKS 4":             {"\x04\x01\x01\xbb", 400, "not the start of an HTTP request"},
		"HTTP/2":              {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "not HTTP/1.1"},
		"HTTP/0.9":            {"GET http://a.example/\r\n\r\n", 505, "not HTTP/1.1"},
		"origin form":         {"GET / HTTP/1.1\r\n\r\n", 400, "not absolute"},
		"ftp":                 {"GET ftp://a.example/ HTTP/1.1\r\n\r\n", 400, "needs a tunnel"},
		"asterisk":            {"OPTIONS * HTTP/1.1\r\n\r\n", 400, "not absolute"},
		"space in target":     {"GET http://a.example/a b HTTP/1.1\r\n\r\n", 505, "not HTTP/1.1"},
		"two spaces":          {"GET  http://a.example/ HTTP/1.1\r\n\r\n", 400, "request line"},
		"tab in target":       {"GET http://a.example/\t HTTP/1.1\r\n\r\n", 400, "request line"},
		"bare CR in target":   {"GET http://a.example/\rX HTTP/1.1\r\n\r\n", 400, "request line"},
		"method":              {"CONN@CT a.example:443 HTTP/1.1\r\n\r\n", 400, "request line"},
		"folded":              {ok + "X: 1\r\n Proxy-Authorization: x\r\n\r\n", 400, "folded"},
		"space before colon":  {ok + "Proxy-Authorization : x\r\n\r\n", 400, "malformed or folded"},
		"no colon":            {ok + "X\r\n\r\n", 400, "malformed or folded"},
		"bare CR in value":    {ok + "X: a\rProxy-Authorization: x\r\n\r\n", 400, "control character"},
		"NUL":                 {ok + "X: \x00\r\n\r\n", 400, "control character"},
		"two passwords":       {ok + "Proxy-Authorization: " + password + "\r\nProxy-Authorization: x\r\n\r\n", 400, "two Proxy-Authorization"},
		"more than 64 KiB":    {ok + "X: " + strings.Repeat("x", 64<<10), 431, "longer than 64 KiB"},
		"lower-case connect":  {"connect a.example:443 HTTP/1.1\r\n\r\n", 400, "not absolute"},
		"password comes late": {ok + "\r\nProxy-Authorization: " + password + "\r\n\r\n", 407, "missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, br := w.connect(t, test.head)
			resp, body := problem(t, br)
			assert.Equal(t, test.status, resp.StatusCode)
			assert.Contains(t, body, test.detail)
			assert.Contains(t, resp.Header.Get("Proxy-Status"), "sallyport-sidecar; error=")
		})
	}
	t.Cleanup(func() { assert.Empty(t, w.upstream.seen()) })
}

func TestHeadsThatPass(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"lone LF":              "CONNECT a.example:443 HTTP/1.1\nHost: a.example:443\n\n",
		"empty lines before":   "\r\n\r\nCONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
		"HTTP/1.0":             "CONNECT a.example:443 HTTP/1.0\r\n\r\n",
		"no header":            "CONNECT a.example:443 HTTP/1.1\r\n\r\n",
		"just under 64 KiB":    "CONNECT a.example:443 HTTP/1.1\r\nX: " + strings.Repeat("x", 64<<10-100) + "\r\n\r\n",
		"upper-case authority": "CONNECT A.EXAMPLE:443 HTTP/1.1\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, echo)
			password := authorization(w.password)
			w.password = ""
			end := "\r\n\r\n"
			if !strings.HasSuffix(head, end) {
				end = "\n\n"
			}
			head := strings.TrimSuffix(head, end) + end[len(end)/2:] + "Proxy-Authorization: " + password + end
			_, br := w.connect(t, head)
			require.Equal(t, http.StatusOK, status(t, br))
			assert.True(t, strings.EqualFold("a.example:443", w.upstream.seen()[0].RequestURI))
		})
	}
}

// pipes is a listener that hands out one end of a net.Pipe.
type pipes struct{ conns chan net.Conn }

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error   { close(p.conns); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

type closer struct{ net.Conn }

func (c closer) CloseWrite() error { return c.Close() }

func TestSlowHeadEndsAfterTenSeconds(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	agent := ca.issue(t, nil, agentURI)
	synctest.Test(t, func(t *testing.T) {
		identity, err := sidecar.ParseIdentity(agent.cert, agent.key, ca.pem)
		require.NoError(t, err)
		s, err := sidecar.New(sidecar.Config{Proxy: "127.0.0.1:1", Identity: identity, Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		l := pipes{make(chan net.Conn)}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { assert.NoError(t, s.Serve(ctx, l)) })

		client, server := net.Pipe()
		l.conns <- closer{server}
		_, err = io.WriteString(client, "CONNECT a.example:443 HT")
		require.NoError(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(client), nil)
		require.NoError(t, err)
		assert.Equal(t, http.StatusRequestTimeout, resp.StatusCode)
		_ = resp.Body.Close()
		_ = client.Close()
		cancel()
		running.Wait()
	})
}
