package http1_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/http1"
)

// canned is a connection that has its answers ready; whatever is asked.
type canned struct {
	net.Conn // nil: nothing else is called
	from     *bytes.Reader
}

func (c *canned) Read(p []byte) (int, error)  { return c.from.Read(p) }
func (c *canned) Write(p []byte) (int, error) { return len(p), nil }
func (c *canned) Close() error                { return nil }
func (c *canned) RemoteAddr() net.Addr        { return nil }

// Whatever an upstream sends: what is taken for a whole answer is what net/http
// reads there, and no byte behind it becomes part of another answer.
func FuzzAnswer(f *testing.F) {
	for _, raw := range answers {
		if len(raw) < 1000 {
			f.Add([]byte(lines(raw)), true)
		}
	}
	f.Add([]byte(hello+hello), true)
	f.Add([]byte(lines(answers["204 with length"])), false)
	f.Fuzz(func(t *testing.T, raw []byte, get bool) {
		method := http.MethodGet
		if !get {
			method = http.MethodHead
		}
		var conns []*canned
		transport := http1.New(http1.Config{
			Dial: func(context.Context, *url.URL) (net.Conn, error) {
				conns = append(conns, &canned{from: bytes.NewReader(raw)})
				return conns[len(conns)-1], nil
			},
			MaxIdle: 1, MaxIdlePerHost: 1, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
		})
		defer transport.CloseIdle()
		w := &watcher{}
		ours := read(transport.RoundTrip(request(t, method, "http://a.test/", nil), w))
		from := bufio.NewReader(bytes.NewReader(raw))
		var theirs reading
		for range len(w.hints) + 1 {
			theirs = read(http.ReadResponse(from, request(t, method, "http://a.test/", nil)))
		}
		if ours.Failed || ours.Status == http.StatusSwitchingProtocols {
			return
		}
		require.Equal(t, theirs, ours)
		rest, err := io.ReadAll(from)
		require.NoError(t, err)
		_, _ = transport.RoundTrip(request(t, method, "http://a.test/", nil), &watcher{})
		if len(rest) > 0 {
			assert.Len(t, conns, 2, "the connection was used again although %q was left on it", rest)
		}
	})
}

// Whatever a request holds: what is sent is one request, and that one.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/a?b=c", "a.test", "X-A", "1", "body", int64(4))
	f.Add("POST", "/a%20b", "a.test:8443", "X-A", "1\r\nX-B: 2", "0\r\n\r\nGET / HTTP/1.1\r\n", int64(-1))
	f.Add("GET / HTTP/1.1\r\n", "/ HTTP/1.1\r\n", "a\r\n", "X\r\n", "", "", int64(0))
	f.Add("PUT", "/"+strings.Repeat("x", 60<<10), "a.test", "X-A", "1", "body", int64(4))
	f.Fuzz(func(t *testing.T, method, target, host, name, value, body string, length int64) {
		ours, theirs := net.Pipe()
		transport := http1.New(http1.Config{
			Dial:    func(context.Context, *url.URL) (net.Conn, error) { return ours, nil },
			MaxIdle: 1, MaxIdlePerHost: 1, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
		})
		r := &http.Request{
			Method: method, URL: &url.URL{Scheme: "http", Host: "a.test", Opaque: target}, Host: host,
			Header: http.Header{name: {value}},
		}
		if length != 0 {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
			if length < 0 {
				r.ContentLength = -1
			}
		}
		served := make(chan struct{})
		go func() {
			defer close(served)
			defer theirs.Close()
			from := bufio.NewReader(theirs)
			got, err := http.ReadRequest(from)
			if err != nil {
				return // nothing was sent, or a server refuses it
			}
			assert.Equal(t, method, got.Method)
			assert.True(t, got.RequestURI == target || got.RequestURI == "http:"+target, got.RequestURI)
			for field := range got.Header {
				assert.Contains(t, []string{http.CanonicalHeaderKey(name), "Content-Length"}, field)
			}
			text, err := io.ReadAll(got.Body)
			assert.NoError(t, err)
			if length != 0 {
				assert.Equal(t, body, string(text))
			}
			_, _ = io.WriteString(theirs, hello)
			_, err = from.ReadByte()
			assert.ErrorIs(t, err, io.EOF, "nothing comes after it")
		}()
		if response, err := transport.RoundTrip(r, &watcher{}); err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
		transport.CloseIdle()
		_ = ours.Close()
		<-served
	})
}
