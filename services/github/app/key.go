package app

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"time"

	"sallyport/credentials"
)

// GitHub takes an App's JWT for ten minutes at most, by its own clock.
const (
	jwtLife  = 8 * time.Minute
	jwtSlack = time.Minute
	maxSkew  = 30 * time.Second // more than this is learnt from
)

// appKey is a private key and the reading that it was parsed from.
type appKey struct {
	reading *credentials.Reading
	sign    func(digest []byte) ([]byte, error) // a closure, for the reason that credentials.Secret has one
}

const minKeyBits = 2048

func (c *client) signer(ctx context.Context) (*appKey, error) {
	now, err := c.key.Read(ctx)
	if err != nil {
		return nil, err
	}
	if known := c.parsed.Load(); known != nil && known.reading == now {
		return known, nil
	}
	key, err := parseKey(now.Reveal())
	if err != nil {
		return nil, fmt.Errorf("private_key: %w; download the App's key from GitHub, and give the .pem as it is", err)
	}
	fresh := &appKey{reading: now, sign: func(digest []byte) ([]byte, error) {
		return rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest)
	}}
	c.parsed.Store(fresh)
	return fresh, nil
}

func parseKey(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("it is not PEM")
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New(unreadableKey(block))
		}
		var ok bool
		if key, ok = parsed.(*rsa.PrivateKey); !ok {
			return nil, errors.New("it is not an RSA key")
		}
	}
	if key.N.BitLen() < minKeyBits {
		return nil, fmt.Errorf("it has %d bits, and GitHub's keys have %d or more", key.N.BitLen(), minKeyBits)
	}
	return key, nil
}

// unreadableKey says what there is instead of an RSA key.
func unreadableKey(block *pem.Block) string {
	switch {
	case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
		return "it is encrypted, and no passphrase is asked for"
	case block.Type == "PUBLIC KEY" || block.Type == "RSA PUBLIC KEY" || block.Type == "CERTIFICATE":
		return "it holds the public half, which signs nothing"
	case block.Type == "EC PRIVATE KEY":
		return "it is not an RSA key"
	}
	return "it holds no private key that can be read"
}

// jwt makes the App's own token (RFC 7519, signed as RS256).
func (c *client) jwt(ctx context.Context) (string, error) {
	key, err := c.signer(ctx)
	if err != nil {
		return "", err
	}
	now := c.now().Add(time.Duration(c.skew.Load()))
	claims, err := json.Marshal(map[string]any{
		"iss": strconv.FormatInt(c.id, 10), "iat": now.Add(-jwtSlack).Unix(), "exp": now.Add(jwtLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims)
	digest := sha256.Sum256([]byte(text))
	signature, err := key.sign(digest[:])
	if err != nil {
		return "", errors.New("private_key: it cannot sign")
	}
	return text + "." + encode(signature), nil
}
