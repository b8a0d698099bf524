package credentials

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"sallyport/internal/host"
)

// Injection is a credential with its secret: what is put on one request, and what its
// answer is searched for. It is immutable and safe for concurrent use. The zero and
// the nil Injection refuse every request.
type Injection struct {
	name      string
	hosts     []host.Pattern
	parts     Parts
	parameter string // of the query, in the place of a header
}

// Parts are what an Injection is made of, beside the credential's name and hosts: a value for
// a header, a signature, or a certificate. Without any it is for no request, as that of a check.
type Parts struct {
	Header    string // its canonical name
	Written   Form   // on the header
	Signature Signature
	// Certificate is shown in the handshake with the upstream, with its key; nothing is written
	// on the request then.
	Certificate *tls.Certificate

	Traits   *Traits          // of the secret
	Details  map[string]any   // what the trail may be told of a minted one
	Answered func(status int) // takes how the upstream answered; nil where nobody asks
}

// Assemble returns an injection of the credential, bound as the files say now.
func (c *Credential) Assemble(p Parts) *Injection {
	return &Injection{name: c.name, hosts: c.hosts, parts: p}
}

// Injection is a value for a header that was made for a use of the credential, with what the
// trail is told of it. secret is what of the value is looked for in answers.
func (c *Credential) Injection(header, value, secret string, details map[string]any) (*Injection, error) {
	if !validValue(value) || secret == "" || !strings.Contains(value, secret) {
		return nil, errors.New("what was made for it cannot stand in a header")
	}
	return c.Assemble(Parts{
		Header: textproto.CanonicalMIMEHeaderKey(header), Written: fixed(value),
		Traits: MintedTraits(secret, value), Details: details,
	}), nil
}

// Answered says how the upstream answered a request that carried the credential. A token
// that was taken before and is not any more has been revoked where it came from, and the
// next request gets another.
func (i *Injection) Answered(status int) {
	if i != nil && i.parts.Answered != nil {
		i.parts.Answered(status)
	}
}

// Apply puts the credential on r, in the place of whatever the agent sent there. It
// must be the last step before the wire. It refuses, and leaves r as it was, unless
// r goes by https to an authority that the credential is bound to.
//
// One that signs also sets r's path, query and Host to the form that is signed, may read
// the body ahead, and replaces it by one that sees to it that what is sent is what was
// signed: its Read may fail with an error of [AsUnsignable], and then does so before the
// last byte. r must not be sent if Apply fails.
func (i *Injection) Apply(r *http.Request) error {
	if i == nil || i.parts.Written == nil && i.parts.Signature == nil && i.parts.Certificate == nil {
		return errors.New("apply credential: there is none")
	}
	if err := i.refuses(r); err != nil {
		return fmt.Errorf("apply credential %s: %w", i.name, err)
	}
	if i.parts.Certificate != nil {
		return nil // whoever sends r shows it
	}
	if i.parts.Signature != nil {
		return i.parts.Signature.Sign(r)
	}
	written := i.parts.Written(r.URL)
	if i.parameter != "" {
		r.URL.RawQuery = setParameter(r.URL.RawQuery, i.parameter, written)
		return nil
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	removeHeader(r.Header, i.parts.Header)
	if written != "" {
		r.Header[i.parts.Header] = []string{written}
	}
	return nil
}

// refuses says why r may not have the credential. In this order:
//
//  1. anything but https would show the secret to the network;
//  2. user information would become an Authorization header of its own;
//  3. the authority dialled and verified must be bound;
//  4. a Host that differs from it would reach another tenant behind the same address.
func (i *Injection) refuses(r *http.Request) error {
	if r.URL == nil || r.URL.Scheme != "https" {
		return errors.New("refused, since the request is not https")
	}
	if r.URL.User != nil {
		return errors.New("refused, since the URL holds user information")
	}
	authority, err := host.ParseAuthority(r.URL.Host, httpsPort)
	if err != nil {
		return fmt.Errorf("refused, since the URL's authority is unusable: %w", err)
	}
	bound := func(p host.Pattern) bool { return p.Matches(authority, httpsPort) }
	if !slices.ContainsFunc(i.hosts, bound) {
		return fmt.Errorf("refused, since it is not bound to %s; add that host to its hosts if it may go there", authority)
	}
	if r.Host == "" || r.Host == r.URL.Host {
		return nil
	}
	if named, err := host.ParseAuthority(r.Host, httpsPort); err != nil || named != authority {
		return errors.New("refused, since Host differs from the URL's authority")
	}
	return nil
}

// removeHeader removes name however it is spelled. Underscores count as dashes,
// since CGI and its heirs cannot tell them apart.
func removeHeader(h http.Header, name string) {
	for key := range h {
		if len(key) == len(name) && (key == name || strings.EqualFold(strings.ReplaceAll(key, "_", "-"), strings.ReplaceAll(name, "_", "-"))) {
			delete(h, key)
		}
	}
}

// Certificate is what is shown in the handshake with the upstream that an Apply has agreed to;
// nil if that is no certificate.
func (i *Injection) Certificate() *tls.Certificate {
	if i == nil {
		return nil
	}
	return i.parts.Certificate
}

// Name returns the credential's name.
func (i *Injection) Name() string {
	if i == nil {
		return ""
	}
	return i.name
}

// Fingerprint identifies the secret in the trail without telling it: its HMAC-SHA256
// in hex under Options.FingerprintKey, or the SHA-256 of what was minted.
func (i *Injection) Fingerprint() string {
	if i == nil {
		return ""
	}
	return i.parts.Traits.Fingerprint()
}

// Details returns what the trail tells of a minted credential: whose it is, what it may
// do, and its hash as its issuer's log has it. It must not be changed.
func (i *Injection) Details() map[string]any {
	if i == nil {
		return nil
	}
	return i.parts.Details
}

// Headers returns the canonical names of the headers that Apply writes.
func (i *Injection) Headers() []string {
	if i == nil || i.parts.Header == "" {
		return nil
	}
	return []string{i.parts.Header}
}

// Scrub redacts the secret wherever it stands in h's values, as such or in base64, base32 or
// hex, in any case, percent-encoded or JSON-escaped, removes fields that are named so, and
// returns the number of hits.
func (i *Injection) Scrub(h http.Header) int {
	if i == nil {
		return 0
	}
	return i.parts.Traits.scrub(h)
}

// Format prints the credential's name for every verb.
func (i *Injection) Format(f fmt.State, _ rune) {
	if i == nil {
		_, _ = io.WriteString(f, "injection of nothing")
		return
	}
	_, _ = fmt.Fprintf(f, "injection of credential %s", i.name)
}
