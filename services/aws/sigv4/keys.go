package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"
)

// Keys is one set of AWS keys. It prints as its access key id and nothing more: the
// rest is held in closures, which no printer looks into.
type Keys struct {
	AccessKeyID string

	secret func() string
	token  func() string
}

// NewKeys returns keys; sessionToken is empty for keys that are not a session's.
func NewKeys(accessKeyID, secret, sessionToken string) Keys {
	return Keys{
		AccessKeyID: accessKeyID,
		secret:      func() string { return secret },
		token:       func() string { return sessionToken },
	}
}

// Format prints the access key id for every verb.
func (k Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "keys "+k.AccessKeyID) }

// MarshalText keeps the keys out of JSON and other texts.
func (k Keys) MarshalText() ([]byte, error) { return []byte("keys " + k.AccessKeyID), nil }

// Format prints the signer's access key id for every verb, and no derived key.
func (s *Signer) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "signer with "+fmt.Sprint(s.keys))
}

// derivedKeys caches signing keys. One is good for a day, a region and a service.
type derivedKeys struct {
	mu   sync.Mutex
	keys map[derivation][32]byte
}

type derivation struct{ day, region, service string }

// maxDerived bounds the cache: one session on one day rarely uses ten.
const maxDerived = 256

func (d *derivedKeys) key(k Keys, of derivation) [32]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if key, ok := d.keys[of]; ok {
		return key
	}
	if d.keys == nil || len(d.keys) >= maxDerived {
		d.keys = map[derivation][32]byte{}
	}
	key := mac([]byte("AWS4"+k.secret()), of.day)
	for _, part := range []string{of.region, of.service, terminator} {
		key = mac(key[:], part)
	}
	d.keys[of] = key
	return key
}

func mac(key []byte, text string) (sum [32]byte) {
	h := hmac.New(sha256.New, key)
	_, _ = io.WriteString(h, text)
	h.Sum(sum[:0])
	return sum
}
