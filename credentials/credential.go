package credentials

import (
	"context"
	"errors"

	"sallyport/internal/host"
)

// Credential is one named credential.
type Credential struct{}

// Name returns the credential's name.
func (c *Credential) Name() string { return "" }

// Kind returns the credential's kind.
func (c *Credential) Kind() string { return "" }

// Hosts returns the patterns that the credential is bound to.
func (c *Credential) Hosts() []host.Pattern { return nil }

// Covers reports whether every host that p can match is one the credential is bound to.
func (c *Credential) Covers(p host.Pattern) bool { return false }

// Retrieve returns the credential's present secret, ready to be applied.
func (c *Credential) Retrieve(ctx context.Context) (*Injection, error) {
	return nil, errors.New("unknown credential")
}
