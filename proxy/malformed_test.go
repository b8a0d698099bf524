package proxy_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// within bounds a raw conversation. It is long, for it is only ever waited out when
// a test fails, and machines may be slow.
const within = 30 * time.Second

func TestMalformedRequestsAreRefusedAndRecorded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var reached atomic.Int64
	r.upstream(func(http.ResponseWriter, *http.Request) { reached.Add(1) }, false, "api.test")
	for name, c := range map[string]struct {
		request string
		status  int
		word    string
	}{
		"both framings":        {"POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "malformed"},
		"bare line feed":       {"GET / HTTP/1.1\nHost: api.test\n\n", 400, "malformed"},
		"folded header":        {"GET / HTTP/1.1\r\nHost: api.test\r\nX-A: b\r\n c\r\n\r\n", 400, "malformed"},
		"two lengths":          {"POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400, "malformed"},
		"signed length":        {"POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: +5\r\n\r\nhello", 400, "malformed"},
		"unknown encoding":     {"POST / HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "malformed"},
		"space before colon":   {"GET / HTTP/1.1\r\nHost: api.test\r\nX-A : b\r\n\r\n", 400, "malformed"},
		"no host":              {"GET / HTTP/1.1\r\n\r\n", 400, "malformed"},
		"two hosts":            {"GET / HTTP/1.1\r\nHost: api.test\r\nHost: api.test\r\n\r\n", 400, "malformed"},
		"no host in 1.0":       {"GET / HTTP/1.0\r\n\r\n", 400, "malformed"},
		"chunked in 1.0":       {"POST / HTTP/1.0\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "malformed"},
		"other host":           {"GET / HTTP/1.1\r\nHost: other.test\r\n\r\n", 421, "authority"},
		"other port":           {"GET / HTTP/1.1\r\nHost: api.test:444\r\n\r\n", 421, "authority"},
		"absolute elsewhere":   {"GET https://other.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n", 421, "authority"},
		"host elsewhere":       {"GET https://api.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n", 421, "authority"},
		"http in tunnel":       {"GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n", 400, "malformed"},
		"user information":     {"GET https://u:p@api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n", 400, "malformed"},
		"trace":                {"TRACE / HTTP/1.1\r\nHost: api.test\r\n\r\n", 400, "malformed"},
		"connect inside":       {"CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n", 400, "malformed"},
		"star":                 {"OPTIONS * HTTP/1.1\r\nHost: api.test\r\n\r\n", 400, "malformed"},
		"h2c":                  {"GET / HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n", 400, "malformed"},
		"dot segment":          {"GET /a/../b HTTP/1.1\r\nHost: api.test\r\n\r\n", 400, "malformed"},
		"hidden dot segment":   {"GET /a/%2e%2E/b HTTP/1.1\r\nHost: api.test\r\n\r\n", 400, "malformed"},
		"nul":                  {"GET /a%00b HTTP/1.1\r\nHost: api.test\r\n\r\n", 400, "malformed"},
		"backslash":            {"GET /a%5Cb HTTP/1.1\r\nHost: api.test\r\n\r\n", 400, "malformed"},
		"underscored override": {"POST /a HTTP/1.1\r\nHost: api.test\r\nx_http_method-Override: DELETE\r\nContent-Length: 0\r\n\r\n", 400, "malformed"},
		"method override":      {"POST /a HTTP/1.1\r\nHost: api.test\r\nX-HTTP-Method-Override: DELETE\r\nContent-Length: 0\r\n\r\n", 400, "malformed"},
		"large header":         {"GET /a HTTP/1.1\r\nHost: api.test\r\nX-A: " + strings.Repeat("a", 66<<10) + "\r\n\r\n", 431, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			a := r.agent(strings.ReplaceAll(name, " ", "-"))
			conn := r.connect(a, "api.test:443", "api.test")
			require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
			go func() { _, _ = io.WriteString(conn, c.request) }()
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			text := body(t, response)
			assert.Equal(t, c.status, response.StatusCode, text)
			assert.Contains(t, text, "urn:sallyport:refusal:"+c.word)
			assert.Contains(t, response.Header.Get("Proxy-Status"), "sallyport; error=")
			found := false
			for _, row := range r.rows() {
				if row.Agent == a.ID {
					found = true
					assert.Equal(t, c.word, row.Outcome.Refusal)
					assert.Contains(t, text, row.ID.String())
				}
			}
			assert.True(t, found, "no row")
		})
	}
	assert.Zero(t, reached.Load())
}

func TestSmuggledRequestIsJudgedByItself(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var paths []string
	r.upstream(func(_ http.ResponseWriter, req *http.Request) { paths = append(paths, req.URL.Path) }, false, "api.test")
	conn := r.connect(r.agent("a"), "api.test:443", "api.test")
	require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
	_, err := io.WriteString(conn, "POST /one HTTP/1.1\r\nHost: api.test\r\nContent-Length: 4\r\n\r\nbody"+
		"GET /forbidden/two HTTP/1.1\r\nHost: api.test\r\n\r\n"+
		"GET /three HTTP/1.1\r\nHost: api.test\r\n\r\n")
	require.NoError(t, err)
	reader := bufio.NewReader(conn)
	for _, want := range []int{200, 403, 200} {
		response, err := http.ReadResponse(reader, nil)
		require.NoError(t, err)
		_ = body(t, response)
		assert.Equal(t, want, response.StatusCode)
	}
	assert.Equal(t, []string{"/one", "/three"}, paths)
}

func TestSNIMustNameTheTunnel(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.upstream(func(http.ResponseWriter, *http.Request) {}, false, "api.test")
	a := r.agent("a")
	require.NoError(t, r.connect(a, "api.test:443", "").Handshake(), "none is allowed")
	require.Error(t, r.connect(a, "api.test:443", "other.test").Handshake())
	row := r.rowsOf(1)[0]
	assert.Equal(t, "authority", row.Outcome.Refusal)
	assert.Equal(t, http.MethodConnect, row.Method)
}

func TestSNIIsCheckedOnResumedSessions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.upstream(func(http.ResponseWriter, *http.Request) {}, false, "api.test")
	a := r.agent("a")
	sessions := tls.NewLRUClientSessionCache(8)
	exchange := func(authority, sni string) (*tls.Conn, error) {
		plain := r.connect(a, authority, sni)
		conn := tls.Client(plain.NetConn(), &tls.Config{RootCAs: r.roots(), ServerName: sni, InsecureSkipVerify: true, ClientSessionCache: sessions})
		if err := conn.Handshake(); err != nil {
			return nil, err
		}
		_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		_ = body(t, response)
		return conn, nil
	}
	_, err := exchange("api.test:443", "api.test")
	require.NoError(t, err)
	resumed, err := exchange("api.test:443", "api.test")
	require.NoError(t, err)
	require.True(t, resumed.ConnectionState().DidResume, "the test needs a resumed session")
	_, err = exchange("open.test:443", "api.test") // the ticket is for api.test
	require.Error(t, err)
}

func TestResumedSessionDoesNotOutliveRevocation(t *testing.T) {
	t.Parallel()
	for name, revoke := range map[string]func(*rig, agent){
		"agent": func(r *rig, a agent) {
			_, err := r.registry.Revoke(t.Context(), a.ID, "test")
			require.NoError(t, err)
		},
		"certificate": func(r *rig, a agent) { r.revoke(a.serial) },
	} {
		t.Run(name, func(t *testing.T) { testResumedSession(t, revoke) })
	}
}

func testResumedSession(t *testing.T, revoke func(*rig, agent)) {
	r := newRig(t)
	r.upstream(func(http.ResponseWriter, *http.Request) {}, false, "api.test")
	a := r.agent("a")
	config := r.tlsConfig(a)
	config.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	attempt := func() (bool, error) {
		conn, err := tls.Dial("tcp", r.address, config)
		if err != nil {
			return false, err
		}
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
		_, _ = io.WriteString(conn, "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n")
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return conn.ConnectionState().DidResume, err
		}
		require.Equal(t, 200, response.StatusCode)
		return conn.ConnectionState().DidResume, nil
	}
	_, err := attempt()
	require.NoError(t, err)
	resumed, err := attempt()
	require.NoError(t, err)
	require.True(t, resumed, "the test needs a resumed session")
	revoke(r, a)
	_, err = attempt()
	require.Error(t, err)
}

