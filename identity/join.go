package identity

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Joining is what somebody shows who wants to be an agent.
type Joining struct {
	Invite     uuid.UUID
	SecretHash string
	Key        string     // fingerprint of the key that the agent made
	From       netip.Addr // as the connection has it
	// Allow says why an agent of this invite may not be made any more; nil asks nobody.
	Allow func(Invite) error
}

// Joined is what came of it.
type Joined struct {
	Invite Invite // with this use counted
	Agent  Agent
	// Again says that this very key had joined before and that its certificate was never used:
	// the answer was lost, and is to be given once more.
	Again bool
}

// RefusedJoin is the error that somebody may not join. It tells the caller nothing that an
// invite's owner would keep to themselves.
type RefusedJoin struct {
	Why, Try string
	// Thief is the agent that joined by a token which somebody else has shown since: one of
	// the two is a thief. The zero UUID if there is none.
	Thief uuid.UUID
	Name  string // of the invite, for the trail; "" if there is none such
}

func (e *RefusedJoin) Error() string { return e.Why }

// Hint says what to try.
func (e *RefusedJoin) Hint() string { return e.Try }

// Join registers an agent for the bearer of an invite's secret, and spends one of its uses.
func (r *Registry) Join(ctx context.Context, j Joining) (Joined, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return Joined{}, fmt.Errorf("join: choose an id: %w", err)
	}
	if err := r.mayTry(ctx, j); err != nil {
		return Joined{}, err
	}
	var joined Joined
	h, err := r.write(ctx, id, func(tx *sql.Tx, _ *holder) error {
		invite, hash, err := readInvite(ctx, tx, j.Invite)
		if err != nil && !errors.Is(err, ErrUnknownInvite) {
			return err
		}
		now := r.now()
		if !knows(hash, j) {
			return unknownToken()
		}
		if err := r.again(ctx, tx, invite, j.Key, now, &joined); err != nil || joined.Again {
			return errors.Join(err, errSettled)
		}
		if err := r.admit(ctx, tx, invite, j, now); err != nil {
			return err
		}
		joined.Invite = invite
		joined.Invite.Used++
		return r.register(ctx, tx, joined.Invite, j, id, now)
	})
	switch {
	case joined.Again && errors.Is(err, errSettled):
		return joined, nil
	case err != nil:
		if refused, ok := errors.AsType[*RefusedJoin](err); ok {
			return Joined{}, refused
		}
		return Joined{}, fmt.Errorf("join: %w", err)
	}
	joined.Agent = h.agent
	return joined, nil
}

// mayTry turns away who has no secret, before anything waits for them.
func (r *Registry) mayTry(ctx context.Context, j Joining) error {
	_, hash, err := readInvite(ctx, r.db, j.Invite)
	if err != nil && !errors.Is(err, ErrUnknownInvite) {
		return fmt.Errorf("join: %w", err)
	}
	if !knows(hash, j) {
		return unknownToken()
	}
	return nil
}

func knows(hash string, j Joining) bool {
	return hash != "" && subtle.ConstantTimeCompare([]byte(hash), []byte(j.SecretHash)) == 1
}

func unknownToken() error {
	return &RefusedJoin{Why: "this join token is not known here", Try: "ask for a new one: `sallyport agent invite`"}
}

// errSettled ends a transaction in which nothing is to be changed.
var errSettled = errors.New("nothing to change")

// again finds the agent that joined by this invite with this key, if its certificate was
// never used.
func (r *Registry) again(ctx context.Context, tx *sql.Tx, i Invite, key string, now time.Time, joined *Joined) error {
	agent, err := joinedBy(ctx, tx, i.ID, key)
	if err != nil || agent == uuid.Nil {
		return err
	}
	h, err := readOne(ctx, tx, agent)
	if err != nil {
		return stored(err)
	}
	if h == nil || h.agent.State(now) != string(Active) {
		return &RefusedJoin{Why: "the agent that joined with this key may not act any more", Try: "ask for a new token: `sallyport agent invite`", Name: i.ID.String()}
	}
	if slices.ContainsFunc(h.certificates, r.wasUsed) {
		return &RefusedJoin{Why: "this key has joined already, and its certificate is in use", Try: "go on with that certificate", Name: i.ID.String()}
	}
	*joined = Joined{Invite: i, Agent: h.agent, Again: true}
	return nil
}

