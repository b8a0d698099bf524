package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/certs"
	"sallyport/credentials"
	"sallyport/credentials/budget"
	"sallyport/identity"
	"sallyport/identity/owners"
	"sallyport/internal/nearest"
	"sallyport/policy"
)

// Recorder is the audit trail, as far as administration needs it.
type Recorder interface {
	Record(ctx context.Context, e audit.Event) error
}

// View is the configuration in force, as far as administration needs it.
type View struct {
	TrustDomain string
	Policies    map[string]*policy.Policy
	Owners      *owners.Directory
	Credentials *credentials.Set
}

// Config is what a [Service] works with. The caller owns and closes all of it.
type Config struct {
	Registry       *identity.Registry
	Trail          Recorder
	AgentCA        *certs.Authority
	InterceptionCA *certs.Authority
	View           func() View
	Proxy          func() string                             // where agents reach the listener; "" if unknown
	Enrol          func() EnrolListener                      // where they join
	Cut            func(agent uuid.UUID)                     // ends what the agent has open; nil if nothing can be open
	Errand         func(credential string) http.RoundTripper // by which a credential is minted to try it; nil if no server is running
	// RateLimits tells how the accounts stand that match; nil if no server is running.
	RateLimits func(match func(credentials.Account) bool) map[credentials.Account][]budget.Standing
	Reload     func(context.Context, Principal) (Configuration, error) // nil if no server is running
	Prune      func(context.Context, audit.PruneRequest) (audit.Pruned, error)
	Succession Succession   // nil if no server is running
	Log        *slog.Logger // of the server; nil if none is running
	Now        func() time.Time
}

// Service makes the changes. It is safe for concurrent use.
type Service struct {
	Config
	barred    sparing // calls by whom nothing is allowed
	strangers sparing // who wanted to join
}