func TestBytesThatAreNotTLS(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	conn := r.connect(r.agent("a"), "api.test:443", "api.test").NetConn()
	require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	assert.Contains(t, body(t, response), "urn:sallyport:refusal:malformed")
	assert.Equal(t, "malformed", r.rows()[0].Outcome.Refusal)
}

func TestClearTextOnTheListener(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	conn, err := net.Dial("tcp", r.address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
	_, err = io.WriteString(conn, "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n")
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	assert.Equal(t, http.StatusBadRequest, response.StatusCode)
	assert.Contains(t, body(t, response), "sallyport sidecar")
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	assert.Empty(t, r.rows())
}

func TestNoCertificateNoConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	conn, err := tls.Dial("tcp", r.address, r.tlsConfig(agent{}))
	if err == nil {
		_, err = conn.Read(make([]byte, 1))
	}
	require.ErrorContains(t, err, "certificate required")
	assert.Empty(t, r.rows())
}

func TestClientHelloGluedToConnect(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.upstream(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "glued") }, false, "api.test")
	a := r.agent("a")
	for range 5 {
		outer := r.dial(a)
		glue := &gluing{Conn: outer, head: "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n"}
		inner := tls.Client(glue, &tls.Config{RootCAs: r.roots(), ServerName: "api.test"})
		require.NoError(t, inner.SetDeadline(time.Now().Add(within)))
		_, err := io.WriteString(inner, "GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(inner), nil)
		require.NoError(t, err)
		assert.Equal(t, "glued", body(t, response))
	}
}

