package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Create registers a new, active agent. ID is chosen when it is zero, Name when
// it is empty; ExpiresAt is required. The times of the answer are those stored.
func (r *Registry) Create(ctx context.Context, a Agent) (Agent, error) {
	if a.ID == uuid.Nil {
		id, err := uuid.NewRandom()
		if err != nil {
			return Agent{}, fmt.Errorf("create agent: choose an id: %w", err)
		}
		a.ID = id
	}
	if a.Name == "" {
		a.Name = a.Policy + "-" + a.ID.String()[:8]
	}
	if a.Status == "" {
		a.Status = Active
	}
	now := r.now()
	a.CreatedAt, a.ChangedAt = now, now
	if err := checkNew(a, now); err != nil {
		return Agent{}, fmt.Errorf("create agent: %w", err)
	}
	h, err := r.write(ctx, a.ID, func(tx *sql.Tx, before *holder) error {
		if before != nil {
			return fmt.Errorf("there is an agent with id %s already", a.ID)
		}
		return stored(insertAgent(ctx, tx, a))
	})
	if err != nil {
		return Agent{}, fmt.Errorf("create agent: %w", err)
	}
	return h.agent, nil
}

// Suspend stops an active agent until it is resumed. If that cannot be written, the agent is
// stopped in this process, and the error is an [*UnwrittenError].
func (r *Registry) Suspend(ctx context.Context, id uuid.UUID, reason string) (Agent, error) {
	if err := checkReason(reason); err != nil {
		return Agent{}, fmt.Errorf("suspend agent %s: %w", id, err)
	}
	agent, err := r.change(ctx, "suspend", id, func(a *Agent) error {
		if a.Status == Suspended {
			return fmt.Errorf("it is suspended already, since %s; `sallyport agent resume` ends that", formatTime(a.ChangedAt))
		}
		a.Status, a.Reason = Suspended, reason
		return nil
	})
	if err != nil {
		return r.stop(id, err, func(s *stop) { s.raise(Suspended, reason, r.now()) })
	}
	return agent, nil
}

// Resume lets a suspended agent work again.
func (r *Registry) Resume(ctx context.Context, id uuid.UUID) (Agent, error) {
	return r.change(ctx, "resume", id, func(a *Agent) error {
		if stop := r.stops.of[id]; stop != nil && stop.status != "" {
			return fmt.Errorf("it is %s in this server, but not on disk; make room, and do that again first", stop.status)
		}
		if a.Status != Suspended {
			return errors.New("it is not suspended, so there is nothing to resume")
		}
		a.Status, a.Reason = Active, ""
		return nil
	})
}

// Renew moves an agent's expiry. It changes neither status nor certificates:
// the caller issues a new certificate and has it recorded.
func (r *Registry) Renew(ctx context.Context, id uuid.UUID, expiresAt time.Time) (Agent, error) {
	return r.change(ctx, "renew", id, func(a *Agent) error {
		a.ExpiresAt = expiresAt
		return checkExpiry(expiresAt, r.now())
	})
}

// Revoke stops an agent for good and revokes its certificates, on the terms of Suspend.
func (r *Registry) Revoke(ctx context.Context, id uuid.UUID, reason string) (Agent, error) {
	if err := checkReason(reason); err != nil {
		return Agent{}, fmt.Errorf("revoke agent %s: %w", id, err)
	}
	agent, err := r.change(ctx, "revoke", id, func(a *Agent) error {
		a.Status, a.Reason = Revoked, reason
		return nil
	})
	if err != nil {
		return r.stop(id, err, func(s *stop) { s.raise(Revoked, reason, r.now()) })
	}
	return agent, nil
}

// AddCertificate records a certificate that was issued to an agent and gives it
// the next generation. Until then the certificate counts as revoked, so it is
// handed over only afterwards.
func (r *Registry) AddCertificate(ctx context.Context, c Certificate) error {
	return r.addFor(ctx, c, func(*sql.Tx, *holder) (parent int, _ error) { return 0, nil })
}

