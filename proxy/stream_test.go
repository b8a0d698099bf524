package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// pairs are the four combinations of protocols on the two sides.
func pairs(t *testing.T, test func(t *testing.T, agentSide, upstreamSide bool)) {
	for _, agentSide := range []bool{false, true} {
		for _, upstreamSide := range []bool{false, true} {
			t.Run(fmt.Sprintf("h2 agent=%v upstream=%v", agentSide, upstreamSide), func(t *testing.T) {
				t.Parallel()
				test(t, agentSide, upstreamSide)
			})
		}
	}
}

func TestBodiesAndTrailersPassBothWays(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		r := newRig(t)
		r.upstream(func(w http.ResponseWriter, req *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex()
			w.Header().Set("Trailer", "X-Sum")
			n, err := io.Copy(w, req.Body)
			assert.NoError(t, err)
			w.Header().Set("X-Sum", fmt.Sprint(n, " ", req.Trailer.Get("X-Request-Sum")))
			w.Header().Set(http.TrailerPrefix+"X-Late", "late")
		}, upstreamSide, "api.test")
		payload := strings.Repeat("0123456789abcdef", 64<<10)
		request, err := http.NewRequest(http.MethodPost, "https://api.test/echo", io.NopCloser(strings.NewReader(payload)))
		require.NoError(t, err)
		request.Trailer = http.Header{"X-Request-Sum": {"seven"}}
		response, err := r.client(r.agent("a"), agentSide).Do(request)
		require.NoError(t, err)
		assert.Equal(t, payload, body(t, response))
		assert.Equal(t, fmt.Sprint(len(payload), " seven"), response.Trailer.Get("X-Sum"))
		assert.Equal(t, "late", response.Trailer.Get("X-Late"))
		row := r.rows()[0]
		assert.EqualValues(t, len(payload), row.Outcome.BytesSent)
		assert.EqualValues(t, len(payload), row.Outcome.BytesReceived)
	})
}

func TestEventsPassAsTheyCome(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		r := newRig(t)
		next := make(chan struct{})
		r.upstream(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
			for i := range 3 {
				<-next
				_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
				_ = http.NewResponseController(w).Flush()
			}
		}, upstreamSide, "api.test")
		response, err := r.client(r.agent("a"), agentSide).Get("https://api.test/events") // returns before the first event
		require.NoError(t, err)
		defer response.Body.Close()
		lines := bufio.NewReader(response.Body)
		for i := range 3 {
			next <- struct{}{}
			line, err := lines.ReadString('\n')
			require.NoError(t, err)
			assert.Equal(t, fmt.Sprintf("data: %d\n", i), line)
			_, err = lines.ReadString('\n')
			require.NoError(t, err)
		}
	})
}

func TestFullDuplex(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		r := newRig(t)
		r.upstream(func(w http.ResponseWriter, req *http.Request) {
			control := http.NewResponseController(w)
			_ = control.EnableFullDuplex()
			w.WriteHeader(200)
			_ = control.Flush()
			lines := bufio.NewReader(req.Body)
			for {
				line, err := lines.ReadString('\n')
				if err != nil {
					return
				}
				_, _ = io.WriteString(w, "echo "+line)
				_ = control.Flush()
			}
		}, upstreamSide, "api.test")
		read, write := io.Pipe()
		request, err := http.NewRequest(http.MethodPost, "https://api.test/duplex", read)
		require.NoError(t, err)
		response, err := r.client(r.agent("a"), agentSide).Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		lines := bufio.NewReader(response.Body)
		for i := range 3 {
			_, err := fmt.Fprintf(write, "%d\n", i)
			require.NoError(t, err)
			line, err := lines.ReadString('\n')
			require.NoError(t, err)
			assert.Equal(t, fmt.Sprintf("echo %d\n", i), line)
		}
		require.NoError(t, write.Close())
		_, err = lines.ReadString('\n')
		assert.ErrorIs(t, err, io.EOF)
	})
}

func TestEarlyAnswerSavesTheUpload(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		r := newRig(t)
		r.upstream(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}, upstreamSide, "api.test")
		var read atomic.Int64
		request, err := http.NewRequest(http.MethodPut, "https://api.test/upload", &countingReader{left: 64 << 20, read: &read})
		require.NoError(t, err)
		request.ContentLength = 64 << 20
		request.Header.Set("Expect", "100-continue")
		client := r.client(r.agent("a"), agentSide)
		client.Transport.(*http.Transport).ExpectContinueTimeout = time.Minute
		response, err := client.Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		assert.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
		if agentSide {
			// net/http hides Expect from the handlers of HTTP/2 requests, so that
			// what fits the windows may move before the answer stops it.
			assert.Less(t, read.Load(), int64(4<<20))
			return
		}
		assert.Zero(t, read.Load())
	})
}

