package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// An agent that renews itself has a certificate for every half an hour of its life. The view
// keeps the newest few, those that have not ended for longer than this, and those that have
// connections open.
const (
	keptCertificates = 4
	keptFor          = time.Hour
)

// use is what is known of the use of a certificate in this process, over all changes of the
// view.
type use struct {
	begun atomic.Bool  // somebody has connected with it, ever
	open  atomic.Int64 // connections
}

// firstUses are the certificates whose first use is not written yet.
type firstUses struct {
	mu      sync.Mutex
	serials []string
}

func (r *Registry) useOf(c *Certificate) *use {
	if found, ok := r.certificates.Load(c.Serial); ok {
		return found.(*viewed).use
	}
	u := new(use)
	u.begun.Store(c.used)
	return u
}

// Connected notes that a connection was opened with a certificate; closed, that it ended.
// From the first one on the answer that brought the certificate is not given again.
func (r *Registry) Connected(serial string) (closed func()) {
	found, ok := r.certificates.Load(serial)
	if !ok {
		return func() {}
	}
	u := found.(*viewed).use
	u.open.Add(1)
	if !u.begun.Swap(true) {
		r.firstUses.mu.Lock()
		r.firstUses.serials = append(r.firstUses.serials, serial)
		r.firstUses.mu.Unlock()
	}
	return func() { u.open.Add(-1) }
}

// wasUsed says whether somebody has connected with a certificate. What is not written when
// the process is killed is forgotten: an answer may then be given once more to whoever holds
// the key that it is for.
func (r *Registry) wasUsed(c *Certificate) bool { return c.used || r.useOf(c).begun.Load() }

// WriteUses writes which certificates have been used for the first time since the last call.
func (r *Registry) WriteUses(ctx context.Context) error {
	r.firstUses.mu.Lock()
	serials := r.firstUses.serials
	r.firstUses.serials = nil
	r.firstUses.mu.Unlock()
	if len(serials) == 0 {
		return nil
	}
	err := r.transact(ctx, func(tx *sql.Tx) error {
		for _, serial := range serials {
			if _, err := tx.ExecContext(ctx, `UPDATE certificates SET used = 1 WHERE serial = ?`, serial); err != nil {
				return stored(err)
			}
		}
		return nil
	})
	switch {
	case errors.Is(err, errFollowing):
		return nil // who has taken over counts for itself
	case err != nil:
		r.firstUses.mu.Lock()
		r.firstUses.serials = append(serials, r.firstUses.serials...)
		r.firstUses.mu.Unlock()
		return fmt.Errorf("note the use of certificates: %w", err)
	}
	return nil
}
