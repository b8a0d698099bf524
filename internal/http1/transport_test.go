package http1_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/fieldname"
	"sallyport/internal/http1"
)

const hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

func TestConnectionsAreUsedAgain(t *testing.T) {
	for _, secured := range []bool{false, true} {
		address, base := serve(t, secured, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(w, r.Body)
			_, _ = io.WriteString(w, strings.Repeat("x", 10<<10))
		})
		r := newRig(t, address, nil)
		for range 10 {
			_, text, err := r.get(t, base+"/")
			require.NoError(t, err)
			assert.Len(t, text, 10<<10)
		}
		assert.EqualValues(t, 1, r.dialled.Load())
	}
}

// A connection on which anything is amiss is not used again.
func TestConnectionsAreNotUsedAgain(t *testing.T) {
	for name, raw := range map[string]string{
		"closing":              "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
		"old":                  "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"old, kept":            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
		"another answer":       hello + hello,
		"a byte too many":      hello + "\n",
		"204 with a body":      "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
		"another after chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + hello,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := func(c net.Conn, from *bufio.Reader) { answer(raw)(c, from); untilClosed(c) }
			address := script(t, first, answer("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"))
			r := newRig(t, address, nil)
			status, _, err := r.get(t, "http://"+address+"/")
			require.NoError(t, err)
			assert.NotEqual(t, 201, status)
			status, _, err = r.get(t, "http://"+address+"/")
			require.NoError(t, err)
			assert.Equal(t, 201, status, "the answer is the second connection's")
		})
	}
}

// What comes on an idle connection is no answer to the next request, whether it
// is on the socket or already in a TLS record that was read.
func TestUnaskedAnswersAreNotTaken(t *testing.T) {
	for _, secured := range []bool{false, true} {
		for _, late := range []bool{false, true} {
			first := make(chan net.Conn, 1)
			address, base := serve(t, secured, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/2" {
					w.WriteHeader(http.StatusCreated)
					return
				}
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					return
				}
				// 8 KiB, so that what comes behind is not in the reader's buffer.
				text := "HTTP/1.1 200 OK\r\nContent-Length: 8192\r\n\r\n" + strings.Repeat("x", 8192)
				if !late {
					text += hello
				}
				_, _ = io.WriteString(conn, text)
				first <- conn
			})
			r := newRig(t, address, nil)
			_, _, err := r.get(t, base+"/1")
			require.NoError(t, err)
			conn := <-first
			if late {
				_, err = io.WriteString(conn, hello)
				require.NoError(t, err)
			}
			method := http.MethodGet
			if late { // a GET right behind may be sent before the bytes are there
				method = http.MethodPost
			}
			require.Eventually(t, func() bool {
				response, err := r.RoundTrip(request(t, method, base+"/2", nil), &watcher{})
				return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusCreated
			}, within, time.Millisecond)
			assert.EqualValues(t, 2, r.dialled.Load())
			_ = conn.Close()
		}
	}
}

// A request is sent again only where that cannot do anything twice.
func TestRepeating(t *testing.T) {
	for name, c := range map[string]struct {
		method, body, partly string
		used                 bool // the connection has served another request before
		again                bool
	}{
		"GET on a used connection":      {method: http.MethodGet, used: true, again: true},
		"HEAD on a used connection":     {method: http.MethodHead, used: true, again: true},
		"GET on a new connection":       {method: http.MethodGet},
		"GET that has half an answer":   {method: http.MethodGet, used: true, partly: "H"},
		"GET with a body":               {method: http.MethodGet, used: true, body: "x"},
		"POST":                          {method: http.MethodPost, used: true},
		"POST with a body":              {method: http.MethodPost, used: true, body: "x"},
		"DELETE, which may have worked": {method: http.MethodDelete, used: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen atomic.Int64
			die := func(conn net.Conn, from *bufio.Reader) {
				if c.used {
					answer(hello)(conn, from)
				}
				if r, err := http.ReadRequest(from); err == nil {
					_, _ = io.Copy(io.Discard, r.Body)
					seen.Add(1)
					_, _ = io.WriteString(conn, c.partly)
				}
			}
			live := func(conn net.Conn, from *bufio.Reader) { seen.Add(1); answer(hello)(conn, from) }
			address := script(t, die, live)
			r := newRig(t, address, nil)
			if c.used {
				_, _, err := r.get(t, "http://"+address+"/")
				require.NoError(t, err)
			}
			var body io.Reader
			if c.body != "" {
				body = strings.NewReader(c.body)
			}
			response, err := r.RoundTrip(request(t, c.method, "http://"+address+"/", body), &watcher{})
			if !c.again {
				require.Error(t, err)
				assert.EqualValues(t, 1, seen.Load())
				return
			}
			require.NoError(t, err)
			_ = response.Body.Close()
			assert.EqualValues(t, 2, seen.Load())
		})
	}
}

