package http1_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/http1"
)

// counted tells when it is read.
type counted struct {
	io.Reader
	reads atomic.Int64
}

func (b *counted) Read(p []byte) (int, error) { b.reads.Add(1); return b.Reader.Read(p) }

// The answer may begin, and even end, before the body does.
func TestFullDuplex(t *testing.T) {
	for _, secured := range []bool{false, true} {
		address, base := serve(t, secured, func(w http.ResponseWriter, r *http.Request) {
			control := http.NewResponseController(w)
			_ = control.EnableFullDuplex()
			w.WriteHeader(http.StatusOK)
			_ = control.Flush()
			from := bufio.NewReader(r.Body)
			for {
				line, err := from.ReadString('\n')
				if err != nil {
					return
				}
				_, _ = io.WriteString(w, line)
				_ = control.Flush()
			}
		})
		r := newRig(t, address, nil)
		reader, writer := io.Pipe()
		response, err := r.RoundTrip(request(t, http.MethodPost, base+"/", reader), &watcher{})
		require.NoError(t, err, "the header does not wait for the body")
		back := bufio.NewReader(response.Body)
		for _, line := range []string{"one\n", "two\n", "three\n"} {
			_, err := io.WriteString(writer, line)
			require.NoError(t, err)
			got, err := back.ReadString('\n')
			require.NoError(t, err)
			assert.Equal(t, line, got)
		}
		require.NoError(t, writer.Close())
		_, err = back.ReadByte()
		require.ErrorIs(t, err, io.EOF)
	}
}

func TestExpectContinue(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		wait   time.Duration // that the body waits
		sent   bool
	}{
		"wanted":                   {status: 100, wait: within, sent: true},
		"refused":                  {status: 413, wait: within},
		"answered without":         {status: 200, wait: within},
		"silence, as if it agreed": {wait: 20 * time.Millisecond, sent: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			received := make(chan string, 1)
			address := script(t, func(conn net.Conn, from *bufio.Reader) {
				r, err := http.ReadRequest(from)
				if err != nil {
					return
				}
				switch c.status {
				case 100:
					_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
				case 200, 413:
					_, _ = io.WriteString(conn, "HTTP/1.1 "+map[int]string{200: "200 OK", 413: "413 Too Large"}[c.status]+"\r\nContent-Length: 0\r\n\r\n")
				}
				body, _ := io.ReadAll(r.Body)
				received <- string(body)
				_, _ = io.WriteString(conn, hello)
			}, answer(hello))
			r := newRig(t, address, func(config *http1.Config) { config.ContinueTimeout = c.wait })
			body := &counted{Reader: strings.NewReader("content")}
			post := request(t, http.MethodPost, "http://"+address+"/", body)
			post.ContentLength = 7
			post.Header.Set("Expect", "100-continue")
			response, err := r.RoundTrip(post, &watcher{})
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, response.Body)
			if c.sent {
				assert.Equal(t, "content", <-received)
				return
			}
			assert.Equal(t, c.status, response.StatusCode)
			assert.Empty(t, <-received, "the connection ends instead")
			assert.Zero(t, body.reads.Load())
		})
	}
}

// An answer that comes while the body is still being sent is the answer, and
// the rest of the body is given up with it.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	address := script(t, func(c net.Conn, from *bufio.Reader) {
		_, _ = http.ReadRequest(from)
		_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!")
		untilClosed(c)
	}, answer(hello))
	r := newRig(t, address, nil)
	reader, writer := io.Pipe()
	fed := make(chan error, 1)
	go func() {
		for {
			if _, err := writer.Write(make([]byte, 64<<10)); err != nil {
				fed <- err
				return
			}
		}
	}()
	response, err := r.RoundTrip(request(t, http.MethodPost, "http://"+address+"/", reader), &watcher{})
	require.NoError(t, err)
	assert.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Equal(t, "no!", string(text))
	require.NoError(t, response.Body.Close())
	_ = reader.Close() // as a server closes the body when its handler returns
	require.Error(t, <-fed)
	_, _, err = r.get(t, "http://"+address+"/")
	require.NoError(t, err)
	assert.EqualValues(t, 2, r.dialled.Load())
}

