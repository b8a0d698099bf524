package sidecar_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sallyport/sandbox/sidecar"
)

const (
	domain   = "agents.example.com"
	agentURI = "spiffe://" + domain + "/agent/0197a1d4-0000-7000-8000-000000000001"
	proxyURI = "spiffe://" + domain + "/sallyport"
)

// TestMain fails if a test leaves a goroutine of the sidecar behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := waitForNone("sallyport/sandbox/sidecar."); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines left behind:\n"+left)
		code = 1
	}
	os.Exit(code)
}

func waitForNone(function string) string {
	buf := make([]byte, 1<<20)
	var left string
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); runtime.Gosched() {
		left = ""
		for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, function) && !strings.Contains(g, "TestMain") {
				left += g + "\n\n"
			}
		}
		if left == "" {
			break
		}
	}
	return left
}

// authority is a CA for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issued is a certificate in all the forms that tests need.
type issued struct {
	cert, key []byte
	tls       tls.Certificate
}

// issue makes a certificate; like the product's it may act as client and server.
func (a *authority) issue(t testing.TB, change func(*x509.Certificate), uris ...string) issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	for _, s := range uris {
		u, err := url.Parse(s)
		require.NoError(t, err)
		template.URIs = append(template.URIs, u)
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	i := issued{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	}
	i.tls, err = tls.X509KeyPair(i.cert, i.key)
	require.NoError(t, err)
	return i
}

// save writes an identity folder.
func (a *authority) save(t *testing.T, dir string, i issued) {
	t.Helper()
	for name, data := range map[string][]byte{"agent.crt": i.cert, "agent.key": i.key, "ca.crt": a.pem} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
}

// upstream plays Sallyport's listener: mutual TLS 1.3, then a handler for every
// request head, which owns the connection.
type upstream struct {
	address string

	mu      sync.Mutex
	told    []string // what the sidecar has refused itself
	heads   []*http.Request
	resumed []bool
	peers   []string
}

type handler func(r *http.Request, c *tls.Conn, br *bufio.Reader)

func serveUpstream(t testing.TB, config *tls.Config, h handler) *upstream {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return serveUpstreamOn(t, l, config, h)
}

func serveUpstreamOn(t testing.TB, l net.Listener, config *tls.Config, h handler) *upstream {
	t.Helper()
	u := &upstream{address: l.Addr().String()}
	var connections sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	connections.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			connections.Go(func() { defer c.Close(); u.serve(tls.Server(c, config), h) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		connections.Wait()
	})
	return u
}

func (u *upstream) serve(c *tls.Conn, h handler) {
	br := bufio.NewReader(c)
	r, err := http.ReadRequest(br)
	if err != nil {
		return
	}
	state := c.ConnectionState()
	if told := r.Header.Get("Sallyport-Refused"); told != "" {
		u.mu.Lock()
		u.told = append(u.told, told)
		u.mu.Unlock()
		fmt.Fprint(c, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
		return
	}
	u.mu.Lock()
	u.heads = append(u.heads, r)
	u.resumed = append(u.resumed, state.DidResume)
	u.peers = append(u.peers, state.PeerCertificates[0].SerialNumber.String())
	u.mu.Unlock()
	h(r, c, br)
}

func (u *upstream) seen() []*http.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]*http.Request(nil), u.heads...)
}

func (u *upstream) refused() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]string(nil), u.told...)
}

func (u *upstream) lastPeer() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.peers[len(u.peers)-1]
}

// echo answers CONNECT with 200 and sends back what comes, until it ends.
func echo(_ *http.Request, c *tls.Conn, br *bufio.Reader) {
	fmt.Fprint(c, "HTTP/1.1 200 OK\r\n\r\n")
	if _, err := io.Copy(c, br); err == nil {
		_ = c.CloseWrite()
	}
}

// world is a CA, an agent, an upstream and a running sidecar.
type world struct {
	ca       *authority
	agent    issued
	upstream *upstream
	address  string
	password string
	stop     context.CancelFunc
	stopped  chan error
	log      *lines // nil for the test's own
}

func (a *authority) serverConfig(i issued) *tls.Config {
	clients := x509.NewCertPool()
	clients.AddCert(a.cert)
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{i.tls},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients,
	}
}

func start(t testing.TB, h handler) *world {
	t.Helper()
	ca := newAuthority(t)
	w := &world{ca: ca, agent: ca.issue(t, nil, agentURI)}
	w.upstream = serveUpstream(t, ca.serverConfig(ca.issue(t, nil, proxyURI)), h)
	w.run(t, sidecar.Config{Proxy: w.upstream.address, Password: "correct"})
	return w
}

func (w *world) run(t testing.TB, c sidecar.Config) {
	t.Helper()
	if c.Identity == nil {
		i, err := sidecar.ParseIdentity(w.agent.cert, w.agent.key, w.ca.pem)
		require.NoError(t, err)
		c.Identity = i
	}
	c.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	if w.log != nil {
		c.Log = slog.New(slog.NewTextHandler(w.log, nil))
	}
	s, err := sidecar.New(c)
	require.NoError(t, err)
	l, err := sidecar.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	w.address, w.password, w.stop, w.stopped = l.Addr().String(), c.Password, cancel, stopped
	var running sync.WaitGroup
	running.Go(func() { stopped <- s.Serve(ctx, l) })
	t.Cleanup(func() { cancel(); running.Wait() })
}

// connect opens a connection to the sidecar and sends the head; the password is added if there is one.
func (w *world) connect(t *testing.T, head string) (*net.TCPConn, *bufio.Reader) {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", w.address)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	if w.password != "" {
		head = strings.Replace(head, "\r\n", "\r\nProxy-Authorization: "+authorization(w.password)+"\r\n", 1)
	}
	_, err = io.WriteString(c, head)
	require.NoError(t, err)
	return c.(*net.TCPConn), bufio.NewReader(c)
}

// tunnel opens a tunnel through the sidecar.
func (w *world) tunnel(t *testing.T) (*net.TCPConn, *bufio.Reader) {
	t.Helper()
	c, br := w.connect(t, "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
	require.Equal(t, http.StatusOK, status(t, br))
	return c, br
}

// status reads the answer to a CONNECT.
func status(t *testing.T, br *bufio.Reader) int {
	t.Helper()
	resp, err := http.ReadResponse(br, &http.Request{Method: http.MethodConnect})
	require.NoError(t, err)
	return resp.StatusCode
}

// problem reads a refusal.
func problem(t *testing.T, br *bufio.Reader) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(br, nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(body)
}
