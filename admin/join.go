package admin

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/certs"
	"sallyport/identity"
	"sallyport/identity/join"
)

// selfTTL is how long a certificate lives that its agent renews by itself. A stolen one ends
// soon, and an agent whose server is away for less goes on.
const selfTTL = time.Hour

// joiner is an agent, or who wants to be one, on the enrolment listener.
type joiner struct {
	service *Service
	from    netip.Addr
}

// refusedJoins are only counted for a while after one is on record: whoever can reach the
// listener can be refused as often as they like.
const refusedPause = time.Second

// join makes an agent of whoever shows a token's secret: an identity for the key that the
// request for a certificate is signed with.
func (c joiner) join(ctx context.Context, r join.Request) (join.Identity, error) {
	s, view := c.service, c.service.View()
	public, err := certs.ParseRequest(r.Request)
	if err != nil {
		return join.Identity{}, &Error{Kind: Invalid, Msg: err.Error(), Try: "send a certificate request in PEM, for a key of P-256, P-384 or Ed25519"}
	}
	key, err := certs.Fingerprint(public)
	if err != nil {
		return join.Identity{}, err
	}
	invite, _ := uuid.Parse(r.Invite) // no UUID: the zero one, which nobody has
	joined, err := s.Registry.Join(ctx, identity.Joining{
		Invite: invite, SecretHash: join.HashSecret(r.Secret), Key: key, From: c.from,
		Allow: func(i identity.Invite) error {
			return errors.Join(view.checkPolicy(i.Policy), view.checkOwner(i.Owner))
		},
	})
	if err != nil {
		return join.Identity{}, c.refused(ctx, err)
	}
	issued, err := c.sign(view, joined.Agent, public)
	if err == nil {
		err = s.Registry.AddFirst(ctx, identity.Certificate{Serial: issued.Serial, Agent: joined.Agent.ID, NotAfter: issued.NotAfter, Key: key})
	}
	extra := map[string]any{"invite": joined.Invite.ID.String(), "from": c.from.String()}
	if err == nil && !joined.Again {
		err = c.recordAgent(ctx, audit.TypeAgentCreated, view, joined.Agent, extra)
	}
	if err == nil {
		err = c.recordCertificate(ctx, view, joined.Agent, issued, extra)
	}
	if err != nil {
		if joined.Again {
			return join.Identity{}, err
		}
		return join.Identity{}, errors.Join(err, s.abandon(ctx, joined.Agent.ID))
	}
	return c.identity(view, joined.Agent, issued)
}

// renew issues the certificate that follows the one that was shown in the handshake.
func (c joiner) renew(ctx context.Context, shown *x509.Certificate, r join.Renewal) (join.Identity, error) {
	s, view := c.service, c.service.View()
	grace := s.Enrol().RenewGrace
	peer, err := c.peer(view, shown, grace)
	if err != nil {
		return join.Identity{}, &Error{Kind: Barred, Msg: err.Error(), Try: "join again with a new token: `sallyport agent invite`"}
	}
	public, err := certs.ParseRequest(r.Request)
	if err != nil {
		return join.Identity{}, &Error{Kind: Invalid, Msg: err.Error(), Try: "send a certificate request in PEM, for a key of P-256, P-384 or Ed25519"}
	}
	key, err := certs.Fingerprint(public)
	if err != nil {
		return join.Identity{}, err
	}
	agent, found := s.Registry.Lookup(peer.Agent)
	if !found {
		return join.Identity{}, &Error{Kind: Barred, Msg: "no agent has this certificate's identity", Try: "join with a new token: `sallyport agent invite`"}
	}
	if state := agent.State(s.Now()); state != string(identity.Active) {
		return join.Identity{}, &Error{Kind: Barred, Msg: fmt.Sprintf("agent %s is %s", agent.ID, state), Try: "ask " + agent.Owner}
	}
	if err := view.owned(agent); err != nil {
		return join.Identity{}, err
	}
	issued, err := c.sign(view, agent, public)
	if err != nil {
		return join.Identity{}, err
	}
	certificate := identity.Certificate{Serial: issued.Serial, Agent: agent.ID, NotAfter: issued.NotAfter, Key: key}
	if err := s.Registry.AddRenewed(ctx, certificate, peer.Serial, grace); err != nil {
		return join.Identity{}, c.notRenewed(ctx, agent, err)
	}
	extra := map[string]any{"replaces": peer.Serial, "from": c.from.String()}
	if err := c.recordCertificate(ctx, view, agent, issued, extra); err != nil {
		return join.Identity{}, err // asked for again, it is issued anew
	}
	return c.identity(view, agent, issued)
}

