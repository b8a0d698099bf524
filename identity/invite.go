package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"

	"sallyport/identity/owners"
)

// Invite lets whoever shows its secret join as a new agent, until it ends or is used up.
type Invite struct {
	ID       uuid.UUID
	Policy   string // of the agents
	Owner    string // of the agents: "person:NAME" or "team:NAME"
	Name     string // of the agent that joins or, with more than one use, the beginning of their names; "" for the policy
	Uses     int    // how many agents may join
	Used     int
	AgentTTL time.Duration  // the life of an agent that joins
	Sources  []netip.Prefix // from where; nil for everywhere

	CreatedAt time.Time
	ExpiresAt time.Time
	EndedAt   time.Time // when somebody ended it; zero if nobody did
	Reason    string    // why somebody ended it
}

// The states of an invite.
const (
	InviteOpen    = "open"
	InviteUsed    = "used"
	InviteExpired = "expired"
	InviteEnded   = "ended"
)

// State says what an invite is at a moment; only an open one lets agents in.
func (i Invite) State(now time.Time) string {
	switch {
	case !i.EndedAt.IsZero():
		return InviteEnded
	case i.Used >= i.Uses:
		return InviteUsed
	case !now.Before(i.ExpiresAt):
		return InviteExpired
	}
	return InviteOpen
}

// maxUses and the longest lives keep a typing slip from opening the door for good.
const (
	maxUses        = 100_000
	maxInviteTTL   = 31 * 24 * time.Hour
	maxSources     = 32
	theftPeriod    = time.Hour // how long a spent token is watched for another key
	secretHashSize = 64
)

func (i Invite) check(now time.Time) error {
	var errs []error
	if i.Name != "" {
		if err := owners.CheckName(i.Name); err != nil {
			errs = append(errs, fmt.Errorf("name %w", err))
		}
	}
	if err := owners.CheckName(i.Policy); err != nil {
		errs = append(errs, fmt.Errorf("policy %w", err))
	}
	if err := owners.CheckRef(i.Owner); err != nil {
		errs = append(errs, err)
	}
	switch life := i.ExpiresAt.Sub(now); {
	case i.Uses < 1 || i.Uses > maxUses:
		errs = append(errs, fmt.Errorf("%d uses: between 1 and %d are possible", i.Uses, maxUses))
	case life <= 0 || life > maxInviteTTL:
		errs = append(errs, fmt.Errorf("a life of %s: give more than 0 and at most %s", life, maxInviteTTL))
	case i.AgentTTL <= 0:
		errs = append(errs, fmt.Errorf("an agent's life of %s is not possible", i.AgentTTL))
	case len(i.Sources) > maxSources:
		errs = append(errs, fmt.Errorf("more than %d networks", maxSources))
	}
	return errors.Join(errs...)
}

// AddInvite registers an invite; secretHash is all that is kept of its secret. ID is chosen
// if it is zero. The times of the answer are those stored.
func (r *Registry) AddInvite(ctx context.Context, i Invite, secretHash string) (Invite, error) {
	if i.ID == uuid.Nil {
		id, err := uuid.NewRandom()
		if err != nil {
			return Invite{}, fmt.Errorf("invite: choose an id: %w", err)
		}
		i.ID = id
	}
	i.CreatedAt = fromMicro(r.now().UnixMicro())
	i.ExpiresAt = fromMicro(i.ExpiresAt.UnixMicro())
	if err := i.check(i.CreatedAt); err != nil {
		return Invite{}, fmt.Errorf("invite: %w", err)
	}
	if len(secretHash) != secretHashSize {
		return Invite{}, errors.New("invite: its secret has no hash")
	}
	err := r.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO invites (id, secret, policy, owner, name, uses, agent_ttl, sources, created_at, expires_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			i.ID.String(), secretHash, i.Policy, i.Owner, i.Name, i.Uses, i.AgentTTL.Microseconds(), joinPrefixes(i.Sources),
			i.CreatedAt.UnixMicro(), i.ExpiresAt.UnixMicro())
		return stored(err)
	})
	if err != nil {
		return Invite{}, fmt.Errorf("invite: %w", err)
	}
	return i, nil
}