type countingReader struct {
	left int64
	read *atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), c.left))
	c.left -= int64(n)
	c.read.Add(int64(n))
	return n, nil
}

func TestContinueIsPassedOn(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		r := newRig(t)
		r.upstream(func(w http.ResponseWriter, req *http.Request) { _, _ = io.Copy(w, req.Body) }, upstreamSide, "api.test")
		request, err := http.NewRequest(http.MethodPut, "https://api.test/upload", strings.NewReader("hello"))
		require.NoError(t, err)
		request.Header.Set("Expect", "100-continue")
		client := r.client(r.agent("a"), agentSide)
		client.Transport.(*http.Transport).ExpectContinueTimeout = time.Minute
		response, err := client.Do(request)
		require.NoError(t, err)
		assert.Equal(t, "hello", body(t, response))
	})
}

func TestEarlyHints(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		r := newRig(t)
		r.upstream(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusOK)
		}, upstreamSide, "api.test")
		var hints atomic.Int32
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			if code == http.StatusEarlyHints && h.Get("Link") != "" {
				hints.Add(1)
			}
			return nil
		}})
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.test/page", nil)
		require.NoError(t, err)
		response, err := r.client(r.agent("a"), agentSide).Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		assert.EqualValues(t, 1, hints.Load())
	})
}

func TestTruncationIsAnError(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		r := newRig(t)
		r.upstream(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, upstreamSide, "api.test")
		response, err := r.client(r.agent("a"), agentSide).Get("https://api.test/cut")
		require.NoError(t, err)
		defer response.Body.Close()
		got, err := io.ReadAll(response.Body)
		assert.Error(t, err)
		assert.Equal(t, "half", string(got))
		assert.Equal(t, audit.OutcomeUpstreamFailed, r.rows()[0].Outcome.Outcome)
	})
}

func TestLeavingCancelsTheUpstream(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		r := newRig(t)
		arrived, left := make(chan struct{}), make(chan struct{})
		r.upstream(func(_ http.ResponseWriter, req *http.Request) {
			close(arrived)
			<-req.Context().Done()
			close(left)
		}, upstreamSide, "api.test")
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-arrived; cancel() }()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.test/slow", nil)
		require.NoError(t, err)
		_, err = r.client(r.agent("a"), agentSide).Do(request)
		require.Error(t, err)
		select {
		case <-left:
		case <-time.After(5 * time.Second):
			t.Fatal("the upstream was not told that the agent left")
		}
		assert.Equal(t, audit.OutcomeClientGone, r.rows()[0].Outcome.Outcome)
	})
}

func TestBodylessAnswers(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		r := newRig(t)
		r.upstream(func(w http.ResponseWriter, req *http.Request) {
			switch req.URL.Path {
			case "/304":
				w.Header().Set("Content-Length", "100")
				w.WriteHeader(http.StatusNotModified)
			case "/204":
				w.WriteHeader(http.StatusNoContent)
			default:
				w.Header().Set("Content-Length", "100")
			}
		}, upstreamSide, "api.test")
		client := r.client(r.agent("a"), agentSide)
		for method, path := range map[string]string{"HEAD": "/head", "GET": "/304", "DELETE": "/204"} {
			request, err := http.NewRequest(method, "https://api.test"+path, nil)
			require.NoError(t, err)
			response, err := client.Do(request)
			require.NoError(t, err, path)
			require.NoError(t, response.Body.Close()) // Go's own HTTP/2 client cannot read the body of a 304 with a length
		}
		for _, row := range r.rows() {
			assert.Equal(t, audit.OutcomeCompleted, row.Outcome.Outcome)
		}
	})
}