// gluing sends a CONNECT in one packet with the first bytes of what follows.
type gluing struct {
	net.Conn
	head   string
	reader *bufio.Reader
}

func (g *gluing) Write(b []byte) (int, error) {
	if g.head == "" {
		return g.Conn.Write(b)
	}
	_, err := g.Conn.Write(append([]byte(g.head), b...))
	g.head = ""
	return len(b), err
}

func (g *gluing) Read(b []byte) (int, error) {
	if g.reader == nil {
		g.reader = bufio.NewReader(g.Conn)
		response, err := http.ReadResponse(g.reader, &http.Request{Method: http.MethodConnect})
		if err != nil {
			return 0, err
		}
		if response.StatusCode != http.StatusOK {
			return 0, io.ErrUnexpectedEOF
		}
	}
	return g.reader.Read(b)
}

func TestUnusableConnectIsRefusedAndRecorded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := r.agent("a")
	for _, authority := range []string{"api.test", "api.test:0", "api.test:99999", "0x7f.1:443", "[fe80::1%25eth0]:443", "user@api.test:443"} {
		conn := r.dial(a)
		require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
		_, err := io.WriteString(conn, "CONNECT "+authority+" HTTP/1.1\r\nHost: "+authority+"\r\n\r\n")
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err, authority)
		assert.Equal(t, http.StatusBadRequest, response.StatusCode, authority)
		assert.Contains(t, body(t, response), "urn:sallyport:refusal:malformed", authority)
	}
	assert.Len(t, r.rows(), 6)
}

func TestPlainRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.WriteString(w, "auth="+req.Header.Get("Authorization"))
	})}
	go func() { _ = server.Serve(ln) }()
	defer server.Close()
	r.point("clear.test:80", ln.Addr().String())
	r.configure(rigPolicy)
	client := r.client(r.agent("a"), false)
	request, err := http.NewRequest(http.MethodGet, "http://clear.test/x", nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer placeholder")
	response, err := client.Do(request)
	require.NoError(t, err)
	assert.Equal(t, "auth=", body(t, response), "the placeholder is removed, and nothing goes in clear text")
	response, err = client.Get("http://api.test/x")
	require.NoError(t, err)
	assert.Contains(t, body(t, response), "urn:sallyport:refusal:policy")
}