// A body that does not end as it should never looks whole to the upstream, and
// the error is the body's own.
func TestBrokenBody(t *testing.T) {
	broken := errors.New("the agent has left")
	for name, c := range map[string]struct {
		body   io.Reader
		length int64
		err    string
	}{
		"breaks off":          {io.MultiReader(strings.NewReader("hello"), failing{broken}), 10, broken.Error()},
		"breaks off, chunked": {io.MultiReader(strings.NewReader("hello"), failing{broken}), -1, broken.Error()},
		"too short":           {strings.NewReader("hello"), 10, "5 bytes, not the 10"},
		"too long":            {strings.NewReader("hello"), 3, "5 bytes, not the 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := make(chan bool, 1)
			address := script(t, func(_ net.Conn, from *bufio.Reader) {
				r, err := http.ReadRequest(from)
				if err == nil {
					_, err = io.Copy(io.Discard, r.Body)
				}
				whole <- err == nil
			})
			post := request(t, http.MethodPost, "http://"+address+"/", c.body)
			post.ContentLength = c.length
			_, err := newRig(t, address, nil).RoundTrip(post, &watcher{})
			require.ErrorContains(t, err, c.err)
			assert.False(t, <-whole)
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// An upstream that keeps a connection alive and answers before the end of the body would take
// that end for the beginning of the next request: what it answers next is nobody's.
func TestAnAnswerBeforeTheEndSpoilsTheConnection(t *testing.T) {
	t.Parallel()
	ended, again := make(chan struct{}), make(chan struct{}, 100)
	keeping := func(c net.Conn, from *bufio.Reader) { // answers one request after the other
		for {
			r, err := http.ReadRequest(from)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(c, hello)
		}
	}
	address := script(t, func(c net.Conn, from *bufio.Reader) {
		r, err := http.ReadRequest(from)
		if err != nil {
			return
		}
		_, _ = io.ReadFull(r.Body, make([]byte, 5))
		_, _ = io.WriteString(c, hello)
		_, _ = io.Copy(io.Discard, r.Body) // to its end
		close(ended)
		if _, err := http.ReadRequest(from); err == nil {
			again <- struct{}{}
			_, _ = io.WriteString(c, hello)
		}
	}, keeping, keeping, keeping, keeping, keeping, keeping, keeping, keeping)
	r := newRig(t, address, nil)
	reader, writer := io.Pipe()
	go func() { _, _ = io.WriteString(writer, "hello") }()
	response, err := r.RoundTrip(request(t, http.MethodPost, "http://"+address+"/", reader), &watcher{})
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.NoError(t, writer.Close())
	<-ended
	for range 20 {
		var group sync.WaitGroup
		for range 2 { // more than one connection is needed
			group.Go(func() {
				_, _, err := r.get(t, "http://"+address+"/")
				assert.NoError(t, err)
			})
		}
		group.Wait()
	}
	assert.Empty(t, again, "nobody asks on the first connection")
}

// One that answers when it has all of it does not.
func TestAnAnswerToAllOfABodyKeepsTheConnection(t *testing.T) {
	t.Parallel()
	address, base := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "ok")
	})
	r := newRig(t, address, nil)
	for n := range 50 {
		body := io.Reader(strings.NewReader(strings.Repeat("x", n*1000)))
		if n%2 == 1 {
			body = io.MultiReader(body) // of no known length
		}
		response, err := r.RoundTrip(request(t, http.MethodPost, base, body), &watcher{})
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	}
	// Who sends a body gives the connection back when it is told that it was sent: some may be too late for the next request.
	assert.Less(t, r.dialled.Load(), int64(25))
}
