package http1_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sallyport/internal/fieldname"
	"sallyport/internal/http1"
)

const within = 10 * time.Second

// rig is a transport whose connections all lead to one address.
type rig struct {
	*http1.Transport
	dialled atomic.Int64
}

func newRig(t *testing.T, address string, change func(*http1.Config)) *rig {
	r := &rig{}
	c := http1.Config{
		Dial: func(ctx context.Context, _ *url.URL) (net.Conn, error) {
			r.dialled.Add(1)
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		},
		Secure: func(ctx context.Context, raw net.Conn, u *url.URL) (net.Conn, error) {
			conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, ServerName: u.Hostname()})
			return conn, conn.HandshakeContext(ctx)
		},
		MaxIdle: 8, MaxIdlePerHost: 4, IdleTimeout: time.Minute, ContinueTimeout: time.Second, MaxHeaderBytes: 64 << 10,
	}
	if change != nil {
		change(&c)
	}
	r.Transport = http1.New(c)
	t.Cleanup(r.CloseIdle)
	return r
}

// watcher keeps what it is told.
type watcher struct {
	hints  []int
	header textproto.MIMEHeader
	first  bool
	refuse error

	write, written fieldname.Names
}

func (w *watcher) Names() fieldname.Names          { return w.write }
func (w *watcher) Named(names fieldname.Names)     { w.written = names }
func (w *watcher) Connected(string, time.Duration) {}
func (w *watcher) FirstByte()                      { w.first = true }
func (w *watcher) Informational(code int, h textproto.MIMEHeader) error {
	w.hints, w.header = append(w.hints, code), h
	return w.refuse
}

func request(t testing.TB, method, target string, body io.Reader) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), method, target, body)
	require.NoError(t, err)
	r.Header["User-Agent"] = nil
	return r
}

// get sends a GET and reads its answer.
func (r *rig) get(t testing.TB, target string) (status int, body string, err error) {
	response, err := r.RoundTrip(request(t, http.MethodGet, target, nil), &watcher{})
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// serve runs an HTTP server, with TLS if secured, and returns its URL.
func serve(t *testing.T, secured bool, handler http.HandlerFunc) (address, base string) {
	s := httptest.NewUnstartedServer(handler)
	if secured {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), s.URL
}

// script serves raw connections one after the other; each is closed when its
// function returns.
func script(t *testing.T, conns ...func(net.Conn, *bufio.Reader)) (address string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var group sync.WaitGroup
	t.Cleanup(func() { _ = ln.Close(); group.Wait() })
	group.Go(func() {
		for _, do := range conns {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(within))
				do(conn, bufio.NewReader(conn))
			})
		}
	})
	return ln.Addr().String()
}

// answer reads a request whole and writes raw as its answer.
func answer(raw string) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, from *bufio.Reader) {
		r, err := http.ReadRequest(from)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(c, raw)
	}
}

// untilClosed waits until the other side has closed.
func untilClosed(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func lines(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
