package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/internal/host"
	"sallyport/proxy"
)

// during makes the rig report to one run of a fuzz target.
func (r *rig) during(t *testing.T) (end func()) {
	f := r.t
	r.t = t
	return func() { r.t = f }
}

// FuzzConnectAuthority: a tunnel is opened for a well-formed authority and for
// nothing else, and what is refused has a row.
func FuzzConnectAuthority(f *testing.F) {
	for _, seed := range []string{
		"api.test:443", "API.test.:443", "api.test", "api.test:0", "api.test:65536", "api.test:+443", "[::1]:443", "[fe80::1%25lo]:443",
		"127.0.0.1:443", "0x7f.1:443", "2130706433:443", "0177.0.0.1:443", "u@api.test:443", "api.test:443/", "api.test:443?x", "a..b:1",
		"%61pi.test:443", "[api.test]:443", "bücher.test:443", "xn--a.test:443", ":443", "*:443", "https://api.test:443", "api.test:443#x", "-a:1",
	} {
		f.Add(seed)
	}
	r := newRig(f, limited(proxy.Limits{Tunnels: 1 << 20}))
	a := r.agent("a")
	f.Fuzz(func(t *testing.T, authority string) {
		if strings.ContainsAny(authority, " \r\n\t") || authority == "" {
			return // another request line
		}
		defer r.during(t)()
		conn := r.dial(a)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
		_, err := io.WriteString(conn, "CONNECT "+authority+" HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
		require.NoError(t, err)
		defer response.Body.Close()
		if response.StatusCode == http.StatusOK {
			_, err := host.ParseAuthority(authority, 0)
			require.NoError(t, err, "a tunnel for %q", authority)
			return
		}
		require.Contains(t, response.Header.Get("Proxy-Status"), "malformed", authority)
		require.NotContains(t, r.log.String(), "panic")
	})
}

// heads are beginnings of HTTP/1.1 conversations worth varying.
var heads = []string{
	"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n",
	"GET https://api.test/a?b HTTP/1.1\r\nHost: api.test\r\n\r\n",
	"POST /x HTTP/1.1\r\nHost: api.test\r\nContent-Length: 4\r\n\r\nbodyGET /y HTTP/1.1\r\nHost: api.test\r\n\r\n",
	"POST /x HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-T: 1\r\n\r\nGET /y HTTP/1.1\r\nHost: api.test\r\n\r\n",
	"POST /x HTTP/1.1\r\nHost: api.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"POST /x HTTP/1.0\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"GET / HTTP/1.1\nHost: api.test\n\n",
	"GET / HTTP/1.1\r\nHost: api.test\r\nX: a\r\n b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: api.test\r\nHost: other.test\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: other.test\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost: api.test\r\n\r\n",
	"GET /a/%2e%2e/b HTTP/1.1\r\nHost: api.test\r\n\r\n",
	"GET /a;b=%zz HTTP/1.1\r\nHost: api.test\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: api.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	"PUT /x HTTP/1.1\r\nHost: api.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n",
	"GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n",
	"GET //evil.test/x HTTP/1.1\r\nHost: api.test\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
	"\r\n\r\nGET / HTTP/1.1\r\nHost: api.test\r\n\r\n",
}

// judge is an upstream that asks the trail about every request that reaches it.
type judge struct {
	mu     sync.Mutex
	faults []string
}

func (j *judge) fault(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.faults = append(j.faults, fmt.Sprintf(format, args...))
}

func (j *judge) upstream(r *rig, reader *trail.Reader) http.HandlerFunc {
	return func(_ http.ResponseWriter, req *http.Request) {
		if auth := req.Header["Authorization"]; len(auth) != 1 || auth[0] != "Bearer "+canary {
			j.fault("the request has the authentication %q", auth)
		}
		if req.Host != "api.test" {
			j.fault("the request is for %q", req.Host)
		}
		path, _, _ := strings.Cut(req.RequestURI, "?")
		method := req.Method
		if req.Header.Get("Upgrade") != "" {
			method = "WEBSOCKET"
		}
		rows, err := reader.List(req.Context(), audit.Filter{Limit: 20})
		if err != nil {
			return // the request is over already
		}
		known := false
		for _, row := range rows {
			if row.Path == path && row.Method == method && row.Decision == audit.DecisionAllow {
				if known = true; !row.Ended {
					return
				}
			}
		}
		if known {
			select { // one that was broken off ends here, too
			case <-req.Context().Done():
				return
			case <-time.After(within):
			}
		}
		j.fault("%s %s has no open row", req.Method, path)
	}
}

// FuzzRequestHead: whatever bytes come out of a tunnel, nothing reaches the
// upstream without a committed row that names it, and nothing panics.
func FuzzRequestHead(f *testing.F) {
	for _, seed := range heads {
		f.Add([]byte(seed))
	}
	r := newRig(f, limited(proxy.Limits{Tunnels: 1 << 20, Exchanges: 1 << 20}))
	reader, err := trail.OpenReader(r.trailPath)
	require.NoError(f, err)
	f.Cleanup(func() { _ = reader.Close() })
	var j judge
	r.upstream(j.upstream(r, reader), false, "api.test")
	a := r.agent("a")
	f.Fuzz(func(t *testing.T, said []byte) {
		defer r.during(t)()
		conn := r.connect(a, "api.test:443", "api.test")
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
		_, err := conn.Write(append(bytes.Clone(said), "\r\n\r\n"...))
		require.NoError(t, err)
		_ = conn.CloseWrite() // no more will come
		answers := bufio.NewReader(conn)
		for {
			response, err := http.ReadResponse(answers, nil)
			if err != nil {
				break
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			if response.StatusCode >= 400 && response.StatusCode != http.StatusBadGateway {
				assert.Contains(t, response.Header.Get("Proxy-Status"), "sallyport", "%d for %q", response.StatusCode, said)
			}
		}
		j.mu.Lock()
		defer j.mu.Unlock()
		require.Empty(t, j.faults, "%q", said)
		require.NotContains(t, r.log.String(), "panic", "%q", said)
	})
}
