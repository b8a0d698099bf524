package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
)

// Whoever says nothing, or not enough, is let go after ten seconds.
func TestSilenceIsCut(t *testing.T) {
	if testing.Short() {
		t.Skip("waits ten seconds")
	}
	t.Parallel()
	r := newRig(t)
	a := r.agent("a")
	inTunnel := func(said string) func() net.Conn {
		return func() net.Conn {
			conn := r.connect(a, "api.test:443", "api.test")
			require.NoError(t, conn.Handshake())
			_, err := io.WriteString(conn, said)
			require.NoError(t, err)
			return conn
		}
	}
	for name, open := range map[string]func() net.Conn{
		"no handshake": func() net.Conn {
			conn, err := net.Dial("tcp", r.address)
			require.NoError(t, err)
			return conn
		},
		"half a CONNECT": func() net.Conn {
			conn := r.dial(a)
			_, err := io.WriteString(conn, "CONNECT api.test:443 HTTP/1.1\r\nHost:")
			require.NoError(t, err)
			return conn
		},
		"nothing after CONNECT":    func() net.Conn { return r.connect(a, "api.test:443", "api.test").NetConn() },
		"half a ClientHello":       func() net.Conn { return halfHello(t, r.connect(a, "api.test:443", "api.test").NetConn()) },
		"half a request":           inTunnel("GET / HTTP/1.1\r\nHost: api.test\r\nX-Slow:"),
		"half of HTTP/2's preface": func() net.Conn { return r.h2Silent(a) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := open()
			defer conn.Close()
			start := time.Now()
			require.NoError(t, conn.SetReadDeadline(start.Add(20*time.Second)))
			_, err := io.Copy(io.Discard, conn)
			var timeout net.Error
			if assert.NotErrorAs(t, err, &timeout) || !timeout.Timeout() {
				assert.InDelta(t, 10, time.Since(start).Seconds(), 4)
			}
		})
	}
}

func halfHello(t *testing.T, conn net.Conn) net.Conn {
	_, err := conn.Write([]byte{0x16, 3, 1, 1, 0, 1, 0, 0})
	require.NoError(t, err)
	return conn
}

// h2Silent negotiates HTTP/2 and sends half of its preface.
func (r *rig) h2Silent(a agent) net.Conn {
	conn := r.connectSpeaking(a, "api.test:443", "api.test", "h2")
	_, err := io.WriteString(conn, http2.ClientPreface[:8])
	require.NoError(r.t, err)
	return conn
}

// Stopping does not wait for those who have not even said who they are.
func TestStoppingWaitsForNoHandshake(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	conn, err := net.Dial("tcp", r.address)
	require.NoError(t, err)
	defer conn.Close()
	tunnel := r.connect(r.agent("a"), "api.test:443", "api.test") // silent, too
	start := time.Now()
	r.shutdown()
	assert.Less(t, time.Since(start), within)
	_, err = tunnel.NetConn().Read(make([]byte, 1))
	require.Error(t, err)
}

// stalled sends an upload that the upstream does not read, until no more of it
// fits anywhere.
func stalled(t *testing.T, client *http.Client, path string) {
	full := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://api.test"+path, &filling{full: full, idle: 200 * time.Millisecond})
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		response, err := client.Do(request)
		if err == nil {
			_ = response.Body.Close()
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	<-full
}

// filling is an endless body that notices when nobody has read it for a while.
type filling struct {
	full  chan struct{}
	idle  time.Duration
	timer *time.Timer
}

func (f *filling) Read(p []byte) (int, error) {
	if f.timer == nil {
		f.timer = time.AfterFunc(f.idle, func() { close(f.full) })
	} else if f.timer.Stop() {
		f.timer.Reset(f.idle)
	}
	return len(p), nil
}

// Uploads that the upstream does not read block neither the agent's other uploads
// on the same tunnel nor another agent's.
func TestStalledUploadsBlockNobody(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		r := newRig(t)
		release := make(chan struct{})
		r.upstream(func(w http.ResponseWriter, req *http.Request) {
			if strings.HasPrefix(req.URL.Path, "/stalled") {
				select {
				case <-release:
				case <-req.Context().Done():
				}
				return
			}
			n, err := io.Copy(io.Discard, req.Body)
			assert.NoError(t, err)
			_, _ = fmt.Fprint(w, n)
		}, upstreamSide, "api.test")
		defer close(release)
		one := r.client(r.agent("one"), agentSide)
		for i := range 3 {
			stalled(t, one, fmt.Sprintf("/stalled/%d", i))
		}
		const size = 3 << 20
		for name, client := range map[string]*http.Client{"the same": one, "another": r.client(r.agent("two"), agentSide)} {
			ctx, cancel := context.WithTimeout(t.Context(), 4*within)
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://api.test/upload", strings.NewReader(strings.Repeat("x", size)))
			require.NoError(t, err)
			response, err := client.Do(request)
			require.NoError(t, err, name)
			assert.Equal(t, fmt.Sprint(size), body(t, response), name)
			cancel()
		}
	})
}
