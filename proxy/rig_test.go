package proxy_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/certs"
	"sallyport/credentials"
	"sallyport/identity"
	"sallyport/identity/owners"
	"sallyport/internal/host"
	"sallyport/internal/metrics"
	"sallyport/policy"
	"sallyport/proxy"
	"sallyport/proxy/upstream"
	"sallyport/services"
	"sallyport/services/aws"
	"sallyport/services/github"
	"sallyport/services/llm"
)

const (
	trustDomain = "agents.test"
	canary      = "canary-secret-4f1d9c"
)

// defaults of a rig's files; a test replaces what it is about.
const (
	rigPolicy = `
policy: operator
rules:
  - name: injected
    allow: {host: api.test, path: /**}
    credential: key
  - name: plain
    allow: {host: open.test, path: /**}
  - name: sockets
    allow: {host: api.test, methods: [WEBSOCKET]}
    credential: key
  - name: clear
    allow: {host: clear.test, scheme: http}
  - name: ask-first
    ask: {host: ask.test}
  - name: never
    deny: {host: api.test, path: /forbidden/**}
`
	rigCredentials = `
credentials:
  key: {kind: bearer, secret: {env: RIG_KEY}, hosts: [api.test]}
  inquery: {kind: query, parameter: api_key, secret: {env: RIG_KEY}, hosts: [query.test]}
  custom: {kind: header, header: Private-Token, secret: {env: RIG_KEY}, hosts: [token.test]}
  biscuit: {kind: bearer, secret: {env: RIG_KEY}, hosts: [cookies.test]}
  model: {kind: header, header: x-api-key, secret: {env: RIG_KEY}, hosts: [api.anthropic.com, api.openai.com, generativelanguage.googleapis.com]}
  hub: {kind: github_token, secret: {env: RIG_KEY}}
  broken: {kind: bearer, secret: {file: missing}, hosts: [broken.test]}
`
	rigOwners = `
people:
  dana: {name: Dana Ito, email: dana@example.com}
`
)

// rig is a whole proxy in this process, on loopback, with real stores.
type rig struct {
	t        testing.TB
	dir      string
	proxy    *proxy.Proxy
	registry *identity.Registry
	trail    *trail.Writer
	metrics  *metrics.Metrics
	address  string
	agentCA  *certs.Authority
	mitmCA   *certs.Authority
	originCA *certs.Authority
	log      *logBuffer
	resolve  map[host.Authority]string
	current  atomic.Pointer[proxy.Generation]
	number   uint64
	limits   proxy.Limits
	networks []upstream.Network
	stall    time.Duration
	sweep    time.Duration
	reading  [2]time.Duration // of bodies, without a pause and in all
	patience time.Duration    // of a shutdown
	policy   string

	credentials string
	demand      func(*tls.Config)  // what upstreams ask of whoever connects; nil for nothing
	services    []services.Service // rooms, if nil
	getenv      func(string) string
	tokens      *credentials.Tokens
	now         func() time.Time // the proxy's clock; time.Now if nil
	stop        func()
	stopOnce    sync.Once
	trailPath   string
}

// clock is one for a proxy that can be set forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// logBuffer collects what is logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newRig(t testing.TB, options ...func(*rig)) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), log: &logBuffer{}, resolve: map[host.Authority]string{}, metrics: metrics.New()}
	r.limits = proxy.Limits{RequestsPerSecond: 1e6}
	r.patience, r.policy, r.credentials = 200*time.Millisecond, rigPolicy, rigCredentials
	r.getenv, r.tokens = func(string) string { return canary }, credentials.NewTokens(time.Now)
	for _, option := range options {
		option(r)
	}
	now := time.Now()
	r.agentCA = r.authority("agents", "spiffe://"+trustDomain, now)
	r.mitmCA = r.authority("interception", "", now)
	r.originCA = r.authority("origin", "spiffe://origin.test", now)
	var err error
	r.registry, err = identity.Open(t.Context(), filepath.Join(r.dir, "identity.db"), time.Now)
	require.NoError(t, err)
	r.trailPath = filepath.Join(r.dir, "audit.db")
	r.trail, err = trail.Open(t.Context(), trail.Config{Path: r.trailPath, Durability: trail.DurabilityCommit, Instance: "rig", Log: r.logger(), Now: time.Now})
	require.NoError(t, err)
	r.configure(r.policy)
	r.start()
	t.Cleanup(r.close)
	return r
}

func (r *rig) authority(name, uri string, now time.Time) *certs.Authority {
	ca, err := certs.CreateAuthority(certs.Template{CommonName: name, URI: uri, Lifetime: 24 * time.Hour}, now)
	require.NoError(r.t, err)
	return ca
}