// admit says whether one more may join now.
func (r *Registry) admit(ctx context.Context, tx *sql.Tx, i Invite, j Joining, now time.Time) error {
	no := &RefusedJoin{Try: "ask for a new one: `sallyport agent invite`", Name: i.ID.String()}
	if !i.allows(j.From) {
		no.Why, no.Try = "this join token may not be used from "+j.From.String(), "use it where it was made for, or make one with another --from"
		return no
	}
	switch i.State(now) {
	case InviteOpen:
		if err := r.barred(ctx, tx, i); err != nil || j.Allow == nil {
			return err
		}
		return j.Allow(i)
	case InviteEnded:
		no.Why = "this join token was revoked"
	case InviteExpired:
		no.Why = "this join token expired at " + formatTime(i.ExpiresAt)
	case InviteUsed:
		no.Why = fmt.Sprintf("this join token is used up: %d of %d", i.Used, i.Uses)
		var err error
		if no.Thief, err = r.robbed(ctx, tx, i, now); err != nil {
			return err
		}
	}
	return no
}

// robbed is the one agent that joined by an invite a short while ago.
func (r *Registry) robbed(ctx context.Context, tx *sql.Tx, i Invite, now time.Time) (uuid.UUID, error) {
	if i.Uses != 1 {
		return uuid.Nil, nil // one machine more than was planned for is no thief
	}
	var agent string
	err := tx.QueryRowContext(ctx, `SELECT agent FROM joins WHERE invite = ? AND at > ?`, i.ID.String(), now.Add(-theftPeriod).UnixMicro()).Scan(&agent)
	if errors.Is(err, sql.ErrNoRows) {
		return uuid.Nil, nil
	}
	if err != nil {
		return uuid.Nil, stored(err)
	}
	return uuid.Parse(agent)
}

// barred refuses an invite by which an agent came that people have stopped: it would only
// come back under another name.
func (r *Registry) barred(ctx context.Context, tx *sql.Tx, i Invite) error {
	var stopped int
	err := tx.QueryRowContext(ctx, `SELECT stopped FROM invites WHERE id = ?`, i.ID.String()).Scan(&stopped)
	switch {
	case err != nil:
		return stored(err)
	case stopped > 0:
		return &RefusedJoin{
			Why: fmt.Sprintf("%d of the agents that joined by this token are suspended or revoked, which bars it", stopped),
			Try: "ask for a new one: `sallyport agent invite`", Name: i.ID.String(),
		}
	}
	return nil
}

func (i Invite) allows(from netip.Addr) bool {
	if len(i.Sources) == 0 {
		return true
	}
	for _, p := range i.Sources {
		if p.Contains(from.Unmap()) {
			return true
		}
	}
	return false
}

// register writes the agent and its use of the invite.
func (r *Registry) register(ctx context.Context, tx *sql.Tx, i Invite, j Joining, id uuid.UUID, now time.Time) error {
	a := Agent{
		ID: id, Name: i.agentName(id), Policy: i.Policy, Owner: i.Owner, Status: Active,
		CreatedAt: now, ChangedAt: now, ExpiresAt: now.Add(i.AgentTTL),
	}
	if err := checkNew(a, now); err != nil {
		return err
	}
	if err := insertAgent(ctx, tx, a); err != nil {
		return stored(err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO joins (invite, agent, key, at) VALUES (?, ?, ?, ?)`, i.ID.String(), id.String(), j.Key, now.UnixMicro()); err != nil {
		return stored(err)
	}
	_, err := tx.ExecContext(ctx, `UPDATE invites SET used = ? WHERE id = ?`, i.Used, i.ID.String())
	return stored(err)
}

// agentName is the name that was given, for one agent, and otherwise one that tells it from
// its fellows.
func (i Invite) agentName(id uuid.UUID) string {
	switch {
	case i.Name != "" && i.Uses == 1:
		return i.Name
	case i.Name != "":
		return i.Name + "-" + id.String()[:8]
	}
	return i.Policy + "-" + id.String()[:8]
}

func joinedBy(ctx context.Context, tx *sql.Tx, invite uuid.UUID, key string) (uuid.UUID, error) {
	var agent string
	err := tx.QueryRowContext(ctx, `SELECT agent FROM joins WHERE invite = ? AND key = ?`, invite.String(), key).Scan(&agent)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return uuid.Nil, nil
	case err != nil:
		return uuid.Nil, stored(err)
	}
	return uuid.Parse(agent)
}
