package credentials

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"sallyport/internal/host"
)

// Credential is one named credential: who makes it, and which hosts it is bound to. It is
// safe for concurrent use. A nil Credential, like the name of none, covers no host and
// retrieves nothing.
type Credential struct {
	name, kind     string
	signs          bool // requests as a whole
	hosts          []host.Pattern
	maker          Maker
	sources        []source // every one that it reads
	variables      []string // of an agent's environment
	fingerprintKey []byte
}

// Check retrieves the credential once, to see whether it works now: neither what is kept
// of it counts, nor that it failed a moment ago.
func (c *Credential) Check(ctx context.Context, via http.RoundTripper) (*Injection, error) {
	c.again(ctx)
	if c == nil || c.maker == nil {
		return nil, errNone
	}
	checked, err := c.maker.Check(ctx, via)
	if err != nil {
		return nil, fmt.Errorf("credential %s: %w", c.name, err)
	}
	return checked, nil
}

var errNone = errors.New("no such credential")

// again has every source look anew, also those of the credentials that it is asked for with.
func (c *Credential) again(ctx context.Context) {
	for c != nil {
		for _, from := range c.sources {
			from.again(ctx)
		}
		chained, ok := c.maker.(Chained)
		if !ok {
			return
		}
		c = chained.Base()
	}
}

// Name returns the credential's name.
func (c *Credential) Name() string {
	if c == nil {
		return ""
	}
	return c.name
}

// Kind returns the credential's kind.
func (c *Credential) Kind() string {
	if c == nil {
		return ""
	}
	return c.kind
}

// Variables returns the variables of an agent's environment that want a placeholder where
// clients look for this credential.
func (c *Credential) Variables() []string {
	if c == nil {
		return nil
	}
	return slices.Clone(c.variables)
}

// Hosts returns the patterns that the credential is bound to.
func (c *Credential) Hosts() []host.Pattern {
	if c == nil {
		return nil
	}
	return slices.Clone(c.hosts)
}

// httpsPort is the default port of everything a credential may go to.
const httpsPort = 443

// Covers reports whether the credential is bound to every https authority that p
// can match.
func (c *Credential) Covers(p host.Pattern) bool {
	if c == nil {
		return false
	}
	return slices.ContainsFunc(c.hosts, func(bound host.Pattern) bool {
		return bound.Reduce(httpsPort).Covers(p.Reduce(httpsPort))
	})
}

// Retrieve returns the credential with its secret as it is now, minted for the use if
// it is of a kind that is. Whatever goes wrong is an error that names the credential and
// the step and holds nothing of the secret.
func (c *Credential) Retrieve(ctx context.Context, use Use) (*Injection, error) {
	if c == nil || c.maker == nil {
		return nil, errNone
	}
	made, err := c.maker.Retrieve(ctx, use)
	if err != nil {
		return nil, fmt.Errorf("credential %s: %w", c.name, err)
	}
	return made, nil
}