// RevokeCertificates revokes those of an agent's certificates that which says, and returns
// those that were not revoked before. The agent stays what it is. The reason is for the
// trail and only checked here. What cannot be written is revoked in this process, and the
// error is an [*UnwrittenError].
func (r *Registry) RevokeCertificates(ctx context.Context, agent uuid.UUID, reason string, which func(Certificate) bool) ([]Certificate, error) {
	if err := checkReason(reason); err != nil {
		return nil, fmt.Errorf("revoke certificates of agent %s: %w", agent, err)
	}
	var revoked []Certificate
	_, err := r.write(ctx, agent, func(tx *sql.Tx, before *holder) error {
		if before == nil {
			return unknown(agent.String())
		}
		for _, c := range before.certificates {
			if c.Revoked || !which(*c) {
				continue
			}
			if err := stored(revokeCertificate(ctx, tx, c.Serial)); err != nil {
				return err
			}
			after := *c
			after.Revoked = true
			revoked = append(revoked, after)
		}
		return nil
	})
	if err == nil {
		return revoked, nil
	}
	revoked = nil
	_, err = r.stop(agent, fmt.Errorf("revoke certificates of agent %s: %w", agent, err), func(s *stop) {
		for _, c := range r.Certificates(agent) {
			if !c.Revoked && which(c) {
				s.serials[c.Serial] = true
				c.Revoked = true
				revoked = append(revoked, c)
			}
		}
	})
	return revoked, err
}

func checkCertificate(c Certificate, now time.Time) error {
	switch {
	case c.Serial == "" || len(c.Serial) > 40 || c.Serial[0] == '0' || strings.Trim(c.Serial, "0123456789abcdef") != "":
		// RFC 5280, 4.1.2.2: positive, at most 20 octets.
		return errors.New("its serial is not a positive number in lower-case hexadecimal")
	case c.Revoked:
		return errors.New("it is revoked")
	case !c.NotAfter.After(now):
		return fmt.Errorf("it expired at %s", formatTime(c.NotAfter))
	}
	return nil
}

// change applies a transition to an agent that is not revoked.
func (r *Registry) change(ctx context.Context, step string, id uuid.UUID, apply func(*Agent) error) (Agent, error) {
	h, err := r.write(ctx, id, func(tx *sql.Tx, before *holder) error {
		if before == nil {
			return unknown(id.String())
		}
		if before.agent.Status == Revoked {
			return revokedAlready(before.agent)
		}
		after := before.agent
		if err := apply(&after); err != nil {
			return err
		}
		after.ChangedAt = r.now()
		return stored(updateAgent(ctx, tx, after))
	})
	if err != nil {
		return Agent{}, fmt.Errorf("%s agent %s: %w", step, id, err)
	}
	return h.agent, nil
}

func revokedAlready(a Agent) error {
	return fmt.Errorf("it was revoked at %s, which is final; create a new agent", formatTime(a.ChangedAt))
}

// write runs one change of one agent in a transaction and publishes what was
// committed. apply gets the agent as the database has it, nil if it has none.
// If it or the commit fails, nothing has changed.
func (r *Registry) write(ctx context.Context, id uuid.UUID, apply func(*sql.Tx, *holder) error) (*holder, error) {
	r.changes.Lock()
	defer r.changes.Unlock()
	if r.following.Load() {
		return nil, errFollowing
	}
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", stored(err))
	}
	defer func() { _ = tx.Rollback() }()
	before, err := readOne(ctx, tx, id)
	if err != nil {
		return nil, fmt.Errorf("read: %w", stored(err))
	}
	if err := apply(tx, before); err != nil {
		// The view learns what the database had. It can be news when an
		// earlier commit reported an error although it took place.
		if before != nil {
			r.publish(before)
		}
		return nil, err
	}
	after, err := readOne(ctx, tx, id)
	if err != nil {
		return nil, fmt.Errorf("read back: %w", stored(err))
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("commit: %w", stored(err))
	}
	return r.publish(after), nil
}
