package proxy_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/identity"
)

// ask sends a request on a connection that is there, and returns the answer's status.
func ask(t *testing.T, conn net.Conn, target, host string) int {
	t.Helper()
	require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
	_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, host)
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	_ = body(t, response)
	return response.StatusCode
}

// ends waits until the proxy closes the connection, and says how long that took.
func ends(t *testing.T, conn net.Conn) time.Duration {
	t.Helper()
	start := time.Now()
	require.NoError(t, conn.SetDeadline(start.Add(within)))
	_, err := io.Copy(io.Discard, conn)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the connection stays open")
	return time.Since(start)
}

func (r *rig) revoke(serial string) {
	certificate, ok := r.registry.Certificate(serial)
	require.True(r.t, ok)
	revoked, err := r.registry.RevokeCertificates(r.t.Context(), certificate.Agent, "", func(c identity.Certificate) bool { return c.Serial == serial })
	require.NoError(r.t, err)
	require.Len(r.t, revoked, 1)
	r.proxy.Cut(certificate.Agent)
}

func TestARevokedCertificateIsCutAtOnce(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2 %t", http2), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			streaming := make(chan struct{})
			r.upstream(func(w http.ResponseWriter, req *http.Request) {
				if req.URL.Path != "/stream" {
					return
				}
				_ = http.NewResponseController(w).Flush()
				close(streaming)
				<-req.Context().Done()
			}, http2, "api.test")
			old := r.agent("a")
			newer := r.certify(old.Agent)
			kept := r.connect(newer, "api.test:443", "api.test")
			require.Equal(t, 200, ask(t, kept, "/", "api.test"))
			idle := r.dial(old)
			client := r.client(old, http2)
			response, err := client.Get("https://api.test/stream")
			require.NoError(t, err)
			<-streaming

			start := time.Now()
			r.revoke(old.serial)
			_, err = io.ReadAll(response.Body)
			require.Error(t, err)
			_ = response.Body.Close()
			assert.Less(t, ends(t, idle), time.Second, "an idle connection counts against the agent's")
			assert.Less(t, time.Since(start), time.Second)
			_, err = client.Get("https://api.test/again")
			require.ErrorContains(t, err, "bad certificate", "the handshake itself fails")
			assert.Equal(t, 200, ask(t, kept, "/", "api.test"), "the newer one's tunnel stays open")

			rows := r.rows()
			require.Len(t, rows, 3)
			assert.Equal(t, audit.OutcomeRevoked, rows[1].Outcome.Outcome)
			assert.Equal(t, "revoked", rows[1].Outcome.Refusal)
			assert.Equal(t, "This certificate has been revoked.", rows[1].Outcome.Error)
			assert.Equal(t, old.serial, rows[1].CertSerial)
		})
	}
}

func TestARevokedCertificateCutsSockets(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.upstream(func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = buffered.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
		_ = buffered.Flush()
		_, _ = io.Copy(io.Discard, conn)
	}, false, "api.test")
	a := r.agent("a")
	r.certify(a.Agent)
	conn := r.connect(a, "api.test:443", "api.test")
	require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
	_, err := io.WriteString(conn, "GET /s HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, 101, response.StatusCode)
	r.revoke(a.serial)
	assert.Less(t, ends(t, conn), time.Second)
	assert.Equal(t, audit.OutcomeRevoked, r.rows()[0].Outcome.Outcome)
}

// ahead is a rig whose clock can be set forward, with an agent whose time goes on after
// its certificate's.
func ahead(t *testing.T) (*rig, *clock, agent) {
	c := new(clock)
	r := newRig(t, func(r *rig) { r.now, r.sweep = c.now, 20*time.Millisecond })
	r.upstream(func(http.ResponseWriter, *http.Request) {}, false, "api.test")
	a := r.agent("a")
	_, err := r.registry.Renew(t.Context(), a.ID, time.Now().Add(100*time.Hour))
	require.NoError(t, err)
	return r, c, a
}

func TestATunnelEndsWithItsCertificate(t *testing.T) {
	t.Parallel()
	r, clock, a := ahead(t)
	tunnel, plain := r.connect(a, "api.test:443", "api.test"), r.dial(a)
	require.Equal(t, 200, ask(t, tunnel, "/", "api.test"))
	require.Equal(t, 403, ask(t, plain, "http://nowhere.test/", "nowhere.test"), "the policy's answer")
	clock.advance(59 * time.Minute)
	require.Equal(t, 200, ask(t, tunnel, "/", "api.test"))
	clock.advance(2 * time.Minute)
	assert.Less(t, ends(t, tunnel), time.Second)
	assert.Less(t, ends(t, plain), time.Second)
}

func TestARenewalKeepsTheTunnelOpen(t *testing.T) {
	t.Parallel()
	r, clock, a := ahead(t)
	tunnel := r.connect(a, "api.test:443", "api.test")
	require.Equal(t, 200, ask(t, tunnel, "/", "api.test"))
	renewed := identity.Certificate{Serial: "abc", Agent: a.ID, NotAfter: time.Now().Add(3 * time.Hour)}
	require.NoError(t, r.registry.AddCertificate(t.Context(), renewed))
	clock.advance(2 * time.Hour)
	require.Equal(t, 200, ask(t, tunnel, "/", "api.test"), "its own certificate is over, the newest is not")
	r.revoke("abc")
	assert.Less(t, ends(t, tunnel), time.Second, "and now nothing keeps it open")
}

// Between two sweeps a request asks for itself.
func TestARequestAsksForItsCertificate(t *testing.T) {
	t.Parallel()
	c := new(clock)
	r := newRig(t, func(r *rig) { r.now, r.sweep = c.now, time.Hour })
	r.upstream(func(http.ResponseWriter, *http.Request) {}, false, "api.test")
	a := r.agent("a")
	_, err := r.registry.Renew(t.Context(), a.ID, time.Now().Add(100*time.Hour))
	require.NoError(t, err)
	tunnel, plain := r.connect(a, "api.test:443", "api.test"), r.dial(a)
	require.Equal(t, 200, ask(t, tunnel, "/", "api.test"))
	c.advance(2 * time.Hour)
	for _, conn := range []*tls.Conn{tunnel, plain} {
		require.Equal(t, 403, ask(t, conn, "https://api.test/", "api.test"))
	}
	for _, row := range r.rows()[:2] {
		assert.Equal(t, "expired", row.Outcome.Refusal)
	}
	require.NoError(t, tunnel.Close())
}
