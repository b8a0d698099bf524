package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/proxy"
	"sallyport/proxy/upstream"
)

// A field that Connection names does not leave, so it must not decide either.
func TestWhatDoesNotLeaveDecidesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var upstream recorder
	r.upstream(upstream.serve, false, "api.github.com", "api.test")
	r.configure(hubPolicy + "  - {name: open, allow: {host: api.test}}\n")
	a := r.agent("a")
	ask := func(authority, connection, more, text string) *http.Response {
		conn := r.connect(a, authority+":443", authority)
		require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
		_, err := fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: %s\r\nConnection: %s\r\n%s\r\nContent-Length: %d\r\n\r\n%s", authority, connection, more, len(text), text)
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		_ = body(t, response)
		return response
	}
	const viewer = `{"query":"{viewer{login}}"}`
	assert.Equal(t, 200, ask("api.github.com", "keep-alive", "Content-Type: application/json", viewer).StatusCode)
	assert.Equal(t, 403, ask("api.github.com", "Content-Type", "Content-Type: application/json", viewer).StatusCode)
	assert.Empty(t, r.rows()[0].Operation, "it has no name")
	assert.Equal(t, 200, ask("api.test", "x-http-method-override,close", "X-HTTP-Method-Override: DELETE", "x").StatusCode)
	assert.Empty(t, upstream.request().Header.Get("X-Http-Method-Override"))
	for _, field := range []string{"X-HTTP-Method-Override", "X_HTTP_Method_Override", "x-http_method", "X-Method_Override"} {
		assert.Equal(t, 400, ask("api.test", "keep-alive", field+": DELETE", "x").StatusCode, field)
	}
}

// A trailer is a field, too.
func TestTrailersOverrideNothing(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		r := newRig(t)
		var upstream recorder
		r.upstream(func(w http.ResponseWriter, req *http.Request) {
			upstream.serve(w, req)
			h := w.Header()
			h.Set("Trailer", "X-Sum, Set-Cookie")
			_, _ = io.WriteString(w, "body")
			h.Set("X-Sum", "1")
			h.Set("Set-Cookie", "session=1")
			h.Set(http.TrailerPrefix+"X-Late", "2")
			h.Set(http.TrailerPrefix+"Content-Length", "2")
			h.Set(http.TrailerPrefix+"Www-Authenticate", "Basic")
		}, upstreamSide, "api.test")
		client := r.client(r.agent("a"), agentSide)
		ask := func(trailer http.Header) *http.Response {
			request, err := http.NewRequest(http.MethodPost, "https://api.test/", io.NopCloser(strings.NewReader("x")))
			require.NoError(t, err)
			request.Trailer = trailer
			response, err := client.Do(request)
			require.NoError(t, err)
			_ = body(t, response)
			return response
		}
		trailer := http.Header{"Cookie": {"own"}, "X-Forwarded-Proto": {"own"}, "X-Kept": {"kept"}, "X-Late-Key": {"sallyport-placeholder"}}
		if !agentSide { // the HTTP/2 server resets a stream for these
			trailer["Authorization"], trailer["Host"] = []string{"Bearer own"}, []string{"other.test"}
		}
		response := ask(trailer)
		require.Equal(t, 200, response.StatusCode)
		got := upstream.request().Trailer
		assert.Equal(t, []string{"kept"}, got["X-Kept"])
		assert.Empty(t, got["X-Late-Key"], "a placeholder leaves in no trailer")
		delete(got, "X-Late-Key")
		assert.Equal(t, http.Header{"X-Kept": {"kept"}}, got)
		for name := range response.Trailer {
			assert.Contains(t, []string{"X-Sum", "X-Late"}, name)
		}
		assert.Equal(t, "2", response.Trailer.Get("X-Late"))
		assert.Equal(t, 400, ask(http.Header{"X-Http-Method-Override": {"DELETE"}}).StatusCode)
	})
}