// Invites returns all invites, oldest first.
func (r *Registry) Invites(ctx context.Context) ([]Invite, error) {
	var all []Invite
	err := each(ctx, r.db, selectInvites+` ORDER BY created_at, id`, nil, func(rows *sql.Rows) error {
		i, _, err := scanInvite(rows)
		all = append(all, i)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read invites: %w", explain(err))
	}
	return all, nil
}

// ErrUnknownInvite is what errors wrap that are about an invite which does not exist.
var ErrUnknownInvite = errors.New("unknown invite")

// EndInvite keeps an invite from being used any more. Agents that came by it stay.
func (r *Registry) EndInvite(ctx context.Context, id uuid.UUID, reason string) (Invite, error) {
	if err := checkReason(reason); err != nil {
		return Invite{}, fmt.Errorf("end invite %s: %w", id, err)
	}
	var ended Invite
	err := r.transact(ctx, func(tx *sql.Tx) error {
		i, _, err := readInvite(ctx, tx, id)
		if err != nil {
			return err
		}
		now := fromMicro(r.now().UnixMicro())
		if state := i.State(now); state != InviteOpen {
			return fmt.Errorf("it is %s already, so that nobody can join by it", state)
		}
		i.EndedAt, i.Reason = now, reason
		_, err = tx.ExecContext(ctx, `UPDATE invites SET ended_at = ?, reason = ? WHERE id = ?`, now.UnixMicro(), reason, id.String())
		ended = i
		return stored(err)
	})
	if err != nil {
		return Invite{}, fmt.Errorf("end invite %s: %w", id, err)
	}
	return ended, nil
}

const selectInvites = `SELECT id, secret, policy, owner, name, uses, used, agent_ttl, sources, created_at, expires_at, ended_at, reason FROM invites`

// readInvite returns an invite and the hash of its secret.
func readInvite(ctx context.Context, q queryer, id uuid.UUID) (Invite, string, error) {
	var invite Invite
	var hash string
	err := each(ctx, q, selectInvites+` WHERE id = ?`, []any{id.String()}, func(rows *sql.Rows) (err error) {
		invite, hash, err = scanInvite(rows)
		return err
	})
	switch {
	case err != nil:
		return Invite{}, "", stored(err)
	case hash == "":
		return Invite{}, "", fmt.Errorf("%w %s; `sallyport agent invite list` shows those there are", ErrUnknownInvite, id)
	}
	return invite, hash, nil
}

func scanInvite(rows *sql.Rows) (Invite, string, error) {
	var i Invite
	var id, hash, sources string
	var ttl, created, expires, ended int64
	err := rows.Scan(&id, &hash, &i.Policy, &i.Owner, &i.Name, &i.Uses, &i.Used, &ttl, &sources, &created, &expires, &ended, &i.Reason)
	if err != nil {
		return Invite{}, "", err
	}
	if i.ID, err = uuid.Parse(id); err != nil {
		return Invite{}, "", fmt.Errorf("invite %.40q: %w", id, errDamaged)
	}
	for text := range strings.FieldsSeq(sources) {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return Invite{}, "", fmt.Errorf("invite %s: %w", id, errDamaged)
		}
		i.Sources = append(i.Sources, p)
	}
	i.AgentTTL = time.Duration(ttl) * time.Microsecond
	i.CreatedAt, i.ExpiresAt = fromMicro(created), fromMicro(expires)
	if ended != 0 {
		i.EndedAt = fromMicro(ended)
	}
	return i, hash, nil
}

func joinPrefixes(list []netip.Prefix) string {
	texts := make([]string, 0, len(list))
	for _, p := range list {
		texts = append(texts, p.String())
	}
	return strings.Join(texts, " ")
}

// transact runs a change that is about no agent.
func (r *Registry) transact(ctx context.Context, apply func(*sql.Tx) error) error {
	r.changes.Lock()
	defer r.changes.Unlock()
	if r.following.Load() {
		return errFollowing
	}
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", stored(err))
	}
	defer func() { _ = tx.Rollback() }()
	if err := apply(tx); err != nil {
		return err
	}
	return stored(tx.Commit())
}

// EndOpenInvites ends every invite that is open, and returns how many there were.
func (r *Registry) EndOpenInvites(ctx context.Context, reason string) (ended int, _ error) {
	if err := checkReason(reason); err != nil {
		return 0, fmt.Errorf("end invites: %w", err)
	}
	err := r.transact(ctx, func(tx *sql.Tx) error {
		now := r.now().UnixMicro()
		result, err := tx.ExecContext(ctx, `UPDATE invites SET ended_at = ?1, reason = ?2 WHERE ended_at = 0 AND used < uses AND expires_at > ?1`, now, reason)
		if err != nil {
			return stored(err)
		}
		n, err := result.RowsAffected()
		ended = int(n)
		return stored(err)
	})
	if err != nil {
		return 0, fmt.Errorf("end invites: %w", err)
	}
	return ended, nil
}
