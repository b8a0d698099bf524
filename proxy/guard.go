package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"sallyport/identity"
	"sallyport/proxy/wire"
)

// standing knows who may act at this moment.
type standing struct {
	registry   *identity.Registry
	generation func() *Generation
	now        func() time.Time
}

// mayAct looks up who has this identity, and says why it may not act now; nil if it may.
func (s standing) mayAct(peer identity.Peer) (identity.Agent, *refusal) {
	record, found := s.registry.Lookup(peer.Agent)
	if !found {
		return record, unknownIdentity.because("No agent has this certificate's identity.")
	}
	now := s.now()
	if refusal := inactive(record.State(now)); refusal != nil {
		return record, refusal
	}
	return record, unusable(s.registry.CertificateState(peer.Serial, now))
}

// peerOf reads the identity of a connection from its certificate.
func (s standing) peerOf(state tls.ConnectionState) (identity.Peer, error) {
	if len(state.PeerCertificates) == 0 {
		return identity.Peer{}, errors.New("no client certificate")
	}
	return identity.ParsePeer(state.PeerCertificates[0], s.generation().TrustDomain)
}

// guard decides about connections and tunnels: it is the wire's Gate and its Tunnels.
type guard struct {
	standing
	agents *agents
	clerk  *clerk
}

// Verify lets in who is registered and not revoked, with a certificate that is not revoked.
func (g *guard) Verify(state tls.ConnectionState) error {
	peer, err := g.peerOf(state)
	if err != nil {
		return err
	}
	agent, found := g.registry.Lookup(peer.Agent)
	switch {
	case !found:
		return fmt.Errorf("no agent %s is registered here", peer.Agent)
	case agent.Status == identity.Revoked:
		return fmt.Errorf("agent %s is revoked", peer.Agent)
	case g.registry.CertificateRevoked(peer.Serial):
		return fmt.Errorf("certificate %s of agent %s is revoked or unknown", peer.Serial, peer.Agent)
	}
	// A suspended or expired agent may connect, and is told so on its first
	// CONNECT, which has a row.
	return nil
}

// Caller is asked after Verify has said yes.
func (g *guard) Caller(state tls.ConnectionState) (wire.Caller, error) {
	peer, err := g.peerOf(state)
	if err != nil {
		return nil, err
	}
	return &caller{peer: peer, guard: g}, nil
}

// caller is one connection of an agent on the listener, which counts against its limits
// until it is closed.
type caller struct {
	peer   identity.Peer
	guard  *guard
	agent  *agent // from Enter on
	conn   *wire.Conn
	closed func()      // tells the registry, from Enter on
	doomed atomic.Bool // it is about to be closed
}

// callerOf is who opened the session's connection. There is no other kind of Caller.
func callerOf(s *wire.Session) *caller { return s.Caller.(*caller) }

// Enter counts the connection, if there is room.
func (c *caller) Enter(conn *wire.Conn) error {
	c.conn, c.closed = conn, c.guard.registry.Connected(c.peer.Serial)
	if !c.guard.agents.connect(c, c.guard.generation().Limits) {
		c.closed()
		return fmt.Errorf("agent %s has too many connections open", c.peer.Agent)
	}
	return nil
}

// Leave takes the connection out of its agent's.
func (c *caller) Leave() {
	c.agent.disconnect(c)
	c.closed()
}

// Open judges a CONNECT. It is refused only for an unusable authority, an
// inactive agent or too many tunnels; whatever else is wrong is answered inside
// the tunnel, where the agent can read why.
func (g *guard) Open(t *wire.Tunnel, r *http.Request, fault *wire.Fault) (closed func(), refused *http.Response) {
	var refusal *refusal
	if fault == nil {
		if r.Header.Get(refusedField) != "" {
			return nil, g.clerk.toldRefused(t.Session, r)
		}
		refusal = blocked(r.Header)
	}
	if refusal == nil {
		closed, refusal = g.admit(t, fault)
	}
	if refusal == nil {
		return closed, nil
	}
	in := g.clerk.intent(t.Session, t.Authority)
	in.Details = refusal.details
	if refusal.word == blockedByJail.word {
		ofBlocked(in, refusal.details)
	}
	refusal, id := g.clerk.refuse(in, refusal)
	return nil, refusal.response(r, id)
}

