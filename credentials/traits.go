package credentials

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"sync"
)

// Traits are what a secret is known again by: its fingerprint in the trail, and the forms in
// which an answer may hold it. They do not print it. They are immutable and safe for concurrent
// use, and kept beside the secret, so that they are made once.
type Traits struct {
	fingerprint string
	shortest    int              // no shorter value holds the secret
	scrubber    func() *scrubber // a closure, for the reason that Secret has one; made when it is needed
}

// Traits of a secret that the credential has from its sources, of the form that it is written
// in, and of others that go with it. The fingerprint is keyed, so that the trail's readers
// cannot test guesses against it; without a key there is none.
func (c *Credential) Traits(secret, written string, others ...string) *Traits {
	t := traitsOf(secret, written, others)
	if len(c.fingerprintKey) > 0 {
		mac := hmac.New(sha256.New, c.fingerprintKey)
		mac.Write([]byte(secret))
		t.fingerprint = hex.EncodeToString(mac.Sum(nil))
	}
	return t
}

// MintedTraits are those of a secret that was minted: nobody can guess it, and its fingerprint
// is its SHA-256, by which its issuer's log may know it.
func MintedTraits(secret, written string, others ...string) *Traits {
	t := traitsOf(secret, written, others)
	sum := sha256.Sum256([]byte(secret))
	t.fingerprint = hex.EncodeToString(sum[:])
	return t
}

func traitsOf(secret, written string, others []string) *Traits {
	t := &Traits{shortest: len(secret)}
	for _, other := range others {
		if other != "" {
			t.shortest = min(t.shortest, len(other))
		}
	}
	t.scrubber = sync.OnceValue(func() *scrubber {
		s := newScrubber(secret, written)
		for _, other := range others {
			s.also(other)
		}
		return s
	})
	return t
}

// Fingerprint identifies the secret in the trail without telling it.
func (t *Traits) Fingerprint() string {
	if t == nil {
		return ""
	}
	return t.fingerprint
}

// scrub redacts the secret in h and returns the number of hits.
func (t *Traits) scrub(h http.Header) int {
	if t == nil || !holds(h, t.shortest) {
		return 0
	}
	return t.scrubber().header(h)
}

// Clean takes the secret out of a text.
func (t *Traits) Clean(text string) string { return t.scrubber().text(text) }

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
