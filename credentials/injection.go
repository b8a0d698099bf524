package credentials

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"sallyport/internal/host"
)

// Injection is a credential with its secret: what is put on one request, and what its
// answer is searched for. It is immutable and safe for concurrent use. The zero and
// the nil Injection refuse every request.
type Injection struct {
	name        string
	hosts       []host.Pattern
	place       placement
	reading     *reading
	fingerprint string
	details     map[string]any // what may be told of a minted one
	shortest    int            // no shorter value holds the secret; 0 if that is not known
	signature   *signature     // in the place of what is written

	// Closures, for the reason that Secret has one.
	written  form
	scrubber func() *scrubber
	answered func(status int) // of a minted one; nil otherwise
}

// Answered says how the upstream answered a request that carried the credential. A token
// that was taken before and is not any more has been revoked where it came from, and the
// next request gets another.
func (i *Injection) Answered(status int) {
	if i != nil && i.answered != nil {
		i.answered(status)
	}
}

// Apply puts the credential on r, in the place of whatever the agent sent there. It
// must be the last step before the wire. It refuses, and leaves r as it was, unless
// r goes by https to an authority that the credential is bound to.
//
// One that signs also sets r's path, query and Host to the form that is signed, may read
// the body ahead, and replaces it by one that sees to it that what is sent is what was
// signed: its Read may fail with a [*sigv4.Refusal], and then does so before the last
// byte. r must not be sent if Apply fails.
func (i *Injection) Apply(r *http.Request) error {
	if i == nil || i.written == nil && i.signature == nil {
		return errors.New("apply credential: there is none")
	}
	if err := i.refuses(r); err != nil {
		return fmt.Errorf("apply credential %s: %w", i.name, err)
	}
	if i.signature != nil {
		i.signature.expectOwner(r)
		return i.signature.signer.Resign(r, i.signature.claim)
	}
	written := i.written(r.URL)
	if i.place.parameter != "" {
		r.URL.RawQuery = setParameter(r.URL.RawQuery, i.place.parameter, written)
		return nil
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	removeHeader(r.Header, i.place.header)
	if written != "" {
		r.Header[i.place.header] = []string{written}
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

// Name returns the credential's name.
func (i *Injection) Name() string {
	if i == nil {
		return ""
	}
	return i.name
}

// Fingerprint identifies the secret in the trail without telling it: its HMAC-SHA256
// in hex under Options.FingerprintKey.
func (i *Injection) Fingerprint() string {
	if i == nil {
		return ""
	}
	return i.fingerprint
}

// Details returns what the trail tells of a minted credential: whose it is, what it may
// do, and its hash as its issuer's log has it. It must not be changed.
func (i *Injection) Details() map[string]any {
	if i == nil {
		return nil
	}
	return i.details
}

// Headers returns the canonical names of the headers that Apply writes.
func (i *Injection) Headers() []string {
	if i == nil || i.place.header == "" {
		return nil
	}
	return []string{i.place.header}
}

// Scrub redacts the secret wherever it stands in h's values, as such or in base64, base32 or
// hex, in any case, percent-encoded or JSON-escaped, removes fields that are named so, and
// returns the number of hits.
func (i *Injection) Scrub(h http.Header) int {
	if i == nil || i.scrubber == nil || !holds(h, i.shortest) {
		return 0
	}
	return i.scrubber().header(h)
}

// holds reports whether a value or a name in h is long enough: few are as long as a minted
// token, whose scrubber is only made for those.
func holds(h http.Header, shortest int) bool {
	for name, values := range h {
		if len(name) >= shortest {
			return true
		}
		for _, value := range values {
			if len(value) >= shortest {
				return true
			}
		}
	}
	return false
}

// Format prints the credential's name for every verb.
func (i *Injection) Format(f fmt.State, _ rune) {
	if i == nil {
		_, _ = io.WriteString(f, "injection of nothing")
		return
	}
	_, _ = fmt.Fprintf(f, "injection of credential %s", i.name)
}
