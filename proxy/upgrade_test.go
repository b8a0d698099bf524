package proxy_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// switching is an upstream that answers every upgrade with the fields, and then echoes.
func (r *rig) switching(fields string) {
	r.upstream(func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = buffered.WriteString("HTTP/1.1 101 Switching Protocols\r\n" + fields + "\r\n")
		_ = buffered.Flush()
		_, _ = io.Copy(conn, buffered)
	}, false, "api.test")
}

// asks sends a request in a tunnel to api.test and returns the answer to it.
func (r *rig) asks(a agent, request string) (io.ReadWriteCloser, *bufio.Reader, *http.Response) {
	conn := r.connect(a, "api.test:443", "api.test")
	r.t.Cleanup(func() { _ = conn.NetConn().Close() })
	require.NoError(r.t, conn.SetDeadline(time.Now().Add(within)))
	_, err := io.WriteString(conn, request)
	require.NoError(r.t, err)
	from := bufio.NewReader(conn)
	response, err := http.ReadResponse(from, nil)
	require.NoError(r.t, err)
	return conn, from, response
}

const spdyRequest = "POST /exec HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n" +
	"X-Stream-Protocol-Version: v4.channel.k8s.io\r\nContent-Length: 0\r\n\r\n"

// Older clients of Kubernetes run commands over SPDY.
func TestSPDYPassesWhereARuleSaysSo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.switching("Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n")
	conn, from, response := r.asks(r.agent("a"), spdyRequest)
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	assert.Equal(t, "SPDY/3.1", response.Header.Get("Upgrade"))
	assert.Equal(t, "v4.channel.k8s.io", response.Header.Get("X-Stream-Protocol-Version"))
	_, err := io.WriteString(conn, "\x80\x03 a frame")
	require.NoError(t, err)
	got := make([]byte, 10)
	_, err = io.ReadFull(from, got)
	require.NoError(t, err)
	assert.Equal(t, "\x80\x03 a frame", string(got))
	require.NoError(t, conn.Close())
	row := r.rowsOf(1)[0]
	assert.Equal(t, "SPDY", row.Method)
	assert.Equal(t, audit.OutcomeCompleted, row.Outcome.Outcome)
}

func TestSPDYIsAMethodOfItsOwn(t *testing.T) {
	t.Parallel()
	for rules, want := range map[string]int{
		"{name: a, allow: {host: api.test, methods: [SPDY]}}":                                    101,
		"{name: a, allow: {host: api.test, methods: [POST, GET, WEBSOCKET]}}":                    403,
		"{name: a, allow: {host: api.test}}, {name: b, deny: {host: api.test, methods: [POST]}}": 403,
	} {
		r := newRig(t)
		r.switching("Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n")
		r.configure("policy: operator\nrules: [" + rules + "]\n")
		_, _, response := r.asks(r.agent("a"), spdyRequest)
		assert.Equal(t, want, response.StatusCode, rules)
		if strings.Contains(rules, "WEBSOCKET") {
			assert.Contains(t, body(t, response), "methods: [SPDY]")
		}
	}
}

const socketRequest = "GET /s HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"

// What an upstream answers must be the handshake that was asked for: what follows is read by nobody.
func TestAnUpgradeThatWasNotAgreedIsNoAnswer(t *testing.T) {
	t.Parallel()
	key := "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	for fields, want := range map[string]int{
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n": 101,
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==\r\n":     502,
		"Connection: Upgrade\r\nUpgrade: websocket\r\n":                                                       502,
		"Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n":  502,
		"Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n":                        502,
	} {
		r := newRig(t)
		r.switching(fields)
		_, _, response := r.asks(r.agent("a"), socketRequest+key)
		assert.Equal(t, want, response.StatusCode, fields)
	}
}

func TestAHandshakeWithoutAKeyIsMalformed(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "Sec-WebSocket-Key: short\r\n", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"} {
		r := newRig(t)
		_, _, response := r.asks(r.agent("a"), socketRequest+key+"\r\n")
		assert.Equal(t, http.StatusBadRequest, response.StatusCode, key)
		assert.Contains(t, body(t, response), "Sec-WebSocket-Key")
		assert.Equal(t, "WEBSOCKET", r.rowsOf(1)[0].Method)
	}
}

func TestTheRowSaysHowASocketWasClosed(t *testing.T) {
	t.Parallel()
	for by, code := range map[string]websocket.StatusCode{"agent": websocket.StatusNormalClosure, "upstream": websocket.StatusGoingAway} {
		r := newRig(t)
		r.upstream(func(w http.ResponseWriter, req *http.Request) {
			conn, err := websocket.Accept(w, req, nil)
			if !assert.NoError(t, err) {
				return
			}
			if by == "upstream" {
				_ = conn.Close(code, "restarts")
			}
			_, _, _ = conn.Read(req.Context())
		}, true, "api.test")
		conn := r.socket(r.client(r.agent("a"), false))
		if by == "agent" {
			_ = conn.Close(code, "done")
		} else {
			_, _, err := conn.Read(t.Context())
			assert.Equal(t, code, websocket.CloseStatus(err))
		}
		row := r.rowsOf(1)[0]
		assert.Equal(t, by, row.Outcome.Details["closed_by"])
		assert.EqualValues(t, code, row.Outcome.Details["close_code"])
	}
}