// A connection that the upstream has closed meanwhile costs a POST nothing.
func TestClosedIdleConnectionIsNotUsed(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	first := func(c net.Conn, from *bufio.Reader) {
		answer(hello)(c, from)
		_ = c.Close()
		close(closed)
	}
	address := script(t, first, answer(hello))
	r := newRig(t, address, nil)
	_, _, err := r.get(t, "http://"+address+"/")
	require.NoError(t, err)
	<-closed
	response, err := r.RoundTrip(request(t, http.MethodPost, "http://"+address+"/", strings.NewReader("x")), &watcher{})
	require.NoError(t, err)
	_ = response.Body.Close()
	assert.EqualValues(t, 2, r.dialled.Load())
}

func TestIdleConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	open := make(chan struct{}, 100)
	gone := make(chan struct{}, 100)
	serveOne := func(c net.Conn, from *bufio.Reader) {
		answer(hello)(c, from)
		open <- struct{}{}
		untilClosed(c)
		gone <- struct{}{}
	}
	address := script(t, serveOne, serveOne, serveOne, serveOne, serveOne)
	r := newRig(t, address, func(c *http1.Config) { c.MaxIdle, c.MaxIdlePerHost, c.IdleTimeout = 3, 2, 50*time.Millisecond })
	var responses []*http.Response
	for _, host := range []string{"a", "a", "a", "b", "c"} { // all at once, so that each has its own
		response, err := r.RoundTrip(request(t, http.MethodGet, "http://"+host+"/", nil), &watcher{})
		require.NoError(t, err)
		responses = append(responses, response)
		<-open
	}
	for i, response := range responses {
		_, err := io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		if i == 2 || i == 4 {
			<-gone // one too many for its host, one too many in all
		}
	}
	for range 3 {
		<-gone // idle for too long
	}
}

func TestCloseIdle(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{}, 2)
	serveOne := func(c net.Conn, from *bufio.Reader) { answer(hello)(c, from); untilClosed(c); gone <- struct{}{} }
	address := script(t, serveOne, serveOne)
	r := newRig(t, address, nil)
	busy, err := r.RoundTrip(request(t, http.MethodGet, "http://"+address+"/", nil), &watcher{})
	require.NoError(t, err)
	_, _, err = r.get(t, "http://"+address+"/")
	require.NoError(t, err)
	r.CloseIdle()
	<-gone
	text, err := io.ReadAll(busy.Body)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(text), "what is in use goes on")
	<-gone
}

// What ends the context ends the request wherever it is, and the error says why.
func TestCancel(t *testing.T) {
	why := errors.New("told to")
	for name, raw := range map[string]string{
		"before the answer": "",
		"in the header":     "HTTP/1.1 200 OK\r\nX-A: ",
		"in the body":       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := make(chan struct{})
			gone := make(chan struct{})
			address := script(t, func(c net.Conn, from *bufio.Reader) {
				answer(raw)(c, from)
				close(asked)
				untilClosed(c)
				close(gone)
			})
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() { <-asked; cancel(why) }()
			response, err := newRig(t, address, nil).RoundTrip(request(t, http.MethodGet, "http://"+address+"/", nil).WithContext(ctx), &watcher{})
			if err == nil {
				_, err = io.ReadAll(response.Body)
			}
			require.ErrorIs(t, err, why)
			<-gone
		})
	}
}

// An answer that is not read to its end takes its connection with it.
func TestUnreadAnswer(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	address := script(t, func(c net.Conn, from *bufio.Reader) {
		answer(hello[:len(hello)-1])(c, from)
		untilClosed(c)
		close(gone)
	})
	response, err := newRig(t, address, nil).RoundTrip(request(t, http.MethodGet, "http://"+address+"/", nil), &watcher{})
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	<-gone
	_, err = response.Body.Read(make([]byte, 1))
	require.Error(t, err)
}