// admit registers a tunnel and only then reads the agent's status.
func (g *guard) admit(t *wire.Tunnel, fault *wire.Fault) (closed func(), _ *refusal) {
	if fault != nil {
		return nil, malformed(fault)
	}
	c := callerOf(t.Session)
	a := g.agents.get(c.peer.Agent)
	a.bounds.follow(g.generation().Limits)
	limit := a.bounds.admitTunnel(len(a.tunnels), g.now())
	if limit == "" {
		a.tunnels[t] = struct{}{}
	}
	a.mu.Unlock()
	if limit != "" {
		return nil, exceeded(limit, time.Second)
	}
	if _, refusal := g.mayAct(c.peer); refusal != nil {
		a.release(t)
		return nil, refusal
	}
	return func() { a.release(t) }, nil
}

// malformed is the refusal for a request that is wrong as it was sent.
func malformed(f *wire.Fault) *refusal { return malformedRequest.causedBy(f.Detail, f.Cause) }

// Broken records why nothing came of a tunnel after its CONNECT. Silence
// and broken connections are no requests.
func (g *guard) Broken(t *wire.Tunnel, why error) *http.Response {
	var f *refusal
	switch {
	case errors.Is(why, wire.ErrNotTLS):
		f = malformedRequest.causedBy("Only TLS is let through a tunnel.", why)
	case errors.Is(why, wire.ErrSilent):
		f = malformedRequest.causedBy("Nothing came through the tunnel. Only TLS is let through one, in which the client speaks first.", why)
		f.hint = "Speak HTTPS. Protocols in which the server speaks first (SMTP, MySQL, SSH) do not pass."
	case errors.As(why, new(*wire.SNIError)):
		f = wrongAuthority.causedBy(why.Error(), why)
	case errors.As(why, new(*wire.DistrustError)):
		f = distrusted(why)
	default:
		g.clerk.log.Debug("no TLS in tunnel", "agent", callerOf(t.Session).peer.Agent, "authority", t.Authority.String(), "error", why)
		return nil
	}
	f, id := g.clerk.refuse(g.clerk.intent(t.Session, t.Authority), f)
	return f.response(nil, id)
}

// distrusted is why a client makes no request: it does not accept our certificate. Of a clock
// that is wrong there is no other sign here. It is for whoever reads the trail, since nothing
// reaches a client that does not go on.
func distrusted(why error) *refusal {
	distrust, _ := errors.AsType[*wire.DistrustError](why)
	detail := "it does not trust the interception authority, which `sallyport env` leads it to, pins its server's certificate, or its clock is wrong"
	switch distrust.Alert {
	case wire.AlertUnknownCA:
		detail = "it does not trust the interception authority, which `sallyport env` leads it to"
	case wire.AlertCertificateExpired:
		detail = "its clock is wrong, for the certificate has not expired, and was valid 30 days ago"
	}
	return malformedRequest.causedBy("The client does not accept the certificate.", fmt.Errorf("%w: %s", why, detail))
}

// Unparsed records a request that no handler sees.
func (g *guard) Unparsed(s *wire.Session, u wire.Unparsed) *http.Response {
	f := malformedRequest.because("The request cannot be parsed: " + u.Why + ".")
	f.status = u.Status
	in := g.clerk.intent(s, authorityOf(s))
	in.Method, in.Path = u.Method, u.Path
	if s.Tunnel != nil {
		in.Scheme = "https"
	}
	if u.HTTP2 {
		in.HTTPVersion = "2"
	}
	f, id := g.clerk.refuse(in, f)
	return f.response(nil, id)
}