// NewService returns a service that works with c.
func NewService(c Config) *Service {
	if c.Cut == nil {
		c.Cut = func(uuid.UUID) {}
	}
	if c.Enrol == nil {
		c.Enrol = func() EnrolListener { return EnrolListener{} }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{Config: c}
}

// As returns the service for one principal, whose name goes into the trail.
func (s *Service) As(p Principal) *Session { return &Session{service: s, principal: p} }

// Session is the service on behalf of one local user.
type Session struct {
	service   *Service
	principal Principal
	call      string // by which the transport was asked, for the trail; "" for none
}

// longestTTL keeps a typing slip from making an agent immortal.
const longestTTL = 366 * 24 * time.Hour

func checkTTL(ttl time.Duration) error {
	if ttl <= 0 || ttl > longestTTL {
		return &Error{Kind: Invalid, Msg: fmt.Sprintf("a lifetime of %s is not possible", ttl), Try: "give --ttl more than 0 and at most 8784h (a year), for example 24h"}
	}
	return nil
}

// CreateAgent registers an agent and issues its first certificate. Nothing is
// handed over before the trail knows of it; if that fails the agent is revoked.
func (s *Session) CreateAgent(ctx context.Context, r CreateRequest) (Enrolment, error) {
	if err := s.may(ctx, ActCreateAgent); err != nil {
		return Enrolment{}, err
	}
	view := s.service.View()
	if err := errors.Join(checkTTL(time.Duration(r.TTL)), view.checkPolicy(r.Policy), view.checkOwner(r.Owner)); err != nil {
		return Enrolment{}, err
	}
	agent, err := s.service.Registry.Create(ctx, identity.Agent{
		Name: r.Name, Policy: r.Policy, Owner: r.Owner,
		ExpiresAt: s.service.Now().Add(time.Duration(r.TTL)),
	})
	if err != nil {
		return Enrolment{}, err
	}
	enrolment, err := s.enrol(ctx, view, agent, audit.TypeAgentCreated)
	if err != nil {
		return Enrolment{}, errors.Join(err, s.service.abandon(ctx, agent.ID))
	}
	return enrolment, nil
}

// RenewAgent issues a new certificate and moves the agent's expiry.
func (s *Session) RenewAgent(ctx context.Context, r RenewRequest) (Enrolment, error) {
	if err := s.may(ctx, ActRenewAgent); err != nil {
		return Enrolment{}, err
	}
	if err := checkTTL(time.Duration(r.TTL)); err != nil {
		return Enrolment{}, err
	}
	agent, err := s.service.find(r.ID)
	if err != nil {
		return Enrolment{}, err
	}
	if err := s.service.View().owned(agent); err != nil {
		return Enrolment{}, err
	}
	before := agent.ExpiresAt
	agent, err = s.service.Registry.Renew(ctx, agent.ID, s.service.Now().Add(time.Duration(r.TTL)))
	if err != nil {
		return Enrolment{}, err
	}
	enrolment, err := s.enrol(ctx, s.service.View(), agent, audit.TypeAgentRenewed)
	if err != nil {
		return Enrolment{}, errors.Join(err, s.service.restoreExpiry(ctx, agent, before))
	}
	return enrolment, nil
}

// enrol issues, registers and records a certificate for agent, in this order.
func (s *Session) enrol(ctx context.Context, view View, agent identity.Agent, event string) (Enrolment, error) {
	now := s.service.Now()
	issued, err := s.service.AgentCA.IssueClient(identity.AgentURI(view.TrustDomain, agent.ID), agent.ExpiresAt.Sub(now), now)
	if err != nil {
		return Enrolment{}, fmt.Errorf("issue certificate: %w", err)
	}
	bundle, err := certs.Bundle(s.service.InterceptionCA.CertificatePEM())
	if err != nil {
		return Enrolment{}, fmt.Errorf("make CA bundle: %w", err)
	}
	certificate := identity.Certificate{Serial: issued.Serial, Agent: agent.ID, NotAfter: issued.NotAfter}
	if err := s.service.Registry.AddCertificate(ctx, certificate); err != nil {
		return Enrolment{}, err
	}
	if err := s.recordAgent(ctx, event, view, agent); err != nil {
		return Enrolment{}, err
	}
	err = s.record(ctx, audit.TypeCertificateIssued, map[string]any{
		"agent": agent.ID.String(), "serial": issued.Serial, "not_after": stamp(issued.NotAfter),
		"spiffe_id": identity.AgentURI(view.TrustDomain, agent.ID),
	})
	if err != nil {
		return Enrolment{}, err
	}
	return Enrolment{
		Agent: s.service.shown(view, agent), TrustDomain: view.TrustDomain, Proxy: s.service.Proxy(), Region: view.region(agent.Policy), Variables: view.variables(agent.Policy),
		Serial: issued.Serial, Certificate: issued.CertPEM, Key: issued.KeyPEM, CA: s.service.AgentCA.CertificatePEM(), Bundle: bundle,
	}, nil
}

// abandon revokes an agent whose key nobody was given.
func (s *Service) abandon(ctx context.Context, id uuid.UUID) error {
	_, err := s.Registry.Revoke(context.WithoutCancel(ctx), id, "its creation could not be completed")
	return err
}

func (s *Service) restoreExpiry(ctx context.Context, agent identity.Agent, before time.Time) error {
	if !before.After(s.Now()) {
		return nil // it had expired; the registry keeps no past expiry, and nobody holds the new key
	}
	_, err := s.Registry.Renew(context.WithoutCancel(ctx), agent.ID, before)
	return err
}

// Agents lists all agents, oldest first.
func (s *Session) Agents(ctx context.Context) ([]Agent, error) {
	if err := s.may(ctx, ActShowAgents); err != nil {
		return nil, err
	}
	view := s.service.View()
	agents := []Agent{}
	for _, a := range s.service.Registry.List() {
		agents = append(agents, s.service.shown(view, a))
	}
	return agents, nil
}

// Agent returns one agent by UUID or name.
func (s *Session) Agent(ctx context.Context, id string) (AgentDetail, error) {
	if err := s.may(ctx, ActShowAgents); err != nil {
		return AgentDetail{}, err
	}
	agent, err := s.service.find(id)
	if err != nil {
		return AgentDetail{}, err
	}
	detail := AgentDetail{Agent: s.service.shown(s.service.View(), agent), Certificates: []Certificate{}}
	for _, c := range slices.Backward(s.service.Registry.Certificates(agent.ID)) {
		detail.Certificates = append(detail.Certificates, shownCertificate(c))
	}
	return detail, nil
}

// SuspendAgent stops an agent until it is resumed. It is stopped even if the
// trail cannot record it, which is then the error.
func (s *Session) SuspendAgent(ctx context.Context, r StatusRequest) (Agent, error) {
	if err := s.may(ctx, ActSuspendAgent); err != nil {
		return Agent{}, err
	}
	return s.stop(ctx, audit.TypeAgentSuspended, r, s.service.Registry.Suspend)
}

// RevokeAgent stops an agent for good, on the terms of SuspendAgent.
func (s *Session) RevokeAgent(ctx context.Context, r StatusRequest) (Agent, error) {
	if err := s.may(ctx, ActRevokeAgent); err != nil {
		return Agent{}, err
	}
	return s.stop(ctx, audit.TypeAgentRevoked, r, s.service.Registry.Revoke)
}

type transition func(ctx context.Context, id uuid.UUID, reason string) (identity.Agent, error)

func (s *Session) stop(ctx context.Context, event string, r StatusRequest, apply transition) (Agent, error) {
	agent, err := s.service.find(r.ID)
	if err != nil {
		return Agent{}, err
	}
	agent, err = apply(ctx, agent.ID, r.Reason)
	unwritten, stopped := errors.AsType[*identity.UnwrittenError](err)
	if err != nil && !stopped {
		return Agent{}, err
	}
	s.service.Cut(agent.ID)
	view := s.service.View()
	err = s.recordAgent(ctx, event, view, agent)
	switch {
	case stopped:
		return Agent{}, s.service.notOnDisk(fmt.Sprintf("agent %s is %s", agent.ID, agent.Status), errors.Join(unwritten, err))
	case err != nil:
		return Agent{}, fmt.Errorf("agent %s is %s, but: %w", agent.ID, agent.Status, err)
	}
	return s.service.shown(view, agent), nil
}

// notOnDisk says that something is stopped in the server, and no further. Without a server it
// is stopped nowhere.
func (s *Service) notOnDisk(what string, why error) error {
	if s.Errand == nil {
		return why
	}
	// It is logged, too: who stops an agent may not be the one who can free the disk.
	s.Log.Error("what was stopped in this server is not on disk, and a restart forgets it", slog.String("stopped", what), slog.Any("error", why))
	return &Error{
		Kind: Failed, Msg: what + " in this server, but not on disk, and a restart forgets it: " + why.Error(),
		Try: "make room, and do it again",
	}
}

// ResumeAgent lets a suspended agent work again. If the trail cannot record
// it, the agent stays suspended.
func (s *Session) ResumeAgent(ctx context.Context, r StatusRequest) (Agent, error) {
	if err := s.may(ctx, ActResumeAgent); err != nil {
		return Agent{}, err
	}
	before, err := s.service.find(r.ID)
	if err != nil {
		return Agent{}, err
	}
	view := s.service.View()
	if err := view.owned(before); err != nil {
		return Agent{}, err
	}
	agent, err := s.service.Registry.Resume(ctx, before.ID)
	if err != nil {
		return Agent{}, err
	}
	if err := s.recordAgent(ctx, audit.TypeAgentResumed, view, agent); err != nil {
		_, undo := s.service.Registry.Suspend(context.WithoutCancel(ctx), agent.ID, before.Reason)
		if _, unwritten := errors.AsType[*identity.UnwrittenError](undo); unwritten {
			undo = s.service.notOnDisk(fmt.Sprintf("agent %s is suspended", agent.ID), undo)
		}
		s.service.Cut(agent.ID)
		return Agent{}, errors.Join(err, undo)
	}
	return s.service.shown(view, agent), nil
}

func (s *Service) find(id string) (identity.Agent, error) {
	agent, err := s.Registry.Find(id)
	if errors.Is(err, identity.ErrUnknownAgent) {
		return agent, &Error{Kind: Unknown, Msg: err.Error()}
	}
	return agent, err
}

// shown is an agent as people see it.
func (s *Service) shown(view View, a identity.Agent) Agent {
	shown := Agent{
		ID: a.ID, Name: a.Name, Policy: a.Policy, Owner: a.Owner,
		Accountable: optional(view.Owners.Accountable(a.Owner, s.Now())), Status: a.State(s.Now()), Reason: optional(a.Reason),
		CreatedAt: a.CreatedAt.UTC(), ChangedAt: a.ChangedAt.UTC(), ExpiresAt: a.ExpiresAt.UTC(),
		SPIFFEID: identity.AgentURI(view.TrustDomain, a.ID),
	}
	return shown
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (v View) checkPolicy(name string) error {
	if _, ok := v.Policies[name]; ok {
		return nil
	}
	return UnknownName("policy", name, slices.Sorted(maps.Keys(v.Policies)), "HOME/policies has none in force")
}

func (v View) checkOwner(ref string) error {
	if v.Owners.Has(ref) {
		return nil
	}
	return UnknownName("owner", ref, v.Owners.Refs(), "owners.yaml has none in force; an owner is written person:NAME or team:NAME")
}

// UnknownName is the error about a name that nobody has. It says what was meant, or what there is instead, if that is short enough to read.
func UnknownName(what, name string, known []string, none string) error {
	const shown = 20
	hint := none
	slip, meant := nearest.Slip(name, known)
	switch {
	case meant:
		hint = fmt.Sprintf("did you mean %s?", slip)
	case len(known) > shown:
		hint = fmt.Sprintf("there are %d, among them %s", len(known), strings.Join(known[:shown], ", "))
	case len(known) > 0:
		hint = "there is " + strings.Join(known, ", ")
	}
	return &Error{Kind: Unknown, Msg: fmt.Sprintf("unknown %s %q", what, name), Try: hint}
}