func TestInformationalAnswers(t *testing.T) {
	t.Parallel()
	raw := lines("HTTP/1.1 103 Early Hints\nLink: <a>\n\nHTTP/1.1 100 Continue\n\n") + hello
	address := script(t, answer(raw), answer(raw))
	r := newRig(t, address, nil)
	w := &watcher{}
	response, err := r.RoundTrip(request(t, http.MethodGet, "http://"+address+"/", nil), w)
	require.NoError(t, err)
	_ = response.Body.Close()
	assert.Equal(t, []int{103, 100}, w.hints)
	assert.True(t, w.first)
	w = &watcher{refuse: errors.New("enough")}
	_, err = r.RoundTrip(request(t, http.MethodGet, "http://"+address+"/", nil), w)
	require.ErrorIs(t, err, w.refuse)
	assert.Equal(t, []int{103}, w.hints)
}

func TestSwitchingProtocols(t *testing.T) {
	t.Parallel()
	address := script(t, func(c net.Conn, from *bufio.Reader) {
		answer("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nfirst ")(c, from)
		_, _ = io.Copy(c, from)
	})
	ctx, cancel := context.WithCancel(t.Context())
	response, err := newRig(t, address, nil).RoundTrip(request(t, http.MethodGet, "http://"+address+"/", nil).WithContext(ctx), &watcher{})
	require.NoError(t, err)
	cancel()
	stream, ok := response.Body.(io.ReadWriteCloser)
	require.True(t, ok)
	_, err = io.WriteString(stream, "second")
	require.NoError(t, err)
	text := make([]byte, len("first second"))
	_, err = io.ReadFull(stream, text)
	require.NoError(t, err)
	assert.Equal(t, "first second", string(text))
	require.NoError(t, stream.Close())
}

// A body is ready when reading its first piece cannot wait.
func TestReady(t *testing.T) {
	for raw, ready := range map[string]bool{
		"Content-Length: 5\r\n\r\n":                                false,
		"Content-Length: 5\r\n\r\nh":                               true,
		"\r\nh":                                                    true,
		"Transfer-Encoding: chunked\r\n\r\n":                       false,
		"Transfer-Encoding: chunked\r\n\r\n5":                      false,
		"Transfer-Encoding: chunked\r\n\r\n5\r\n":                  false,
		"Transfer-Encoding: chunked\r\n\r\n5\r\nhell":              false,
		"Transfer-Encoding: chunked\r\n\r\n5\r\nhello":             true,
		"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6":        true,
		"Transfer-Encoding: chunked\r\n\r\n0\r\nX-T":               false,
		"Transfer-Encoding: chunked\r\n\r\nfffffffffffff\r\nhello": false,
	} {
		t.Run(raw, func(t *testing.T) {
			t.Parallel()
			address := script(t, func(c net.Conn, from *bufio.Reader) { answer("HTTP/1.1 200 OK\r\n"+raw)(c, from); untilClosed(c) })
			response, err := newRig(t, address, nil).RoundTrip(request(t, http.MethodGet, "http://"+address+"/", nil), &watcher{})
			require.NoError(t, err)
			defer response.Body.Close()
			body, ok := response.Body.(interface{ Ready() bool })
			require.True(t, ok)
			assert.Equal(t, ready, body.Ready())
		})
	}
}

// What is compared as text by those who read it is passed on as it was written.
func TestNamesAreToldAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"plain": "HTTP/1.1 200 OK\nx-amz-meta-foo: 1\ncontent-length: 5\n\nhello", "chunked": "HTTP/1.1 200 OK\nx-amz-meta-foo: 1\nTransfer-Encoding: chunked\n\n0\n\n",
		"long": "HTTP/1.1 200 OK\nX-Long: " + strings.Repeat("x", 9000) + "\nx-amz-meta-foo: 1\ncontent-length: 5\n\nhello",
		"old":  "HTTP/1.0 200 OK\nx-amz-meta-foo: 1\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent := make(chan string, 1)
			address := script(t, func(c net.Conn, from *bufio.Reader) {
				line, _ := from.ReadString('\n')
				field, _ := from.ReadString('\n')
				more, _ := from.ReadString('\n')
				sent <- line + field + more
				_, _ = io.WriteString(c, lines(raw))
			})
			r := request(t, http.MethodGet, "http://"+address+"/", nil)
			r.Header["X-Foo"] = []string{"1"}
			w := &watcher{write: fieldname.Names{"Host": "host", "X-Foo": "x-foo"}}
			response, err := newRig(t, address, nil).RoundTrip(r, w)
			require.NoError(t, err)
			defer response.Body.Close()
			assert.Equal(t, "1", response.Header.Get("X-Amz-Meta-Foo"))
			assert.Equal(t, "x-amz-meta-foo", w.written.Of("X-Amz-Meta-Foo"))
			assert.Equal(t, "GET / HTTP/1.1\r\nhost: "+address+"\r\nx-foo: 1\r\n", <-sent)
		})
	}
}
