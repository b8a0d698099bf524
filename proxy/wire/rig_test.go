package wire_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sallyport/certs"
	"sallyport/proxy/wire"
)

const within = 30 * time.Second

// TestMain fails when a goroutine outlives the tests that started it.
func TestMain(m *testing.M) {
	code := m.Run()
	for deadline := time.Now().Add(5 * time.Second); code == 0 && strings.Contains(stacks(), "sallyport/proxy/wire."); {
		if time.Now().After(deadline) {
			_, _ = os.Stderr.WriteString("goroutines are left after the tests:\n" + stacks() + "\n")
			code = 1
		}
		time.Sleep(10 * time.Millisecond) // there is no event for the end of a goroutine
	}
	os.Exit(code)
}

func stacks() string {
	buffer := make([]byte, 4<<20)
	return string(buffer[:runtime.Stack(buffer, true)])
}

// house is whoever a Server asks: it lets everybody in, opens every tunnel, and keeps what
// it was told. A test sets what it is about before it serves.
type house struct {
	verify, enter error          // refuse a handshake, or a connection after it
	refuse        *http.Response // answers CONNECT
	handler       http.HandlerFunc

	mu       sync.Mutex
	entered  int
	left     int
	refused  int            // handshakes
	opened   []*wire.Tunnel // with their authority
	closed   int
	faults   []*wire.Fault
	broken   []error
	unparsed []wire.Unparsed
}

func (h *house) note(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

// eventually waits until the house has been told of something.
func (h *house) eventually(t *testing.T, holds func() bool) {
	t.Helper()
	require.Eventually(t, func() (ok bool) { h.note(func() { ok = holds() }); return ok }, within, time.Millisecond)
}

func (h *house) Verify(tls.ConnectionState) error { return h.verify }

func (h *house) Caller(tls.ConnectionState) (wire.Caller, error) { return guest{h}, nil }

type guest struct{ *house }

func (g guest) Enter(*wire.Conn) error {
	if g.enter == nil {
		g.note(func() { g.entered++ })
	}
	return g.enter
}

func (g guest) Leave() { g.note(func() { g.left++ }) }

func (h *house) Open(t *wire.Tunnel, _ *http.Request, fault *wire.Fault) (func(), *http.Response) {
	if fault != nil {
		h.note(func() { h.faults = append(h.faults, fault) })
		return nil, answer(http.StatusBadRequest)
	}
	if h.refuse != nil {
		return nil, h.refuse
	}
	h.note(func() { h.opened = append(h.opened, t) })
	return func() { h.note(func() { h.closed++ }) }, nil
}

func (h *house) Broken(_ *wire.Tunnel, why error) *http.Response {
	h.note(func() { h.broken = append(h.broken, why) })
	return answer(http.StatusTeapot)
}

func (h *house) Unparsed(_ *wire.Session, u wire.Unparsed) *http.Response {
	h.note(func() { h.unparsed = append(h.unparsed, u) })
	return answer(http.StatusTeapot)
}

func answer(status int) *http.Response {
	return &http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Close: true, Body: http.NoBody}
}

// rig is a Server on loopback.
type rig struct {
	t       *testing.T
	server  *wire.Server
	address string
	config  *tls.Config // of who connects
	grace   time.Duration
	stop    func() // drains, closes, and waits until Serve has returned
}

func newRig(t *testing.T, h *house) *rig {
	t.Helper()
	now := time.Now()
	authority, err := certs.CreateAuthority(certs.Template{CommonName: "agents", URI: "spiffe://agents.test", Lifetime: time.Hour}, now)
	require.NoError(t, err)
	inner, err := certs.CreateAuthority(certs.Template{CommonName: "interception", Lifetime: time.Hour}, now)
	require.NoError(t, err)
	listener, err := authority.IssueListener(certs.ListenerSpec{URI: "spiffe://agents.test/server", Names: []string{"127.0.0.1"}}, time.Hour, now)
	require.NoError(t, err)
	client, err := authority.IssueClient("spiffe://agents.test/agent/a", time.Hour, now)
	require.NoError(t, err)
	handler := h.handler
	if handler == nil {
		handler = func(http.ResponseWriter, *http.Request) {}
	}
	server, err := wire.New(wire.Config{
		Certificate: func() *tls.Certificate { return &listener.TLS }, ClientCAs: authority.Pool(),
		Leaf: certs.NewLeaves(inner, 8, time.Now).Certificate, Gate: h, Tunnels: h, Handler: handler,
		Refused: func() { h.note(func() { h.refused++ }) }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(authority.Certificate())
	roots.AddCert(inner.Certificate())
	r := &rig{
		t: t, server: server, address: ln.Addr().String(), grace: 100 * time.Millisecond,
		config: &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", Certificates: []tls.Certificate{client.TLS}},
	}
	stopped, served := make(chan struct{}), make(chan error, 1)
	go func() { served <- server.Serve(ln, stopped) }()
	r.stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), r.grace)
		defer cancel()
		drained, err := server.Drain(ctx)
		require.True(t, drained)
		require.NoError(t, err)
		server.Close()
		var open []*wire.Tunnel
		h.note(func() { open = h.opened })
		for _, tunnel := range open {
			_ = tunnel.Cut()
		}
		close(stopped)
		require.NoError(t, <-served)
	})
	t.Cleanup(r.stop)
	return r
}

// dial connects, with the handshake done as far as a client sees.
func (r *rig) dial() *tls.Conn {
	conn, err := tls.Dial("tcp", r.address, r.config)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = conn.Close() })
	require.NoError(r.t, conn.SetDeadline(time.Now().Add(within)))
	return conn
}

// connect opens a tunnel to example.test, and TLS in it if there is a name to ask for.
func (r *rig) connect(sni, protocol string) net.Conn {
	conn := r.dial()
	_, err := io.WriteString(conn, "CONNECT example.test:443 HTTP/1.1\r\nHost: example.test:443\r\n\r\n")
	require.NoError(r.t, err)
	const established = "HTTP/1.1 200 Connection established\r\n\r\n"
	said := make([]byte, len(established))
	_, err = io.ReadFull(conn, said)
	require.NoError(r.t, err)
	require.Equal(r.t, established, string(said))
	if sni == "" {
		return conn
	}
	return tls.Client(conn, &tls.Config{RootCAs: r.config.RootCAs, ServerName: sni, NextProtos: []string{protocol}})
}

// ask writes bytes and reads one answer with its body.
func ask(t *testing.T, conn net.Conn, said string) (*http.Response, string) {
	t.Helper()
	_, err := io.WriteString(conn, said)
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(text)
}

var errNo = errors.New("no")