// peer reads who showed the certificate, which may have ended a while ago.
func (c joiner) peer(view View, shown *x509.Certificate, grace time.Duration) (identity.Peer, error) {
	if shown == nil {
		return identity.Peer{}, errors.New("no client certificate was shown")
	}
	now := c.service.Now()
	at := now
	if now.After(shown.NotAfter) && now.Sub(shown.NotAfter) <= grace {
		at = shown.NotAfter
	}
	_, err := shown.Verify(x509.VerifyOptions{
		Roots: c.service.AgentCA.Pool(), CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return identity.Peer{}, fmt.Errorf("the client certificate is not accepted: %w", err)
	}
	return identity.ParsePeer(shown, view.TrustDomain)
}

// sign issues a certificate that ends in an hour or with its agent.
func (c joiner) sign(view View, agent identity.Agent, public any) (certs.Issued, error) {
	now := c.service.Now()
	issued, err := c.service.AgentCA.SignClient(identity.AgentURI(view.TrustDomain, agent.ID), public, min(selfTTL, agent.ExpiresAt.Sub(now)), now)
	if err != nil {
		return certs.Issued{}, fmt.Errorf("issue certificate: %w", err)
	}
	return issued, nil
}

func (c joiner) identity(view View, agent identity.Agent, issued certs.Issued) (join.Identity, error) {
	bundle, err := certs.Bundle(c.service.InterceptionCA.CertificatePEM())
	if err != nil {
		return join.Identity{}, fmt.Errorf("make CA bundle: %w", err)
	}
	return join.Identity{
		ID: agent.ID.String(), Name: agent.Name, Policy: agent.Policy, Owner: agent.Owner,
		SPIFFEID: identity.AgentURI(view.TrustDomain, agent.ID), TrustDomain: view.TrustDomain,
		Proxy: c.service.Proxy(), Region: view.region(agent.Policy), Variables: view.variables(agent.Policy),
		CreatedAt: agent.CreatedAt.UTC(), ExpiresAt: agent.ExpiresAt.UTC(),
		Serial: issued.Serial, Certificate: issued.CertPEM,
		CA: c.service.AgentCA.CertificatePEM(), Bundle: bundle,
	}, nil
}

// refused says who may not join, and stops the agent whose token somebody else has.
func (c joiner) refused(ctx context.Context, err error) error {
	refused, ok := errors.AsType[*identity.RefusedJoin](err)
	if !ok {
		return err
	}
	if unsaid, due := c.service.strangers.due(c.service.Now(), refusedPause); due {
		payload := map[string]any{"reason": refused.Why, "unrecorded": unsaid}
		if refused.Name != "" {
			payload["invite"] = refused.Name
		}
		if err := c.record(ctx, audit.TypeJoinRefused, payload); err != nil {
			c.service.Log.Error("a refused join could not be recorded", slog.Any("error", err))
		}
	}
	if refused.Thief != uuid.Nil {
		c.suspend(ctx, refused.Thief, "its join token was shown again, with another key, from "+c.from.String())
	}
	return &Error{Kind: Barred, Msg: refused.Why, Try: refused.Try}
}

// notRenewed says who may not renew, and stops an agent that is there twice.
func (c joiner) notRenewed(ctx context.Context, agent identity.Agent, err error) error {
	if clone, ok := errors.AsType[*identity.CloneError](err); ok {
		c.suspend(ctx, clone.Agent, fmt.Sprintf("it is there twice: certificate %d was renewed again with another key, from %s", clone.Generation, c.from))
		return &Error{Kind: Barred, Msg: clone.Error() + "; it is suspended", Try: "ask " + agent.Owner + ", who is told which addresses it came from"}
	}
	if no, ok := errors.AsType[*identity.NotRenewableError](err); ok {
		return &Error{Kind: Barred, Msg: no.Why, Try: no.Try}
	}
	return err
}

// suspend stops an agent on nobody's word. It is stopped even if that cannot be recorded.
func (c joiner) suspend(ctx context.Context, id uuid.UUID, why string) {
	s := c.service
	agent, err := s.Registry.Suspend(context.WithoutCancel(ctx), id, why)
	if _, unwritten := errors.AsType[*identity.UnwrittenError](err); err != nil && !unwritten {
		s.Log.Warn("an agent that is there twice is not active any more", slog.String("agent", id.String()), slog.Any("error", err))
		return
	}
	s.Cut(id)
	if err != nil {
		_ = s.notOnDisk("agent "+id.String()+" is suspended", err) // which logs it
	}
	s.Log.Error("agent suspended", slog.String("agent", id.String()), slog.String("owner", agent.Owner), slog.String("reason", why))
	if err := c.recordAgent(ctx, audit.TypeAgentSuspended, s.View(), agent, map[string]any{"from": c.from.String()}); err != nil {
		s.Log.Error("a suspension could not be recorded", slog.Any("error", err))
	}
}

func (c joiner) recordAgent(ctx context.Context, event string, view View, a identity.Agent, extra map[string]any) error {
	payload := agentPayload(view, a, c.service.Now())
	maps.Copy(payload, extra)
	return c.record(ctx, event, payload)
}

func (c joiner) recordCertificate(ctx context.Context, view View, a identity.Agent, issued certs.Issued, extra map[string]any) error {
	payload := map[string]any{
		"agent": a.ID.String(), "serial": issued.Serial, "not_after": stamp(issued.NotAfter),
		"spiffe_id": identity.AgentURI(view.TrustDomain, a.ID),
	}
	maps.Copy(payload, extra)
	return c.record(ctx, audit.TypeCertificateIssued, payload)
}

func (c joiner) record(ctx context.Context, event string, payload map[string]any) error {
	payload = maps.Clone(payload)
	payload["via"], payload["from"] = "enrolment", c.from.String()
	return c.service.record(ctx, event, payload)
}
