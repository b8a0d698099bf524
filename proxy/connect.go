package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/elazarl/goproxy"
	"github.com/google/uuid"

	"sallyport/audit"
)

// newFront sets goproxy up as the door for CONNECT and for nothing else: none of
// its defaults (an upstream transport, interception with a CA of its own, the
// environment's proxies) is within reach.
func (p *Proxy) newFront() http.Handler {
	front := goproxy.NewProxyHttpServer()
	front.Logger = log.New(io.Discard, "", 0)
	front.Tr = &http.Transport{DialContext: refuseDial}
	front.ConnectDial = func(string, string) (net.Conn, error) { return refuseDial(context.Background(), "", "") }
	front.NonproxyHandler = http.NotFoundHandler()
	front.OnRequest().HandleConnectFunc(p.connect)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			p.ServeHTTP(w, r)
			return
		}
		front.ServeHTTP(&connectWriter{ResponseWriter: w}, r)
	})
}

func refuseDial(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("only the exchange may dial")
}

// connectWriter gives goproxy a connection that still has what the agent sent
// right behind its CONNECT; goproxy itself drops it.
type connectWriter struct{ http.ResponseWriter }

func (w *connectWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return takeOver(http.NewResponseController(w.ResponseWriter))
}

// takeOver takes a connection from its server, with the bytes that were read
// already in front.
func takeOver(control *http.ResponseController) (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := control.Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("take over connection: %w", err)
	}
	_ = conn.SetDeadline(time.Time{})
	if h, ok := conn.(*headReader); ok {
		conn = h.Conn // the header section is over
	}
	return replay(conn, buffered.Reader), buffered, nil
}

// replay returns conn with the bytes that reader has buffered put back in front.
func replay(conn net.Conn, reader *bufio.Reader) net.Conn {
	n := reader.Buffered()
	if n == 0 {
		return conn
	}
	early, _ := reader.Peek(n)
	return &replayed{Conn: conn, early: bytes.NewReader(bytes.Clone(early))}
}

type replayed struct {
	net.Conn
	early *bytes.Reader
}

func (r *replayed) Read(b []byte) (int, error) {
	if r.early.Len() > 0 {
		return r.early.Read(b)
	}
	return r.Conn.Read(b)
}

// connect judges a CONNECT. It is refused only for an unusable authority, an
// inactive agent or too many tunnels; whatever else is wrong is answered inside
// the tunnel, where the agent can read why.
func (p *Proxy) connect(_ string, c *goproxy.ProxyCtx) (*goproxy.ConnectAction, string) {
	t, refusal := p.newTunnel(c.Req)
	if refusal != nil {
		c.Resp = p.refuseConnect(c.Req, t, refusal) //nolint:bodyclose // goproxy writes it; its body is in memory
		return &goproxy.ConnectAction{Action: goproxy.ConnectReject}, ""
	}
	take := func(_ *http.Request, conn net.Conn, _ *goproxy.ProxyCtx) { p.take(t, conn) }
	return &goproxy.ConnectAction{Action: goproxy.ConnectHijack, Hijack: take}, ""
}

// newTunnel registers a tunnel and only then reads the agent's status.
func (p *Proxy) newTunnel(r *http.Request) (*tunnel, *refusal) {
	s := sessionOf(r)
	t := &tunnel{peer: s.peer, client: s.client, serial: s.peer.Serial, onlyHTTP1: isGit(r.Header)}
	headErr := s.head.check(r).err
	authority, err := parseAuthority(r.RequestURI, 0)
	switch {
	case headErr != nil:
		return t, malformedRequest.because("The header section is ambiguous: " + headErr.Error() + ".")
	case err != nil:
		return t, malformedRequest.causedBy("CONNECT needs a host and a port, as in CONNECT api.example.com:443.", err)
	case r.ContentLength > 0 || len(r.TransferEncoding) > 0:
		return t, malformedRequest.because("CONNECT has no body.")
	}
	t.authority = authority
	t.agent = p.agents.get(s.peer.Agent)
	t.agent.setLimits(p.generation().Limits)
	limit := t.agent.admitTunnel(p.now())
	if limit == "" {
		t.agent.tunnels[t] = struct{}{}
	}
	t.agent.mu.Unlock()
	if limit != "" {
		t.limit = limit
		return t, exceeded(limit, time.Second)
	}
	if _, refusal := p.mayAct(t.peer); refusal != nil {
		t.release()
		return t, refusal
	}
	return t, nil
}

// take answers CONNECT and ends the TLS inside with a leaf for its authority.
func (p *Proxy) take(t *tunnel, conn net.Conn) {
	t.attach(conn)
	_ = t.SetDeadline(time.Now().Add(headTimeout))
	if _, err := io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		_ = t.Close()
		return
	}
	config := p.innerTLS
	if t.onlyHTTP1 {
		config = p.innerTLS1
	}
	inner := tls.Server(t, config)
	if err := inner.HandshakeContext(context.Background()); err != nil {
		p.refuseTunnel(t, err)
		_ = t.Close()
		return
	}
	_ = t.SetDeadline(time.Time{})
	s := &session{peer: t.peer, client: t.client, tunnel: t}
	if inner.ConnectionState().NegotiatedProtocol == protocolHTTP2 {
		p.inner2Conns.push(newSectionReader(inner, s, p.refuseSection))
		return
	}
	h := newHeadReader(inner, s)
	h.refuse = p.refuseUnparsed
	p.innerConns.push(h)
}

// In ALPN (RFC 7301, RFC 9113 section 3.2).
const (
	protocolHTTP1 = "http/1.1"
	protocolHTTP2 = "h2"
)

