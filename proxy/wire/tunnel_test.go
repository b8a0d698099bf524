package wire_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"sallyport/proxy/wire"
)

func TestATunnelIsClosedOnce(t *testing.T) {
	t.Parallel()
	h := &house{handler: whence}
	r := newRig(t, h)
	conn := r.connect("example.test", "http/1.1")
	_, _ = ask(t, conn, "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n")
	require.NoError(t, conn.Close())
	h.eventually(t, func() bool { return h.closed == 1 && h.left == 1 })
	require.NoError(t, h.opened[0].Cut(), "it may be cut at any time")
	r.stop()
	assert.Equal(t, 1, h.closed)
}

func TestACutTunnelIsGone(t *testing.T) {
	t.Parallel()
	h := &house{handler: whence}
	r := newRig(t, h)
	conn := r.connect("example.test", "http/1.1")
	_, _ = ask(t, conn, "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n")
	require.NoError(t, h.opened[0].Cut())
	_, err := conn.Read(make([]byte, 1))
	require.Error(t, err)
	h.eventually(t, func() bool { return h.closed == 1 })
}

func TestATunnelThatIsRefusedIsNotOpen(t *testing.T) {
	t.Parallel()
	h := &house{refuse: answer(http.StatusTeapot)}
	r := newRig(t, h)
	response, _ := ask(t, r.dial(), "CONNECT example.test:443 HTTP/1.1\r\nHost: example.test\r\n\r\n")
	assert.Equal(t, http.StatusTeapot, response.StatusCode)
	r.stop()
	assert.Zero(t, h.closed)
}

func TestAConnectIsReadAsItWasSent(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"CONNECT example.test:443 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n": "ambiguous",
		"CONNECT example.test:443 HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n":                                      "folded",
		"CONNECT example.test HTTP/1.1\r\nHost: x\r\n\r\n":                                                        "a host and a port",
		"CONNECT someone@example.test:443 HTTP/1.1\r\nHost: x\r\n\r\n":                                            "a host and a port",
		"CONNECT example.test:443 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx":                              "no body",
	} {
		h := &house{}
		r := newRig(t, h)
		response, _ := ask(t, r.dial(), said)
		assert.Equal(t, http.StatusBadRequest, response.StatusCode)
		h.note(func() {
			require.Len(t, h.faults, 1, said)
			assert.Contains(t, h.faults[0].Detail, want)
			if h.faults[0].Cause != nil {
				assert.NotContains(t, h.faults[0].Cause.Error(), "someone")
			}
		})
	}
}

func TestOnlyTLSForItsNamePassesATunnel(t *testing.T) {
	t.Parallel()
	h := &house{handler: func(http.ResponseWriter, *http.Request) { t.Error("something came out of it") }}
	r := newRig(t, h)
	response, _ := ask(t, r.connect("", ""), "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n")
	assert.Equal(t, http.StatusTeapot, response.StatusCode, "who sends clear text can read the answer")
	h.eventually(t, func() bool { return h.closed == 1 })
	require.ErrorIs(t, h.broken[0], wire.ErrNotTLS)

	require.Error(t, r.connect("other.test", "http/1.1").(*tls.Conn).Handshake())
	h.eventually(t, func() bool { return h.closed == 2 })
	var wrong *wire.SNIError
	require.ErrorAs(t, h.broken[1], &wrong)
	assert.Contains(t, wrong.Error(), "other.test")
}

func TestGitIsOfferedNoHTTP2(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]string{"git/2.40": "http/1.1", "curl/8.5": "h2"} {
		r := newRig(t, &house{})
		conn := r.dial()
		_, err := io.WriteString(conn, "CONNECT example.test:443 HTTP/1.1\r\nHost: x\r\nUser-Agent: "+agent+"\r\n\r\n")
		require.NoError(t, err)
		_, err = io.ReadFull(conn, make([]byte, len("HTTP/1.1 200 Connection established\r\n\r\n")))
		require.NoError(t, err)
		inner := tls.Client(conn, &tls.Config{RootCAs: r.config.RootCAs, ServerName: "example.test", NextProtos: []string{"h2", "http/1.1"}})
		require.NoError(t, inner.Handshake())
		assert.Equal(t, want, inner.ConnectionState().NegotiatedProtocol, agent)
	}
}

// What a server refuses by itself is told, with an answer that takes its answer's place.
func TestWhatCannotBeParsedIsTold(t *testing.T) {
	t.Parallel()
	h := &house{handler: func(http.ResponseWriter, *http.Request) { t.Error("a handler was given it") }}
	r := newRig(t, h)
	response, _ := ask(t, r.connect("example.test", "http/1.1"), "GET /a?secret=1 HTTP/1.1\r\nHost: example.test\r\nBad Name: x\r\n\r\n")
	assert.Equal(t, http.StatusTeapot, response.StatusCode)
	assert.Equal(t, wire.Unparsed{Method: "GET", Path: "/a", Why: "Bad Request", Status: 400}, h.unparsed[0])

	response, _ = ask(t, r.dial(), "GET /"+strings.Repeat("a", 70<<10)+" HTTP/1.1\r\n")
	assert.Equal(t, http.StatusTeapot, response.StatusCode)
	assert.Equal(t, http.StatusRequestHeaderFieldsTooLarge, h.unparsed[1].Status)

	conn := r.connect("example.test", "h2")
	_, err := io.WriteString(conn, http2.ClientPreface)
	require.NoError(t, err)
	framer := http2.NewFramer(conn, conn)
	require.NoError(t, framer.WriteSettings())
	block := encode(t, []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "https"}, {Name: ":path", Value: "/%zz?secret=1"}, {Name: ":authority", Value: "example.test"}})
	require.NoError(t, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndStream: true, EndHeaders: true}))
	h.eventually(t, func() bool { return len(h.unparsed) == 3 })
	assert.Equal(t, wire.Unparsed{Method: "GET", Path: "/%zz", HTTP2: true, Why: "the path cannot be parsed"}, h.unparsed[2])
}