func TestTargetsPassByteForByte(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		r := newRig(t)
		r.upstream(func(w http.ResponseWriter, req *http.Request) { _, _ = io.WriteString(w, req.RequestURI) }, upstreamSide, "api.test")
		client := r.client(r.agent("a"), agentSide)
		for _, target := range []string{
			"/", "/?", "/a%2Fb?x=%2F", "/a//b/?q=a;b&c", "/%7Euser/~user", "/a+b?c+d=%20", "/x?a=%zz", "/caf%C3%A9", "//double/start", "/a|b\"c", "/?a=b?c=d", "/x;v=1,2/y:z@w!$&'()*",
		} {
			request, err := http.NewRequest(http.MethodGet, "https://api.test/", nil)
			require.NoError(t, err)
			path, query, found := strings.Cut(target, "?")
			if strings.HasPrefix(path, "//") {
				request.URL.Path, request.URL.RawPath = path, path
			} else {
				request.URL.Opaque = path
			}
			request.URL.RawQuery, request.URL.ForceQuery = query, found && query == ""
			response, err := client.Do(request)
			require.NoError(t, err, target)
			assert.Equal(t, target, body(t, response))
		}
	})
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.upstream(func(w http.ResponseWriter, req *http.Request) {
		assert.Equal(t, "Bearer "+canary, req.Header.Get("Authorization"))
		conn, err := websocket.Accept(w, req, nil)
		if !assert.NoError(t, err) {
			return
		}
		kind, message, err := conn.Read(req.Context())
		assert.NoError(t, err)
		assert.NoError(t, conn.Write(req.Context(), kind, message))
		_ = conn.Close(websocket.StatusNormalClosure, "")
	}, true, "api.test")
	conn, _, err := websocket.Dial(t.Context(), "wss://api.test/socket", &websocket.DialOptions{HTTPClient: r.client(r.agent("a"), false)})
	require.NoError(t, err)
	message := strings.Repeat("x", 20_000)
	require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte(message)))
	_, got, err := conn.Read(t.Context())
	require.NoError(t, err)
	assert.Equal(t, message, string(got))
	_, _, err = conn.Read(t.Context())
	require.Error(t, err)
	row := r.rows()[0]
	assert.Equal(t, audit.OutcomeCompleted, row.Outcome.Outcome)
	assert.Equal(t, 101, row.Outcome.Status)
}

func TestSuspensionCutsStreamsAndSockets(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		r := newRig(t)
		streaming := make(chan struct{})
		r.upstream(func(w http.ResponseWriter, req *http.Request) {
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
			close(streaming)
			<-req.Context().Done()
		}, http2, "api.test")
		a := r.agent("a")
		client := r.client(a, http2)
		response, err := client.Get("https://api.test/stream")
		require.NoError(t, err)
		<-streaming
		start := time.Now()
		_, err = r.registry.Suspend(t.Context(), a.ID, "test")
		require.NoError(t, err)
		r.proxy.Cut(a.ID)
		_, err = io.ReadAll(response.Body)
		require.Error(t, err)
		assert.Less(t, time.Since(start), time.Second)
		_ = response.Body.Close()
		_, err = client.Get("https://api.test/again")
		require.ErrorContains(t, err, "Forbidden") // the CONNECT is refused
		rows := r.rows()
		require.Len(t, rows, 2)
		assert.Equal(t, "suspended", rows[0].Outcome.Refusal)
		assert.Equal(t, audit.OutcomeRevoked, rows[1].Outcome.Outcome)
		assert.Equal(t, "suspended", rows[1].Outcome.Refusal)
	}
}

func TestUpstreamThatCannotBeReached(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := ln.Addr().String()
	require.NoError(t, ln.Close())
	r.point("api.test:443", address)
	r.configure(rigPolicy)
	response, err := r.client(r.agent("a"), true).Get("https://api.test/x")
	require.NoError(t, err)
	text := body(t, response)
	assert.Equal(t, http.StatusBadGateway, response.StatusCode)
	assert.Contains(t, response.Header.Get("Proxy-Status"), "connection_refused")
	assert.NotContains(t, text, address)
	row := r.rows()[0]
	assert.Equal(t, audit.OutcomeUpstreamFailed, row.Outcome.Outcome)
}

func TestPrivateAddressesAreNotDialled(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.configure(strings.ReplaceAll(rigPolicy, "open.test", "127.0.0.1"))
	response, err := r.client(r.agent("a"), true).Get("https://127.0.0.1/x")
	require.NoError(t, err)
	assert.Contains(t, body(t, response), "urn:sallyport:refusal:address")
	assert.Equal(t, http.StatusForbidden, response.StatusCode)
}

func TestUpstreamThatSpeaksOnlyHTTP2(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.upstreamSpeaking([]string{"h2"}, func(w http.ResponseWriter, req *http.Request) { _, _ = io.Copy(w, req.Body) }, "api.test")
	client := r.client(r.agent("a"), false)
	for range 2 {
		response, err := client.Post("https://api.test/echo", "text/plain", strings.NewReader("hello"))
		require.NoError(t, err)
		assert.Equal(t, "hello", body(t, response))
	}
}
