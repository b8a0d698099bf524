package credentials

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"sallyport/internal/host"
)

// Credential is one named credential: where its secret comes from, where it is
// written, and which hosts it is bound to. It is safe for concurrent use. A nil
// Credential, like the name of none, covers no host and retrieves nothing.
type Credential struct {
	name, kind     string
	server         string // the GitHub that it is for, if it is for one
	signs          bool   // requests as a whole
	hosts          []host.Pattern
	source         source
	sources        []source // every one that it reads, the only one of most kinds
	place          placement
	maker          Maker // in place of source and place
	app            *app  // the maker, where that is a GitHub App
	fingerprintKey []byte

	current atomic.Pointer[Injection] // of the last reading
}

// Maker makes what is not the same for every request: it is minted for a use, or signed. It is
// safe for concurrent use, and its errors hold nothing of a secret.
type Maker interface {
	Retrieve(ctx context.Context, use Use) (*Injection, error)
	// Check makes one that is for no request, to see whether that works. via records what it
	// asks; nil where nothing can be asked.
	Check(ctx context.Context, via http.RoundTripper) (*Injection, error)
}

// Made has the credential made by m, and bound to these hosts: what a [Kind] finds in an entry
// whose secret is not the same for every request.
func (c *Credential) Made(m Maker, hosts []host.Pattern) { c.maker, c.hosts = m, hosts }

// Injection is a value for a header that was made for a use of the credential, with what the
// trail is told of it. secret is what of the value is looked for in answers.
func (c *Credential) Injection(header, value, secret string, details map[string]any) (*Injection, error) {
	if !validValue(value) || secret == "" || !strings.Contains(value, secret) {
		return nil, errors.New("what was made for it cannot stand in a header")
	}
	sum := sha256.Sum256([]byte(secret))
	return &Injection{
		name: c.name, hosts: c.hosts, place: placement{header: textproto.CanonicalMIMEHeaderKey(header)},
		written: func(*url.URL) string { return value }, details: details, fingerprint: hex.EncodeToString(sum[:]),
		scrubber: sync.OnceValue(func() *scrubber { return newScrubber(secret, value) }), shortest: len(secret),
	}, nil
}

// Check retrieves the credential once, to see whether it works now: neither what is kept
// of it counts, nor that it failed a moment ago.
func (c *Credential) Check(ctx context.Context, via http.RoundTripper) (*Injection, error) {
	c.again(ctx)
	if c == nil || c.maker == nil {
		return c.Retrieve(ctx, Use{})
	}
	checked, err := c.maker.Check(ctx, via)
	if err != nil {
		return nil, fmt.Errorf("credential %s: %w", c.name, err)
	}
	return checked, nil
}

// again has every source look anew, also those of the credentials that it is asked for with.
func (c *Credential) again(ctx context.Context) {
	for c != nil {
		for _, from := range c.sources {
			from.again(ctx)
		}
		role, _ := c.maker.(*awsRole)
		if role == nil {
			return
		}
		c = role.base
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
	if c == nil {
		return nil, errors.New("no such credential")
	}
	if c.maker != nil {
		made, err := c.maker.Retrieve(ctx, use)
		if err != nil {
			return nil, fmt.Errorf("credential %s: %w", c.name, err)
		}
		return made, nil
	}
	now, err := c.source.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("credential %s: %w", c.name, err)
	}
	if current := c.current.Load(); current != nil && current.reading == now {
		return current, nil
	}
	fresh, err := c.inject(now)
	if err != nil {
		return nil, fmt.Errorf("credential %s: %w", c.name, err)
	}
	c.current.Store(fresh)
	return fresh, nil
}

func (c *Credential) inject(now *reading) (*Injection, error) {
	secret := string(now.secret.bytes())
	if !validValue(secret) {
		return nil, errSeveralLines
	}
	written, err := c.place.form(secret)
	if err != nil {
		return nil, err
	}
	needles := newScrubber(secret, written(&url.URL{}))
	return &Injection{
		name:        c.name,
		hosts:       c.hosts,
		place:       c.place,
		reading:     now,
		written:     written,
		scrubber:    func() *scrubber { return needles },
		fingerprint: c.fingerprint(secret),
	}, nil
}

// fingerprint is keyed, so that the trail's readers cannot test guesses against it.
// Without a key there is none.
func (c *Credential) fingerprint(secret string) string {
	if len(c.fingerprintKey) == 0 {
		return ""
	}
	mac := hmac.New(sha256.New, c.fingerprintKey)
	mac.Write([]byte(secret))
	return hex.EncodeToString(mac.Sum(nil))
}
