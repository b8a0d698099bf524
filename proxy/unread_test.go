package proxy_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// talk is a raw conversation inside a tunnel to api.test.
func (r *rig) talk(a agent) (io.ReadWriter, *bufio.Reader) {
	conn := r.connect(a, "api.test:443", "api.test")
	require.NoError(r.t, conn.SetDeadline(time.Now().Add(within)))
	return conn, bufio.NewReader(conn)
}

// What an agent uploads may have been written by somebody else. An answer that
// comes before all of it has been read must not turn the rest into requests.
func TestRestOfAnUploadIsNoRequest(t *testing.T) {
	t.Parallel()
	const inside = "GET /smuggled HTTP/1.1\r\nHost: api.test\r\n\r\n"
	rest := inside + strings.Repeat("x", 90-len(inside))
	for name, c := range map[string]struct {
		path, framing, first, rest string
		down                       bool
	}{
		"early answer":          {"/early", "Content-Length: 100", "0123456789", rest, false},
		"early answer, chunked": {"/early", "Transfer-Encoding: chunked", "5\r\nhello\r\n", inside, false},
		"early answer, large":   {"/early", "Content-Length: 1000000", "0123456789", rest, false},
		"refused":               {"/forbidden/x", "Content-Length: 100", "0123456789", rest, false},
		"refused, chunked":      {"/forbidden/x", "Transfer-Encoding: chunked", "5\r\nhello\r\n", inside, false},
		"upstream down":         {"/early", "Content-Length: 100", "0123456789", rest, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			var smuggled atomic.Bool
			server := r.upstream(func(w http.ResponseWriter, req *http.Request) {
				smuggled.CompareAndSwap(false, req.URL.Path == "/smuggled")
				_ = http.NewResponseController(w).EnableFullDuplex()
				w.WriteHeader(http.StatusRequestEntityTooLarge)
			}, false, "api.test")
			if c.down {
				server.Close()
			}
			conn, reader := r.talk(r.agent("a"))
			_, err := io.WriteString(conn, "POST "+c.path+" HTTP/1.1\r\nHost: api.test\r\n"+c.framing+"\r\n\r\n"+c.first)
			require.NoError(t, err)
			response, err := http.ReadResponse(reader, nil)
			require.NoError(t, err, "the answer does not wait for the rest of the body")
			_ = body(t, response)
			assert.True(t, response.Close, "the agent is told that the connection ends")
			_, _ = io.WriteString(conn, c.rest)
			_, err = reader.ReadByte()
			require.Error(t, err, "and it does")
			assert.False(t, smuggled.Load())
			rows := r.rows()
			require.Len(t, rows, 1)
			assert.Equal(t, c.path, rows[0].Path)
		})
	}
}

// A body that the upstream has read to its end keeps the connection.
func TestUploadsShareAConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.upstream(func(w http.ResponseWriter, req *http.Request) { _, _ = io.Copy(w, req.Body) }, false, "api.test")
	conn, reader := r.talk(r.agent("a"))
	for _, c := range []struct{ framing, body string }{
		{"Content-Length: 5", "hello"}, {"Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"}, {"Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"}, {"Content-Length: 5", "hello"},
	} {
		_, err := io.WriteString(conn, "POST /x HTTP/1.1\r\nHost: api.test\r\n"+c.framing+"\r\n\r\n"+c.body)
		require.NoError(t, err)
		response, err := http.ReadResponse(reader, nil)
		require.NoError(t, err)
		assert.Equal(t, "hello", body(t, response))
		assert.False(t, response.Close)
	}
}

// What was read together with the request before it is refused like any other.
func TestMalformedRequestBehindAnother(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.upstream(func(http.ResponseWriter, *http.Request) {}, false, "api.test")
	conn, reader := r.talk(r.agent("a"))
	_, err := io.WriteString(conn, "GET /one HTTP/1.1\r\nHost: api.test\r\n\r\nnonsense\r\n\r\n")
	require.NoError(t, err)
	response, err := http.ReadResponse(reader, nil)
	require.NoError(t, err)
	require.Equal(t, 200, response.StatusCode, body(t, response))
	response, err = http.ReadResponse(reader, nil)
	require.NoError(t, err)
	assert.Contains(t, body(t, response), "urn:sallyport:refusal:malformed")
	assert.Equal(t, "malformed", r.rowsOf(2)[0].Outcome.Refusal)
}

// Many clients send all of an upload before they read, and would lose why it was refused to a
// reset.
func TestARefusedUploadKeepsItsReason(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{"/forbidden/x": "urn:sallyport:refusal:policy", "/early": "too much"} {
		for framing, frame := range map[string]string{"Content-Length: 20000000": "%s", "Transfer-Encoding: chunked": "f4240\r\n%s\r\n"} {
			t.Run(path+" "+framing, func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				r.upstream(func(w http.ResponseWriter, _ *http.Request) {
					_ = http.NewResponseController(w).EnableFullDuplex()
					w.WriteHeader(http.StatusRequestEntityTooLarge)
					_, _ = io.WriteString(w, "too much")
				}, false, "api.test")
				conn, reader := r.talk(r.agent("a"))
				_, err := io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: api.test\r\n"+framing+"\r\n\r\n")
				require.NoError(t, err)
				piece := strings.Replace(frame, "%s", strings.Repeat("x", 1000000), 1)
				for range 20 {
					time.Sleep(40 * time.Millisecond) // a link that is not fast
					_, err = io.WriteString(conn, piece)
					require.NoError(t, err)
				}
				response, err := http.ReadResponse(reader, nil)
				require.NoError(t, err)
				assert.Contains(t, body(t, response), want)
				assert.True(t, response.Close)
			})
		}
	}
}
