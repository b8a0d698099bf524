package admin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/identity"
	"sallyport/identity/join"
)

// EnrolListener is the enrolment listener, as far as administration needs it.
type EnrolListener struct {
	Address    string        // host:port where it is reached; "" if there is none
	RenewGrace time.Duration // how long after its end a certificate may still be renewed
}

// InviteRequest asks for a token by which agents join.
type InviteRequest struct {
	Policy   string   `json:"policy"`
	Owner    string   `json:"owner"`          // person:NAME or team:NAME
	Name     string   `json:"name,omitempty"` // of the agent or, with more than one use, the beginning of their names
	Uses     int      `json:"uses"`
	TTL      Duration `json:"ttl"`            // of the token
	AgentTTL Duration `json:"agent_ttl"`      // of an agent that joins
	From     []string `json:"from,omitempty"` // networks from which it may be used
}

// Invite is an invite as people and scripts see it.
type Invite struct {
	ID        uuid.UUID  `json:"id"`
	Name      string     `json:"name"`
	Policy    string     `json:"policy"`
	Owner     string     `json:"owner"`
	Uses      int        `json:"uses"`
	Used      int        `json:"used"`
	AgentTTL  Duration   `json:"agent_ttl"`
	From      []string   `json:"from"`
	State     string     `json:"state"` // open | used | expired | ended
	Reason    *string    `json:"reason"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	EndedAt   *time.Time `json:"ended_at"`
}

// Invitation is a new invite and its token, which is kept nowhere.
type Invitation struct {
	Invite
	Token string `json:"token"`
}

// Inviter is what invites are made, listed and ended through.
type Inviter interface {
	// Invite makes an invite. Its token is handed over when the trail knows of it.
	Invite(ctx context.Context, r InviteRequest) (Invitation, error)
	// List lists all invites, oldest first.
	List(ctx context.Context) ([]Invite, error)
	// End keeps an invite from being used any more. It is ended even if the trail cannot
	// record it, which is then the error. Agents that came by it stay.
	End(ctx context.Context, r StatusRequest) (Invite, error)
}

// Inviter is the service's, on behalf of the session's user.
func (s *Session) Inviter() Inviter { return inviter{s} }

type inviter struct{ *Session }

func (s inviter) Invite(ctx context.Context, r InviteRequest) (Invitation, error) {
	if err := s.may(ctx, ActInvite); err != nil {
		return Invitation{}, err
	}
	view := s.service.View()
	sources, err := parseSources(r.From)
	if err := errors.Join(err, checkTTL(time.Duration(r.AgentTTL)), view.checkPolicy(r.Policy), view.checkOwner(r.Owner)); err != nil {
		return Invitation{}, err
	}
	listener := s.service.Enrol()
	if listener.Address == "" {
		return Invitation{}, &Error{
			Kind: Conflict, Msg: "agents cannot join: there is no enrolment listener",
			Try: "add `enrol: {listen: 127.0.0.1:8446}` to sallyport.yaml, and restart the server",
		}
	}
	secret := join.NewSecret()
	made, err := s.service.Registry.AddInvite(ctx, identity.Invite{
		Policy: r.Policy, Owner: r.Owner, Name: r.Name, Uses: r.Uses, Sources: sources,
		AgentTTL: time.Duration(r.AgentTTL), ExpiresAt: s.service.Now().Add(time.Duration(r.TTL)),
	}, join.HashSecret(secret))
	if err != nil {
		return Invitation{}, err
	}
	if err := s.recordInvite(ctx, audit.TypeInviteCreated, view, made); err != nil {
		_, undo := s.service.Registry.EndInvite(context.WithoutCancel(ctx), made.ID, "it could not be recorded")
		return Invitation{}, errors.Join(err, undo)
	}
	token := join.Token{
		Enrol: listener.Address, Proxy: s.service.Proxy(), CA: join.Hash(s.service.AgentCA.Certificate()), Invite: made.ID, Secret: secret,
	}
	return Invitation{Invite: s.service.shownInvite(made), Token: token.Text()}, nil
}

func parseSources(texts []string) ([]netip.Prefix, error) {
	var sources []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if addr, err2 := netip.ParseAddr(text); err2 == nil {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil || p != p.Masked() {
			return nil, &Error{Kind: Invalid, Msg: fmt.Sprintf("network %.60q is no range of addresses", text), Try: "write it as 10.0.3.0/24, with nothing after its length, or one address"}
		}
		sources = append(sources, p)
	}
	return sources, nil
}

func (s inviter) List(ctx context.Context) ([]Invite, error) {
	if err := s.may(ctx, ActShowAgents); err != nil {
		return nil, err
	}
	all, err := s.service.Registry.Invites(ctx)
	if err != nil {
		return nil, err
	}
	shown := []Invite{}
	for _, i := range all {
		shown = append(shown, s.service.shownInvite(i))
	}
	return shown, nil
}

func (s inviter) End(ctx context.Context, r StatusRequest) (Invite, error) {
	if err := s.may(ctx, ActInvite); err != nil {
		return Invite{}, err
	}
	id, err := uuid.Parse(r.ID)
	if err != nil {
		return Invite{}, &Error{Kind: Unknown, Msg: fmt.Sprintf("no invite has the id %.60q", r.ID), Try: "`sallyport agent invite list` shows those there are"}
	}
	ended, err := s.service.Registry.EndInvite(ctx, id, r.Reason)
	switch {
	case errors.Is(err, identity.ErrUnknownInvite):
		return Invite{}, &Error{Kind: Unknown, Msg: err.Error()}
	case err != nil:
		return Invite{}, err
	}
	if err := s.recordInvite(ctx, audit.TypeInviteEnded, s.service.View(), ended); err != nil {
		return Invite{}, fmt.Errorf("invite %s is ended, but: %w", ended.ID, err)
	}
	return s.service.shownInvite(ended), nil
}

func (s inviter) recordInvite(ctx context.Context, event string, view View, i identity.Invite) error {
	payload := invitePayload(view, i, s.service.Now())
	payload["uses"], payload["agent_ttl"] = i.Uses, i.AgentTTL.String()
	payload["expires_at"] = stamp(i.ExpiresAt)
	if len(i.Sources) > 0 {
		payload["from"] = prefixTexts(i.Sources)
	}
	if i.Reason != "" {
		payload["reason"] = i.Reason
	}
	return s.record(ctx, event, payload)
}

// invitePayload says which invite it is, and who would answer for what comes by it.
func invitePayload(view View, i identity.Invite, at time.Time) map[string]any {
	payload := audit.Who{AgentName: i.Name, Owner: i.Owner, Policy: i.Policy}.Answering(view.Owners, at).Payload()
	delete(payload, "agent")
	payload["invite"] = i.ID.String()
	return payload
}

func (s *Service) shownInvite(i identity.Invite) Invite {
	shown := Invite{
		ID: i.ID, Name: i.Name, Policy: i.Policy, Owner: i.Owner, Uses: i.Uses, Used: i.Used,
		AgentTTL: Duration(i.AgentTTL), From: prefixTexts(i.Sources), State: i.State(s.Now()), Reason: optional(i.Reason),
		CreatedAt: i.CreatedAt.UTC(), ExpiresAt: i.ExpiresAt.UTC(),
	}
	if !i.EndedAt.IsZero() {
		at := i.EndedAt.UTC()
		shown.EndedAt = &at
	}
	return shown
}

func prefixTexts(list []netip.Prefix) []string {
	texts := []string{}
	for _, p := range slices.Clone(list) {
		texts = append(texts, p.String())
	}
	return texts
}