// What an upstream writes into a field stays in it.
func TestFieldsOfAnswersCannotBeSplit(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"bare return": "X-A: b\rSet-Cookie: split=1", "line feed": "X-A: b\nX-Set: split", "nul": "X-A: b\x00Set-Cookie: split=1",
		"folded": "X-A: b\r\n Set-Cookie: split=1", "no name": ": split", "space": "X-A : split",
	} {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " h2=", http2), func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				r.upstream(func(w http.ResponseWriter, _ *http.Request) {
					conn, _, err := http.NewResponseController(w).Hijack()
					if assert.NoError(t, err) {
						_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+raw+"\r\nContent-Length: 0\r\n\r\n")
						_ = conn.Close()
					}
				}, false, "api.test")
				response, err := r.client(r.agent("a"), http2).Get("https://api.test/")
				require.NoError(t, err)
				_ = body(t, response)
				assert.Contains(t, []int{200, 502}, response.StatusCode)
				assert.Empty(t, response.Header.Get("Set-Cookie"))
				for _, values := range response.Header {
					assert.NotContains(t, strings.Join(values, ""), "\n")
				}
			})
		}
	}
}

// However it is spelled, Sallyport's own listener is no upstream.
func TestOwnListenersAreNotDialled(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.networks = []upstream.Network{{Prefix: netip.MustParsePrefix("0.0.0.0/0")}, {Prefix: netip.MustParsePrefix("::/0")}}
	_, port, err := net.SplitHostPort(r.address)
	require.NoError(t, err)
	r.point("by-address.test:443", r.address)
	r.point("by-name.test:443", "localhost:"+port)
	r.point("mapped.test:443", "[::ffff:127.0.0.1]:"+port)
	r.point("unspecified.test:443", "0.0.0.0:"+port)
	r.point("unspecified6.test:443", "[::]:"+port)
	r.configure("policy: operator\nrules:\n  - {name: all, allow: {host: \"*:*\"}}\n  - {name: literals, allow: {host: \"127.0.0.1:*\"}}\n")
	client := r.client(r.agent("a"), false)
	for _, target := range []string{"by-address.test", "mapped.test", "unspecified.test", "127.0.0.1:" + port, "by-name.test", "unspecified6.test"} {
		response, err := client.Get("https://" + target + "/")
		require.NoError(t, err)
		text := body(t, response)
		if target == "by-name.test" || target == "unspecified6.test" { // the name may have an IPv6 address too, at which nobody listens
			assert.Contains(t, []int{403, 502}, response.StatusCode, text)
			continue
		}
		assert.Equal(t, 403, response.StatusCode, "%s: %s", target, text)
		assert.Contains(t, text, "urn:sallyport:refusal:address")
	}
}

// One agent cannot take the descriptors of all: its connections are bounded before
// they have asked for anything.
func TestOpenConnections(t *testing.T) {
	t.Parallel()
	r := newRig(t, limited(proxy.Limits{Tunnels: 2, Exchanges: 3}))
	r.upstream(func(http.ResponseWriter, *http.Request) {}, true, "api.test")
	a := r.agent("a")
	open := func() (net.Conn, error) {
		conn := r.dial(a)
		require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return conn, err
		}
		_, err := http.ReadResponse(bufio.NewReader(conn), nil)
		return conn, err
	}
	var kept []net.Conn
	for range 5 {
		conn, err := open()
		require.NoError(t, err)
		kept = append(kept, conn)
	}
	_, err := open()
	require.Error(t, err, "one too many")
	response, err := r.client(r.agent("b"), true).Get("https://api.test/")
	require.NoError(t, err)
	assert.Equal(t, 200, response.StatusCode, "another agent has room of its own: %s", body(t, response))
	require.NoError(t, kept[0].Close())
	require.Eventually(t, func() bool { _, err := open(); return err == nil }, within, 5*time.Millisecond, "a closed one makes room")
}