func (r *rig) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (r *rig) start() {
	t := r.t
	listener, err := r.agentCA.IssueListener(certs.ListenerSpec{URI: identity.ServerURI(trustDomain), Names: []string{"localhost", "127.0.0.1"}}, time.Hour, time.Now())
	require.NoError(t, err)
	r.proxy, err = proxy.New(proxy.Config{
		Registry: r.registry, Trail: r.trail, Leaves: certs.NewLeaves(r.mitmCA, 64, time.Now),
		Certificate: func() *tls.Certificate { return &listener.TLS }, ClientCAs: r.agentCA.Pool(),
		Generation: r.current.Load, Metrics: r.metrics, Log: r.logger(), StallTimeout: r.stall, Tokens: r.tokens, Now: r.now,
		Door: proxy.DoorConfig{Authority: r.mitmCA.CertificatePEM(), Exchange: r.exchange},
	})
	require.NoError(t, err)
	if r.sweep > 0 {
		r.proxy.SweepEvery(r.sweep)
	}
	if r.reading[0] > 0 {
		r.proxy.ReadWithin(r.reading[0], r.reading[1])
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.address = ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- r.proxy.Serve(ln) }()
	r.stop = func() {
		ctx, cancel := context.WithTimeout(context.Background(), r.patience)
		defer cancel()
		_ = r.proxy.Shutdown(ctx)
		require.NoError(t, <-served)
	}
}

// shutdown stops the proxy and leaves the stores open.
func (r *rig) shutdown() { r.stopOnce.Do(r.stop) }

func (r *rig) close() {
	r.shutdown()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	require.NoError(r.t, r.trail.Close(ctx))
	_ = r.registry.Close()
	r.checkTrail()
}

// configure swaps in a new generation with the policy as "operator".
func (r *rig) configure(text string) {
	t := r.t
	if r.services == nil {
		r.services = rooms()
	}
	set, err := credentials.Parse("credentials.yaml", []byte(r.credentials), credentials.Options{
		Home: r.dir, Getenv: r.getenv, FingerprintKey: []byte("rig"), Now: time.Now, Tokens: r.tokens,
		Kinds: services.Kinds(r.services),
	})
	require.NoError(t, err)
	p, err := policy.Parse("operator.yaml", []byte(text), services.Languages(r.services, set.Lookup)...)
	require.NoError(t, err)
	directory, err := owners.Parse("owners.yaml", []byte(rigOwners))
	require.NoError(t, err)
	settings, err := upstream.NewSettings([]upstream.RootSet{{Certificates: []*x509.Certificate{r.originCA.Certificate()}}}, r.resolve, r.networks)
	require.NoError(t, err)
	r.number++
	r.current.Store(&proxy.Generation{
		Number: r.number, TrustDomain: trustDomain, Policies: map[string]*policy.Policy{"operator": p},
		Credentials: set, Owners: directory, Upstream: settings, Limits: r.limits, Services: r.services,
	})
}

// agent is a registered agent with its certificate.
type agent struct {
	identity.Agent
	certificate tls.Certificate
	serial      string
}

func (r *rig) agent(name string) agent {
	t := r.t
	a, err := r.registry.Create(t.Context(), identity.Agent{
		ID: uuid.New(), Name: name, Policy: "operator", Owner: "person:dana", ExpiresAt: time.Now().Add(time.Hour),
	})
	require.NoError(t, err)
	return r.certify(a)
}

func (r *rig) certify(a identity.Agent) agent {
	issued, err := r.agentCA.IssueClient(identity.AgentURI(trustDomain, a.ID), time.Hour, time.Now())
	require.NoError(r.t, err)
	require.NoError(r.t, r.registry.AddCertificate(r.t.Context(), identity.Certificate{Serial: issued.Serial, Agent: a.ID, NotAfter: issued.NotAfter}))
	return agent{Agent: a, certificate: issued.TLS, serial: issued.Serial}
}

// roots are what an agent trusts: the listener and the interception CA.
func (r *rig) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(r.agentCA.Certificate())
	pool.AddCert(r.mitmCA.Certificate())
	return pool
}

func (r *rig) tlsConfig(a agent) *tls.Config {
	config := &tls.Config{RootCAs: r.roots(), ServerName: "127.0.0.1"}
	if a.certificate.Certificate != nil {
		config.Certificates = []tls.Certificate{a.certificate}
	}
	return config
}

