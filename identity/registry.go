package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"sallyport/internal/nearest"
)

// ErrUnknownAgent is what errors wrap that are about an agent which does not
// exist.
var ErrUnknownAgent = errors.New("unknown agent")

// Registry is the set of known agents and their certificates. The truth is its
// database; a view in memory answers questions, at some 600 bytes for an agent
// with one certificate. It is safe for concurrent use.
//
// One process at a time may change a database: another process's changes do
// not reach this one's view before it touches the same agent. The database
// itself stays right even then, since every change is checked against the row
// in the transaction that writes it.
type Registry struct {
	db  *sql.DB
	now func() time.Time

	// changes is held over a transaction and the publishing of its result, so
	// that the view takes changes in the order in which they were committed.
	changes   sync.Mutex
	following atomic.Bool // another process makes the changes
	firstUses firstUses   // that are not written yet
	stops     stops       // that could not be written

	// The view. What the maps point to is never written again.
	agents       sync.Map // uuid.UUID to *holder
	certificates sync.Map // serial (string) to *viewed
}

// viewed is a certificate in the view.
type viewed struct {
	*Certificate
	until time.Time // when what was opened with it must end; see CertificateState
	use   *use
}

// holder is an agent with all certificates that it holds or held, oldest first.
type holder struct {
	agent        Agent
	certificates []*Certificate
}

// Open opens the registry in the database at path, creating it if there is
// none. The caller closes it.
func Open(ctx context.Context, path string, now func() time.Time) (*Registry, error) {
	db, err := openStore(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("open agent registry: %w", err)
	}
	r := &Registry{db: db, now: now}
	holders, err := readAll(ctx, db)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open agent registry: read %s: %w", path, explain(err)), db.Close())
	}
	for _, h := range holders {
		r.publish(h)
	}
	return r, nil
}

// Close closes the database. The view goes on answering; changes fail.
func (r *Registry) Close() error { return r.db.Close() }

// Lookup returns the agent with this id. On the path of every request.
func (r *Registry) Lookup(id uuid.UUID) (Agent, bool) {
	h, ok := r.agents.Load(id)
	if !ok {
		return Agent{}, false
	}
	return h.(*holder).agent, true
}

// CertificateRevoked says whether the certificate must be refused: it was
// revoked, its agent was, or the registry never recorded it.
func (r *Registry) CertificateRevoked(serial string) bool {
	certificate, ok := r.certificates.Load(serial)
	return !ok || certificate.(*viewed).Revoked
}

// CertificateState says what a certificate is at a moment to whoever has a connection that
// was opened with it: "active", "revoked" (as CertificateRevoked has it) or "expired". A
// connection need not end with its certificate as long as its agent is renewed: it ends
// with the newest certificate that came after its own and was not revoked. On the path of
// every request.
func (r *Registry) CertificateState(serial string, now time.Time) string {
	found, ok := r.certificates.Load(serial)
	switch {
	case !ok || found.(*viewed).Revoked:
		return string(Revoked)
	case !now.Before(found.(*viewed).until):
		return Expired
	}
	return string(Active)
}

// Certificate returns the certificate with this serial, unless it ended long ago.
func (r *Registry) Certificate(serial string) (Certificate, bool) {
	found, ok := r.certificates.Load(serial)
	if !ok {
		return Certificate{}, false
	}
	return *found.(*viewed).Certificate, true
}

// List returns all agents, oldest first.
func (r *Registry) List() []Agent {
	var agents []Agent
	for _, h := range r.agents.Range {
		agents = append(agents, h.(*holder).agent)
	}
	slices.SortFunc(agents, func(a, b Agent) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return slices.Compare(a.ID[:], b.ID[:])
	})
	return agents
}

// Certificates returns an agent's certificates, oldest first.
func (r *Registry) Certificates(id uuid.UUID) []Certificate {
	h, ok := r.agents.Load(id)
	if !ok {
		return nil
	}
	var certificates []Certificate
	for _, c := range h.(*holder).certificates {
		certificates = append(certificates, *c)
	}
	return certificates
}

// Find returns the agent with this id, or the only one with this name. Where
// several share a name and one of them is not revoked, that one is meant.
func (r *Registry) Find(idOrName string) (Agent, error) {
	if id, err := uuid.Parse(idOrName); err == nil {
		agent, ok := r.Lookup(id)
		if !ok {
			return Agent{}, unknown(id.String())
		}
		return agent, nil
	}
	named := slices.DeleteFunc(r.List(), func(a Agent) bool { return a.Name != idOrName })
	if len(named) > 1 {
		living := slices.DeleteFunc(slices.Clone(named), func(a Agent) bool { return a.Status == Revoked })
		if len(living) > 0 {
			named = living
		}
	}
	switch len(named) {
	case 0:
		return Agent{}, r.unknownName(idOrName)
	case 1:
		return named[0], nil
	}
	return Agent{}, ambiguous(idOrName, named)
}

// unknownName names the agent whose name comes close.
func (r *Registry) unknownName(name string) error {
	var known []string
	for _, a := range r.List() {
		if a.Status != Revoked {
			known = append(known, a.Name)
		}
	}
	if slip, meant := nearest.Slip(name, known); meant {
		return fmt.Errorf("%w %q; did you mean %s?", ErrUnknownAgent, shorten(name), slip)
	}
	return unknown(fmt.Sprintf("%q", shorten(name)))
}

func unknown(what string) error {
	return fmt.Errorf("%w %s; `sallyport agent list` shows those there are", ErrUnknownAgent, what)
}

func ambiguous(name string, agents []Agent) error {
	const shown = 10
	var ids []string
	for _, a := range agents[:min(len(agents), shown)] {
		ids = append(ids, a.ID.String())
	}
	if more := len(agents) - shown; more > 0 {
		ids = append(ids, fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("%d agents are named %q; say which by its id: %s", len(agents), name, strings.Join(ids, ", "))
}

// publish puts what was committed of an agent in the view. Certificates come first when an
// agent is revoked and, harmlessly, when it is created: nothing in the view
// allows more than the database does.
//
// It returns what is in the view: the agent with the stops that could not be written.
func (r *Registry) publish(h *holder) *holder {
	h = r.stops.over(h)
	shown := &holder{agent: h.agent}
	var until time.Time
	for n, c := range slices.Backward(h.certificates) {
		if !c.Revoked && c.NotAfter.After(until) {
			until = c.NotAfter
		}
		use := r.useOf(c)
		if newer := len(h.certificates) - 1 - n; newer >= keptCertificates && use.open.Load() == 0 && r.now().Sub(c.NotAfter) > keptFor {
			r.certificates.Delete(c.Serial)
			continue
		}
		r.certificates.Store(c.Serial, &viewed{Certificate: c, until: until, use: use})
		shown.certificates = append(shown.certificates, c)
	}
	slices.Reverse(shown.certificates)
	r.agents.Store(h.agent.ID, shown)
	return shown
}