// isGit reports whether git opens the tunnel. It is not offered HTTP/2: with a libcurl
// before 8.5 git waits for ever at the end of an upload of which the window left less
// than 2 KiB over, for libcurl then asks it for more after its end
// (https://github.com/git/git/pull/1608). git makes one request at a time, so that
// HTTP/2 would gain it nothing.
func isGit(h http.Header) bool { return strings.HasPrefix(h.Get("User-Agent"), "git/") }

// innerTLSConfig ends the TLS of a tunnel. Both hooks run on resumed sessions too, so a
// ticket for one host opens no tunnel to another.
func (p *Proxy) innerTLSConfig(protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: protocols,
		// The tunnel is inside the listener's TLS, which has the post-quantum
		// exchange already; here it would cost CPU and protect nothing more.
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384},
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			return nil, hello.Conn.(*tunnel).checkSNI(hello.ServerName)
		},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return p.leaves.Certificate(hello.Conn.(*tunnel).authority.Name)
		},
	}
}

// refuseConnect records a refused CONNECT and returns its answer.
func (p *Proxy) refuseConnect(r *http.Request, t *tunnel, f *refusal) *http.Response {
	in := p.tunnelIntent(t)
	if f.word == overLimit.word {
		in.Details = map[string]any{"limit": t.limit}
	}
	f, id := p.recordRefusal(in, f)
	return f.response(r, id)
}

// refuseTunnel records why nothing came of a tunnel after its CONNECT. Silence
// and broken connections are no requests.
func (p *Proxy) refuseTunnel(t *tunnel, err error) {
	var f *refusal
	switch {
	case errors.Is(err, errNotTLS):
		f = malformedRequest.causedBy("Only TLS is let through a tunnel.", err)
	case errors.As(err, new(*sniError)):
		f = wrongAuthority.causedBy(err.Error(), err)
	default:
		p.log.Debug("no TLS in tunnel", "agent", t.peer.Agent, "authority", t.authority.String(), "error", err)
		return
	}
	f, id := p.recordRefusal(p.tunnelIntent(t), f)
	if errors.Is(err, errNotTLS) {
		_ = f.response(nil, id).Write(t.Conn) //nolint:bodyclose // its body is in memory
	}
}

func (p *Proxy) tunnelIntent(t *tunnel) *audit.Intent {
	g := p.generation()
	record, _ := p.registry.Lookup(t.peer.Agent)
	in := &audit.Intent{
		ID: audit.NewID(), StartedAt: p.now(), Agent: t.peer.Agent, AgentName: record.Name, Owner: record.Owner, Policy: record.Policy,
		Accountable: g.Owners.Accountable(record.Owner), Method: http.MethodConnect,
		CertSerial: t.serial, ClientAddr: t.client, HTTPVersion: "1.1",
	}
	if policy := g.Policies[record.Policy]; policy != nil {
		in.PolicyHash = policy.Hash()
	}
	if t.authority.Port != 0 {
		in.Host, in.Port = t.authority.Name.String(), t.authority.Port
	}
	return in
}

// recordRefusal commits a refusal that has no exchange of its own, and returns the
// answer and the row that it names. It counts against the agent's limits, so that
// an agent cannot fill the trail with what is malformed either; and if it cannot be
// committed, the answer says so instead.
func (p *Proxy) recordRefusal(in *audit.Intent, f *refusal) (*refusal, uuid.UUID) {
	p.metrics.Exchange("", audit.OutcomeRefused, 0)
	a := p.agents.get(in.Agent)
	if limit, ok := in.Details["limit"].(string); ok {
		a.met(limit, in.StartedAt)
	}
	a.setLimits(p.generation().Limits)
	if f.word != overLimit.word && !a.requests.AllowN(in.StartedAt, 1) {
		f = exceeded(limitRequests, time.Second)
		in.Details = map[string]any{"limit": limitRequests}
	}
	a.mu.Unlock()
	if a.sums(f, in.StartedAt, func(limit string) { in.Details = map[string]any{"limit": limit} }) {
		if own, shared := a.summarise(in.ID, in.StartedAt, func() audit.Intent { return *in }); !own {
			return f, shared
		}
	}
	in.Refusal = f.word
	out := refusedOutcome(f, p.now())
	a.wrote(in.StartedAt, rowWeight(in, &out), true)
	if err := p.trail.Refused(context.Background(), in, &out); err != nil {
		return p.unrecorded(in.ID, err), in.ID
	}
	return f, in.ID
}

// refuseUnparsed records a request that net/http could not parse and returns the
// answer to it.
func (p *Proxy) refuseUnparsed(s *session, head []byte, status int) []byte {
	t := s.tunnel
	if t == nil {
		t = &tunnel{peer: s.peer, client: s.client, serial: s.peer.Serial}
	}
	f := malformedRequest.because("The request cannot be parsed: " + http.StatusText(status) + ".")
	f.status = status
	in := p.tunnelIntent(t)
	in.Method, in.Path = requestLine(head)
	if t.authority.Port != 0 {
		in.Scheme = "https"
	}
	f, id := p.recordRefusal(in, f)
	var answer bytes.Buffer
	_ = f.response(nil, id).Write(&answer) //nolint:bodyclose // its body is in memory, and a buffer takes everything
	return answer.Bytes()
}

// refuseSection records a request that the HTTP/2 server does not let through.
func (p *Proxy) refuseSection(s *session, head *section) {
	f := malformedRequest.because("The request cannot be parsed: " + head.fault + ".")
	f.status = head.status
	in := p.tunnelIntent(s.tunnel)
	in.Method, in.Scheme, in.HTTPVersion = head.method, "https", "2"
	in.Path, _, _ = strings.Cut(head.path, "?")
	p.recordRefusal(in, f)
}
