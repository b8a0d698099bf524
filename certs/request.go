package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
)

// maxRequestLength bounds a certificate request, which for a key of ours has some 400 bytes.
const maxRequestLength = 16 << 10

// ParseRequest reads a certificate request (RFC 2986, in PEM) and returns the key that is to
// be certified. Whoever sent it has proven to hold that key. Whatever else it asks for,
// names above all, is ignored: who somebody is, the registry says.
//
// Keys are of P-256, P-384 or Ed25519: others are weak, slow, or need parameters to be checked.
func ParseRequest(requestPEM []byte) (crypto.PublicKey, error) {
	if len(requestPEM) > maxRequestLength {
		return nil, fmt.Errorf("certificate request is longer than %d bytes", maxRequestLength)
	}
	block, rest := pem.Decode(requestPEM)
	switch {
	case block == nil:
		return nil, errors.New("certificate request is not PEM")
	case block.Type != "CERTIFICATE REQUEST":
		return nil, fmt.Errorf("PEM block is a %.40q, not a CERTIFICATE REQUEST", block.Type)
	case len(block.Headers) > 0 || !isBlank(rest):
		return nil, errors.New("certificate request has something beside its one PEM block")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	if err := checkPublic(request.PublicKey); err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	if err := request.CheckSignature(); err != nil {
		return nil, fmt.Errorf("certificate request is not signed by its own key: %w", err)
	}
	return request.PublicKey, nil
}

func isBlank(text []byte) bool {
	for _, c := range text {
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}

func checkPublic(public crypto.PublicKey) error {
	switch key := public.(type) {
	case ed25519.PublicKey:
		return nil
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() || key.Curve == elliptic.P384() {
			return nil
		}
		return fmt.Errorf("key is of curve %s; use P-256, P-384 or Ed25519", key.Curve.Params().Name)
	}
	return fmt.Errorf("key is a %T; use one of P-256, P-384 or Ed25519", public)
}

// MakeRequest makes a key of P-256 and a request for it, which names nobody.
func MakeRequest() (keyPEM, requestPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode key: %w", err)
	}
	keyPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	requestPEM, err = RequestFor(keyPEM)
	return keyPEM, requestPEM, err
}

// RequestFor makes a request for a key in PKCS #8, as MakeRequest gives it.
func RequestFor(keyPEM []byte) ([]byte, error) {
	block, _ := pem.Decode(keyPEM)
	if block == nil {
		return nil, errors.New("key is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate request: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

// Fingerprint is the SHA-256 of a public key (its SubjectPublicKeyInfo), in hexadecimal.
func Fingerprint(public crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("encode public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:]), nil
}