// floods are what a hostile client can do to an HTTP/2 server.
var floods = map[string]func(c *speaker2) error{
	"streams that are reset at once": func(c *speaker2) error {
		for i := range uint32(20000) {
			if err := c.open(2*i+1, true); err != nil {
				return err
			}
			if err := c.framer.WriteRSTStream(2*i+1, 8); err != nil {
				return err
			}
		}
		return nil
	},
	"streams that stay open": func(c *speaker2) error {
		for i := range uint32(5000) {
			if err := c.open(2*i+1, false); err != nil {
				return err
			}
		}
		return nil
	},
	"pings": func(c *speaker2) error {
		for range 20000 {
			if err := c.framer.WritePing(false, [8]byte{}); err != nil {
				return err
			}
		}
		return nil
	},
	"settings": func(c *speaker2) error {
		for range 20000 {
			if err := c.framer.WriteSettings(); err != nil {
				return err
			}
		}
		return nil
	},
	"a header section without an end": func(c *speaker2) error {
		if err := c.framer.WriteHeaders(headersOf(1, c.encode(getRoot), false)); err != nil {
			return err
		}
		for range 20000 {
			if err := c.framer.WriteContinuation(1, false, c.encode([][2]string{{"x-a", strings.Repeat("a", 100)}})); err != nil {
				return err
			}
		}
		return nil
	},
	"empty frames": func(c *speaker2) error {
		if err := c.framer.WriteHeaders(headersOf(1, c.encode(getRoot), false)); err != nil {
			return err
		}
		for range 20000 {
			if err := c.framer.WriteContinuation(1, false, nil); err != nil {
				return err
			}
		}
		return nil
	},
}

// An agent that floods its tunnel, reading nothing, costs the others nothing, opens
// no more than it may, fills neither memory nor the trail, and leaves nothing behind.
func TestFloodsOfFramesAreBounded(t *testing.T) {
	for name, flood := range floods {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, limited(proxy.Limits{RequestsPerSecond: 20}))
			var open, most atomic.Int64
			r.upstream(func(_ http.ResponseWriter, req *http.Request) {
				if n := open.Add(1); n > most.Load() {
					most.Store(n)
				}
				defer open.Add(-1)
				_, _ = io.Copy(io.Discard, req.Body)
			}, true, "api.test")
			other := r.client(r.agent("other"), true)
			c := r.speak2(r.agent("hostile"))
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = flood(c) // it may be cut off
			}()
			for i := range 10 {
				response, err := other.Get(fmt.Sprint("https://api.test/", i))
				require.NoError(t, err)
				require.Equal(t, 200, response.StatusCode, body(t, response))
			}
			select {
			case <-ended:
			case <-time.After(time.Second): // it is held up, for it reads nothing
			}
			assert.LessOrEqual(t, most.Load(), int64(250+10))
			r.shutdown()
			<-ended
			assert.Less(t, len(r.rows()), 600)
		})
	}
}

// An answer that nobody reads is not read from the upstream either.
func TestUnreadAnswersStayAtTheUpstream(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		r := newRig(t)
		var sent atomic.Int64
		r.upstream(func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path != "/flood" {
				return
			}
			for req.Context().Err() == nil {
				n, err := w.Write(make([]byte, 64<<10))
				if err != nil {
					return
				}
				sent.Add(int64(n))
			}
		}, upstreamSide, "api.test")
		const answers = 4
		client := r.client(r.agent("a"), agentSide)
		var opened sync.WaitGroup
		for range answers {
			opened.Go(func() {
				response, err := client.Get("https://api.test/flood")
				if assert.NoError(t, err) {
					t.Cleanup(func() { _ = response.Body.Close() })
				}
			})
		}
		opened.Wait()
		before := int64(-1)
		require.Eventually(t, func() bool { // until nothing moves any more
			now := sent.Load()
			defer func() { before = now }()
			return now > 0 && now == before
		}, within, 200*time.Millisecond)
		assert.Less(t, sent.Load(), int64(answers*16<<20), "what fits windows and sockets")
		response, err := client.Get("https://api.test/small")
		require.NoError(t, err)
		assert.Equal(t, 200, response.StatusCode, "it is not even in its own way: %s", body(t, response))
	})
}