// client is an ordinary HTTP client of the agent's, over HTTP/1.1 or HTTP/2
// inside the tunnel.
func (r *rig) client(a agent, http2 bool) *http.Client {
	config := r.tlsConfig(a)
	config.ServerName = ""
	transport := &http.Transport{
		Proxy:             http.ProxyURL(&url.URL{Scheme: "https", Host: r.address}),
		TLSClientConfig:   config,
		ForceAttemptHTTP2: http2,
	}
	r.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// dial opens an authenticated connection to the listener.
func (r *rig) dial(a agent) *tls.Conn {
	conn, err := tls.Dial("tcp", r.address, r.tlsConfig(a))
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// connect opens a tunnel and its TLS.
func (r *rig) connect(a agent, authority, sni string) *tls.Conn {
	return r.connectSpeaking(a, authority, sni, "http/1.1")
}

func (r *rig) connectSpeaking(a agent, authority, sni, protocol string) *tls.Conn {
	outer := r.dial(a)
	_, err := io.WriteString(outer, "CONNECT "+authority+" HTTP/1.1\r\nHost: "+authority+"\r\n\r\n")
	require.NoError(r.t, err)
	answer := make([]byte, len("HTTP/1.1 200 Connection established\r\n\r\n"))
	_, err = io.ReadFull(outer, answer)
	require.NoError(r.t, err)
	require.Contains(r.t, string(answer), " 200 ")
	return tls.Client(outer, &tls.Config{RootCAs: r.roots(), ServerName: sni, InsecureSkipVerify: sni == "", NextProtos: []string{protocol}})
}

// upstream starts a TLS server that answers for the names.
func (r *rig) upstream(handler http.HandlerFunc, http2 bool, names ...string) *httptest.Server {
	if http2 {
		return r.upstreamSpeaking([]string{"h2", "http/1.1"}, handler, names...)
	}
	return r.upstreamSpeaking([]string{"http/1.1"}, handler, names...)
}

func (r *rig) upstreamSpeaking(protocols []string, handler http.HandlerFunc, names ...string) *httptest.Server {
	t := r.t
	issued, err := r.originCA.IssueListener(certs.ListenerSpec{URI: "spiffe://origin.test/upstream", Names: names}, time.Hour, time.Now())
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{issued.TLS}, NextProtos: protocols}
	if !slices.Contains(protocols, "http/1.1") {
		server.TLS.GetConfigForClient = onlyHTTP2
	}
	if r.demand != nil {
		r.demand(server.TLS)
	}
	server.EnableHTTP2 = protocols[0] == "h2"
	// By default one stalled upload takes the whole connection's window.
	server.Config.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerConnection: 16 << 20, MaxReceiveBufferPerStream: 1 << 20}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	server.StartTLS()
	t.Cleanup(func() {
		r.shutdown() // ends what the handlers wait for
		server.Close()
	})
	for _, name := range names {
		r.point(name+":443", server.Listener.Addr().String())
	}
	r.configure(r.policy)
	return server
}

// onlyHTTP2 refuses a client that does not offer HTTP/2. Go's servers take HTTP/1.1 to be
// meant by one that offers only that, whatever they were told to speak.
func onlyHTTP2(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if slices.Contains(hello.SupportedProtos, "h2") {
		return nil, nil
	}
	return &tls.Config{NextProtos: []string{"nothing"}, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return nil, errors.New("no protocol in common")
	}}, nil
}

func (r *rig) point(authority, address string) {
	a, err := host.ParseAuthority(authority, 0)
	require.NoError(r.t, err)
	resolve := map[host.Authority]string{a: address}
	for key, value := range r.resolve {
		if key != a {
			resolve[key] = value
		}
	}
	r.resolve = resolve
}

// rows returns the trail's exchanges, newest first, once none is open.
func (r *rig) rows() []audit.Exchange {
	t := r.t
	reader, err := trail.OpenReader(r.trailPath)
	require.NoError(t, err)
	defer reader.Close()
	var rows []audit.Exchange
	require.Eventually(t, func() bool {
		rows, err = reader.List(t.Context(), audit.Filter{})
		require.NoError(t, err)
		for _, row := range rows {
			if !row.Ended {
				return false
			}
		}
		return true
	}, within, 5*time.Millisecond, "an exchange stays open")
	return rows
}

// rowsOf waits until there are n rows: what ends a handshake is recorded while
// the agent already reads the alert.
func (r *rig) rowsOf(n int) []audit.Exchange {
	var rows []audit.Exchange
	require.Eventually(r.t, func() bool {
		rows = r.rows()
		return len(rows) == n
	}, within, 5*time.Millisecond, "there are not %d rows", n)
	return rows
}

func body(t testing.TB, response *http.Response) string {
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(b)
}

// rooms are the services that are built in.
func rooms() []services.Service { return []services.Service{github.New(), aws.New(), llm.New()} }
