package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"time"
)

const (
	// How far a clock may be behind ours without finding a fresh certificate not yet valid:
	// a listener's, which looks at agents' certificates, and an agent's, which looks at what it
	// is shown. A sandbox that was resumed, or made from a snapshot, is hours or days behind.
	clientBackdate = 5 * time.Minute
	serverBackdate = 30 * 24 * time.Hour

	// AuthorityBackdate is the same of an authority, before which nothing that it issues is
	// valid. Some systems refuse to trust one that has just been made.
	AuthorityBackdate = 7 * 24 * time.Hour

	// defaultLifetime of an authority: renewing one means reaching every
	// client that trusts it.
	defaultLifetime = 5 * 365 * 24 * time.Hour

	maxLifetime = 20 * 365 * 24 * time.Hour

	// maxCommonName is ub-common-name of RFC 5280, appendix A.1, which strict
	// parsers enforce.
	maxCommonName = 64

	organization = "Sallyport"
)

// Authority is a certificate authority: a self-signed certificate and its key.
// It is immutable and safe for concurrent use.
type Authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// Template says what a new authority is.
type Template struct {
	CommonName string        // for people who look at their trust store
	URI        string        // "spiffe://<trust-domain>" if it issues identities, otherwise ""
	Lifetime   time.Duration // 0: five years
}

// CreateAuthority makes a new authority with a new key, in memory only.
func CreateAuthority(t Template, now time.Time) (*Authority, error) {
	uris, err := checkTemplate(&t)
	if err != nil {
		return nil, fmt.Errorf("create authority: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("create authority: make key: %w", err)
	}
	id, err := keyID(key.Public())
	if err != nil {
		return nil, fmt.Errorf("create authority: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: newSerial(),
		Subject: pkix.Name{
			Organization: []string{organization},
			CommonName:   t.CommonName,
			// Authorities of different homes must not share a name: clients
			// look issuers up by name first, and some stop at the first hit.
			SerialNumber: hex.EncodeToString(id[:8]),
		},
		NotBefore:             now.Add(-AuthorityBackdate).UTC().Truncate(time.Second),
		NotAfter:              now.Add(t.Lifetime).UTC().Truncate(time.Second),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true, // it issues ends, no further authorities
		SubjectKeyId:          id,
		AuthorityKeyId:        id,
		URIs:                  uris,
	}
	cert, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("create authority: %w", err)
	}
	return &Authority{cert: cert, key: key}, nil
}

func checkTemplate(t *Template) ([]*url.URL, error) {
	if t.Lifetime == 0 {
		t.Lifetime = defaultLifetime
	}
	switch {
	case t.CommonName == "" || len(t.CommonName) > maxCommonName:
		return nil, fmt.Errorf("common name must have 1 to %d bytes", maxCommonName)
	case t.Lifetime < 0 || t.Lifetime > maxLifetime:
		return nil, fmt.Errorf("lifetime %s is not between 0 and 20 years", t.Lifetime)
	case t.URI == "":
		return nil, nil
	}
	uri, err := parseSPIFFE(t.URI)
	if err != nil {
		return nil, err
	}
	// X509-SVID, section 4.1: a signing certificate has no path.
	if uri.Path != "" {
		return nil, fmt.Errorf("URI %q of an authority must be spiffe://<trust-domain> alone", t.URI)
	}
	return []*url.URL{uri}, nil
}

// Certificate returns the authority's certificate, which must not be modified.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// CertificatePEM returns the authority's certificate.
func (a *Authority) CertificatePEM() []byte { return certificatePEM(a.cert.Raw) }

// Pool returns a new pool that holds this authority only.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// sign makes a certificate and reads it back: what cannot be parsed is never
// handed out.
func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read signed certificate: %w", err)
	}
	return cert, nil
}

// newSerial returns a positive number of 128 random bits (RFC 5280, 4.1.2.2;
// the CA/Browser Forum asks for 64 and refuses to be told why).
func newSerial() *big.Int {
	var b [16]byte
	n := new(big.Int)
	for n.Sign() == 0 {
		_, _ = rand.Read(b[:]) // never fails, see crypto/rand
		n.SetBytes(b[:])
	}
	return n
}

// keyID is method 1 of RFC 7093, section 2: the leftmost 160 bits of the
// SHA-256 of the public key, so that no SHA-1 is needed.
func keyID(public crypto.PublicKey) ([]byte, error) {
	key, ok := public.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("key is not ECDSA")
	}
	point, err := key.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	sum := sha256.Sum256(point)
	return sum[:20], nil
}

// parseSPIFFE accepts spiffe://name[/path] and nothing beside it. The registry
// holds identities to the full rules; here it is enough that what is signed
// cannot be read in two ways.
func parseSPIFFE(s string) (*url.URL, error) {
	uri, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("URI %q: %w", s, err)
	}
	plain := url.URL{Scheme: "spiffe", Host: uri.Host, Path: uri.Path}
	if uri.Host == "" || uri.Port() != "" || strings.HasSuffix(s, "/") || strings.Contains(s, "%") || plain.String() != s {
		return nil, fmt.Errorf("URI %q is not of the form spiffe://<trust-domain>/<path>", s)
	}
	return uri, nil
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
