package credentials

import (
	"context"
	"net/http"
	"sync/atomic"

	"sallyport/internal/host"
)

// Maker makes what is put on requests: read from a source, minted for a use, or signed. It is
// safe for concurrent use, and its errors hold nothing of a secret.
//
// What only some makers do is an optional interface of one method, which is found by assertion.
type Maker interface {
	Retrieve(ctx context.Context, use Use) (*Injection, error)
	// Check makes one that is for no request, to see whether that works. via records what it
	// asks; nil where nothing can be asked.
	Check(ctx context.Context, via http.RoundTripper) (*Injection, error)
}

// Chained is a Maker that asks with another credential.
type Chained interface{ Base() *Credential }

// Owned is a Maker for some owners' accounts alone.
type Owned interface{ Owners() []string }

// Counted is a Maker whose uses are counted by account.
type Counted interface{ Has(account Account) bool }

// Regional is a Maker for one region of its service's; "" is for none.
type Regional interface{ Region() string }

// Rewriter is a Maker whose requests leave in another form than they came in.
type Rewriter interface {
	// Sent returns path and query in the form in which r leaves, for a request that came with
	// these.
	Sent(r *http.Request, path, query string) (sentPath, sentQuery string, err error)
}

// Made has the credential made by m, and bound to these hosts: what a [Kind] finds in an entry.
func (c *Credential) Made(m Maker, hosts []host.Pattern) { c.maker, c.hosts = m, hosts }

// Maker returns who makes the credential, whose type its own kind knows; nil for nobody.
func (c *Credential) Maker() Maker {
	if c == nil {
		return nil
	}
	return c.maker
}

// Owners returns the accounts that the credential is bound to; none for kinds that are
// bound to hosts alone.
func (c *Credential) Owners() []string {
	if m, ok := c.Maker().(Owned); ok {
		return m.Owners()
	}
	return nil
}

// Has reports whether an account is one that the credential's uses are counted against.
func (c *Credential) Has(account Account) bool {
	m, ok := c.Maker().(Counted)
	return ok && m.Has(account)
}

// Region returns the region that the credential is for, "" if it is for none.
func (c *Credential) Region() string {
	if m, ok := c.Maker().(Regional); ok {
		return m.Region()
	}
	return ""
}

// Sent returns path and query in the form in which r leaves with the credential, for a request
// that came with these. They are as they came for a credential that changes neither, and for a
// request that it cannot be put on.
func (c *Credential) Sent(r *http.Request, path, query string) (sentPath, sentQuery string, err error) {
	if m, ok := c.Maker().(Rewriter); ok {
		return m.Sent(r, path, query)
	}
	return path, query, nil
}

// Placed is the Maker of one secret that is read from its source and written in one place.
type Placed struct {
	of    *Credential
	from  Source
	place Placement

	current atomic.Pointer[fitted] // of the last reading
}

// fitted is an injection and the reading that it was made of.
type fitted struct {
	reading   *Reading
	injection *Injection
}

// Placed reads the secret of a credential that is written in one place.
func (s *Section) Placed(c *Credential, at Placement) *Placed {
	return &Placed{of: c, from: s.Source("secret"), place: at}
}

// Retrieve implements [Maker]: the secret is as it is now, and the same for every use.
func (p *Placed) Retrieve(ctx context.Context, _ Use) (*Injection, error) {
	now, err := p.from.Read(ctx)
	if err != nil {
		return nil, err
	}
	if current := p.current.Load(); current != nil && current.reading == now {
		return current.injection, nil
	}
	fresh, err := p.inject(string(now.bytes()))
	if err != nil {
		return nil, err
	}
	p.current.Store(&fitted{now, fresh})
	return fresh, nil
}

// Check implements [Maker].
func (p *Placed) Check(ctx context.Context, _ http.RoundTripper) (*Injection, error) {
	return p.Retrieve(ctx, Use{})
}

func (p *Placed) inject(secret string) (*Injection, error) {
	if err := OneLine(secret); err != nil {
		return nil, err
	}
	written, err := p.place.Form(secret)
	if err != nil {
		return nil, err
	}
	i := p.of.Assemble(Parts{Header: p.place.Header, Written: written, Traits: p.of.Traits(secret, written.anywhere())})
	i.parameter = p.place.Parameter
	return i, nil
}

// place is the header or the parameter that the credential is written in, if there is one place.
func (c *Credential) place() (header, parameter string) {
	if m, ok := c.Maker().(interface{ writtenIn() Placement }); ok {
		at := m.writtenIn()
		return at.Header, at.Parameter
	}
	return "", ""
}

func (p *Placed) writtenIn() Placement { return p.place }
