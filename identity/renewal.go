package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// CloneError is that an agent is there twice: a certificate was renewed that had been renewed
// before, with another key. One of the two copied the other, or a machine was restored from a
// snapshot. Which is which cannot be told.
type CloneError struct {
	Agent      uuid.UUID
	Generation int // of the certificate that was shown
	Newest     int
}

func (e *CloneError) Error() string {
	return fmt.Sprintf("agent %s is there twice: its certificate %d was renewed before, up to %d, with another key", e.Agent, e.Generation, e.Newest)
}

// NotRenewableError says why a certificate cannot be renewed.
type NotRenewableError struct{ Why, Try string }

func (e *NotRenewableError) Error() string { return e.Why }

// Hint says what to try.
func (e *NotRenewableError) Hint() string { return e.Try }

// AddFirst records the first certificate of an agent that has just joined. If the answer with
// an earlier one was lost, that one is revoked.
func (r *Registry) AddFirst(ctx context.Context, c Certificate) error {
	return r.addFor(ctx, c, func(tx *sql.Tx, before *holder) (parent int, _ error) {
		for _, old := range before.certificates {
			if r.wasUsed(old) || old.Key != c.Key {
				return 0, errors.New("it has a certificate already")
			}
			if err := stored(revokeCertificate(ctx, tx, old.Serial)); err != nil {
				return 0, err
			}
		}
		return 0, nil
	})
}

// AddRenewed records a certificate in place of the one with the serial shown, for a fresh key.
// It may be asked for again, with the same key, until the new certificate is used for the first
// time: the answer may have been lost. Everything else that shows an old certificate is a
// [*CloneError]. A certificate that has ended can be renewed for grace longer.
func (r *Registry) AddRenewed(ctx context.Context, c Certificate, shown string, grace time.Duration) error {
	return r.addFor(ctx, c, func(tx *sql.Tx, before *holder) (parent int, _ error) {
		old := before.bySerial(shown)
		if err := before.renewable(old, shown, c.Key, r.now(), grace); err != nil {
			return 0, err
		}
		return old.Generation, r.replaceUnused(ctx, tx, before, old, c.Key)
	})
}

// renewable says why the certificate that was shown, nil if there is none, cannot be renewed.
func (h *holder) renewable(old *Certificate, shown, key string, now time.Time, grace time.Duration) error {
	again := "join again with a new token"
	switch state := h.agent.State(now); {
	case state != string(Active):
		return &NotRenewableError{Why: "agent " + h.agent.ID.String() + " is " + state, Try: "ask its owner"}
	case old == nil || old.Revoked:
		return &NotRenewableError{Why: "certificate " + shorten(shown) + " is revoked or unknown", Try: again}
	case now.Sub(old.NotAfter) > grace:
		return &NotRenewableError{Why: fmt.Sprintf("certificate %s ended at %s, too long ago to be renewed", shown, formatTime(old.NotAfter)), Try: again}
	case old.Key == key:
		return &NotRenewableError{Why: "a renewal needs a fresh key", Try: "make a new key for each renewal"}
	}
	return nil
}

// replaceUnused revokes the certificates that were issued in place of old and never reached
// anybody. One that did reach somebody is a clone's.
func (r *Registry) replaceUnused(ctx context.Context, tx *sql.Tx, h *holder, old *Certificate, key string) error {
	newest := h.certificates[len(h.certificates)-1].Generation
	for _, c := range h.certificates {
		if c.Generation <= old.Generation {
			continue
		}
		if c.Parent != old.Generation || c.Key != key || r.wasUsed(c) {
			if c.Parent == 0 {
				continue // issued by a person, to replace or beside the agent's own
			}
			return &CloneError{Agent: h.agent.ID, Generation: old.Generation, Newest: newest}
		}
		if err := stored(revokeCertificate(ctx, tx, c.Serial)); err != nil {
			return err
		}
	}
	return nil
}

func (h *holder) bySerial(serial string) *Certificate {
	for _, c := range h.certificates {
		if c.Serial == serial {
			return c
		}
	}
	return nil
}

// addFor records a certificate if check allows it, which says what it was issued in place of.
func (r *Registry) addFor(ctx context.Context, c Certificate, check func(*sql.Tx, *holder) (parent int, _ error)) error {
	err := checkCertificate(c, r.now())
	if err == nil {
		_, err = r.write(ctx, c.Agent, func(tx *sql.Tx, before *holder) error {
			switch {
			case before == nil:
				return unknown(c.Agent.String())
			case before.agent.Status == Revoked:
				return revokedAlready(before.agent)
			}
			var err error
			if c.Parent, err = check(tx, before); err != nil {
				return err
			}
			return stored(insertCertificate(ctx, tx, c))
		})
	}
	if err != nil {
		return fmt.Errorf("record certificate %.40q: %w", c.Serial, err)
	}
	return nil
}
