package sidecar_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/proxy"

	"sallyport/sandbox/sidecar"
)

// socksDialer is golang.org/x/net's, another implementation.
func (w *world) socksDialer(t *testing.T, password string) proxy.Dialer {
	t.Helper()
	var auth *proxy.Auth
	if password != "" {
		auth = &proxy.Auth{User: "agent", Password: password}
	}
	d, err := proxy.SOCKS5("tcp", w.address, auth, proxy.Direct)
	require.NoError(t, err)
	return d
}

func TestSOCKSOpensATunnelToAName(t *testing.T) {
	t.Parallel()
	w := start(t, echo)
	c, err := w.socksDialer(t, "correct").Dial("tcp", "api.example:443")
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(c, "hello")
	require.NoError(t, err)
	got := make([]byte, 5)
	_, err = io.ReadFull(c, got)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(got))
	assert.Equal(t, "api.example:443", w.upstream.seen()[0].RequestURI)
	assert.Empty(t, w.upstream.seen()[0].Header)
}

func TestSOCKSAsksForThePasswordToo(t *testing.T) {
	t.Parallel()
	w := start(t, echo)
	for _, password := range []string{"", "wrong"} {
		_, err := w.socksDialer(t, password).Dial("tcp", "api.example:443")
		require.Error(t, err, password)
	}
	assert.Empty(t, w.upstream.seen(), "nothing reaches the proxy")
}

func TestSOCKSOfItsOwnUserNeedsNoPassword(t *testing.T) {
	t.Parallel()
	if sidecar.Tells(t.Context(), sidecar.User(os.Geteuid())) != nil {
		t.Skip("this system does not tell who calls")
	}
	ca := newAuthority(t)
	w := &world{ca: ca, agent: ca.issue(t, nil, agentURI)}
	w.upstream = serveUpstream(t, ca.serverConfig(ca.issue(t, nil, proxyURI)), echo)
	w.run(t, sidecar.Config{Proxy: w.upstream.address, Callers: sidecar.User(os.Geteuid())})
	for _, password := range []string{"", "any"} {
		c, err := w.socksDialer(t, password).Dial("tcp", "api.example:443")
		require.NoError(t, err, password)
		require.NoError(t, c.Close())
	}
	w.run(t, sidecar.Config{Proxy: w.upstream.address, Callers: sidecar.User(os.Geteuid() + 1)})
	_, err := w.socksDialer(t, "").Dial("tcp", "api.example:443")
	require.Error(t, err)
	assert.Len(t, w.upstream.seen(), 2, "another user's reach nothing")
}

// say sends bytes of a conversation without a password and returns all that comes back.
func (w *world) say(t *testing.T, said ...string) string {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", w.address)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	for _, one := range said {
		_, err = io.WriteString(c, one)
		require.NoError(t, err)
	}
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	got, _ := io.ReadAll(c)
	return string(got)
}

func open(t *testing.T, h handler) *world {
	t.Helper()
	ca := newAuthority(t)
	w := &world{ca: ca, agent: ca.issue(t, nil, agentURI)}
	w.upstream = serveUpstream(t, ca.serverConfig(ca.issue(t, nil, proxyURI)), h)
	w.run(t, sidecar.Config{Proxy: w.upstream.address})
	return w
}

const nobodyAsks = "\x05\x01\x00"

func TestWhatSOCKSDoesNotCarry(t *testing.T) {
	t.Parallel()
	w := open(t, echo)
	none := "\x00\x01\x00\x00\x00\x00\x00\x00"
	for name, one := range map[string]struct{ said, want string }{
		"an address":          {"\x05\x01\x00\x01\x01\x02\x03\x04\x01\xbb", "\x05\x00\x05\x08" + none},
		"one of IPv6":         {"\x05\x01\x00\x04" + string(make([]byte, 16)) + "\x01\xbb", "\x05\x00\x05\x08" + none},
		"UDP":                 {"\x05\x03\x00\x03\x01a\x01\xbb", "\x05\x00\x05\x07" + none},
		"BIND":                {"\x05\x02\x00\x03\x01a\x01\xbb", "\x05\x00\x05\x07" + none},
		"a name with a line":  {"\x05\x01\x00\x03\x03a\r\n\x01\xbb", "\x05\x00\x05\x01" + none},
		"a name with a space": {"\x05\x01\x00\x03\x03a b\x01\xbb", "\x05\x00\x05\x01" + none},
		"a name with a port":  {"\x05\x01\x00\x03\x03a:1\x01\xbb", "\x05\x00\x05\x01" + none},
		"no name":             {"\x05\x01\x00\x03\x00\x01\xbb", "\x05\x00\x05\x01" + none},
		"another version":     {"\x04\x01\x00\x03\x01a\x01\xbb", "\x05\x00\x05\x01" + none},
		"half a request":      {"\x05\x01\x00\x03\x05a", "\x05\x00"},
	} {
		assert.Equal(t, one.want, w.say(t, nobodyAsks, one.said), name)
	}
	assert.Equal(t, "\x05\xff", w.say(t, "\x05\x01\x01"), "a way to authenticate that nobody knows")
	assert.Equal(t, "\x05\xff", start(t, echo).say(t, nobodyAsks), "a password is asked for")
	assert.Empty(t, w.upstream.seen(), "nothing reaches the proxy")
}

// What the proxy says no to, SOCKS has a number for.
func TestSOCKSTellsThatTheProxyRefuses(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]byte{http.StatusForbidden: 2, http.StatusBadRequest: 2, http.StatusServiceUnavailable: 4} {
		w := open(t, func(_ *http.Request, c *tls.Conn, _ *bufio.Reader) {
			text := `{"detail": "no"}`
			fmt.Fprintf(c, "HTTP/1.1 %d No\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, len(text), text)
			_ = c.CloseWrite()
		})
		got := w.say(t, nobodyAsks, "\x05\x01\x00\x03\x01a\x01\xbb")
		require.Len(t, got, 12, "a reply, and nothing of the answer behind it")
		assert.Equal(t, want, got[3])
	}
	w := open(t, echo)
	w.stop()
	<-w.stopped
}

// Bytes that come byte by byte, and those that come ahead of their time, are the same to it.
func TestSOCKSReadsInAnyPieces(t *testing.T) {
	t.Parallel()
	w := open(t, echo)
	all := nobodyAsks + "\x05\x01\x00\x03\x0bapi.example\x01\xbbearly"
	want := "\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00early"
	assert.Equal(t, want, w.say(t, all))
	var bytes []string
	for _, b := range []byte(all) {
		bytes = append(bytes, string([]byte{b}))
	}
	assert.Equal(t, want, w.say(t, bytes...))
}

func TestCurlBySOCKS(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	w := start(t, func(_ *http.Request, c *tls.Conn, br *bufio.Reader) {
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\n\r\n")
		if _, err := http.ReadRequest(br); err == nil {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
		}
		_ = c.CloseWrite()
	})
	out, err := exec.CommandContext(t.Context(), curl, "-sS", "--max-time", "20", "-x", "socks5h://agent:correct@"+w.address, "http://api.example/").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "hi", string(out))
	assert.Equal(t, "api.example:80", w.upstream.seen()[0].RequestURI)
	out, err = exec.CommandContext(t.Context(), curl, "-sS", "--max-time", "20", "-x", "socks5h://agent:wrong@"+w.address, "http://api.example/").CombinedOutput()
	require.Error(t, err, "%s", out)
}
