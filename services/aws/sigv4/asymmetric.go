package sigv4

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"sync"
)

// SigV4A is the signature that several regions take: by a key pair, derived from the
// secret, and for the regions that X-Amz-Region-Set names, in place of one in the scope.
// Multi-region access points of S3 take no other.

// keyPair derives the pair that belongs to keys, once.
type keyPair struct {
	once sync.Once
	key  func() *ecdsa.PrivateKey // a closure, for the reason that Keys has some
	err  error
}

func (p *keyPair) of(k Keys) (*ecdsa.PrivateKey, error) {
	p.once.Do(func() {
		key, err := derivePair(k)
		p.key, p.err = func() *ecdsa.PrivateKey { return key }, err
	})
	return p.key(), p.err
}

// derivePair is the key derivation in counter mode of NIST SP 800-108, with HMAC-SHA256
// and AWS's label: the first output that is below the order of P-256, less one.
func derivePair(k Keys) (*ecdsa.PrivateKey, error) {
	most := new(big.Int).Sub(elliptic.P256().Params().N, big.NewInt(2))
	for counter := byte(1); counter < 255; counter++ {
		m := hmac.New(sha256.New, []byte("AWS4A"+k.secret()))
		_, _ = m.Write([]byte("\x00\x00\x00\x01" + algorithmA + "\x00" + k.AccessKeyID))
		_, _ = m.Write([]byte{counter, 0, 0, 1, 0}) // and the length in bits
		candidate := new(big.Int).SetBytes(m.Sum(nil))
		if candidate.Cmp(most) > 0 {
			continue
		}
		var d [32]byte
		return ecdsa.ParseRawPrivateKey(elliptic.P256(), candidate.Add(candidate, big.NewInt(1)).FillBytes(d[:]))
	}
	return nil, errors.New("derive key pair: none is in range")
}

// signAsymmetric returns the signature of a text, in hex.
func (s *Signer) signAsymmetric(text []byte) (string, error) {
	key, err := s.pair.of(s.keys)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	return hex.EncodeToString(signature), err
}

// isRegionSet reports whether s can be a list of regions, or "*" for all.
func isRegionSet(s string) bool {
	for region := range strings.SplitSeq(s, ",") {
		if region != "*" && !isName(region) {
			return false
		}
	}
	return len(s) <= 256
}

// isSignature reports whether s can be a signature of the algorithm: an ECDSA one is of
// no fixed length.
func isSignature(s, by string) bool {
	if by == algorithmA {
		_, err := hex.DecodeString(s)
		return err == nil && len(s) >= 16 && len(s) <= 256
	}
	return isHash(s)
}
