package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"sallyport/internal/host"
)

// Issued is a new certificate and its new key, which is kept nowhere else.
type Issued struct {
	CertPEM, KeyPEM     []byte // the key in PKCS #8
	Serial              string // lower-case hexadecimal without leading zeros
	NotBefore, NotAfter time.Time
	TLS                 tls.Certificate
}

// SignClient is IssueClient for a key that its holder made, of which only the public half is
// here: Issued has no KeyPEM, and its TLS no key. See [ParseRequest].
func (a *Authority) SignClient(uri string, public crypto.PublicKey, ttl time.Duration, now time.Time) (Issued, error) {
	spiffe, err := a.memberURI(uri)
	if err != nil {
		return Issued{}, fmt.Errorf("sign client certificate: %w", err)
	}
	cert, err := a.signEnd(clientTemplate(spiffe), public, now.Add(-clientBackdate), now.Add(ttl), now)
	if err != nil {
		return Issued{}, fmt.Errorf("sign client certificate: %w", err)
	}
	return issuedOf(cert), nil
}

func clientTemplate(spiffe *url.URL) *x509.Certificate {
	return &x509.Certificate{
		URIs: []*url.URL{spiffe},
		// X509-SVID, section 4.4, asks for both.
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
}

// IssueClient issues an X.509-SVID: the one URI and nothing else that names
// its holder, so nothing in it can go stale. It lives for ttl or as long as the
// authority, whichever is shorter.
func (a *Authority) IssueClient(uri string, ttl time.Duration, now time.Time) (Issued, error) {
	spiffe, err := a.memberURI(uri)
	if err != nil {
		return Issued{}, fmt.Errorf("issue client certificate: %w", err)
	}
	issued, err := a.issue(clientTemplate(spiffe), clientBackdate, ttl, now)
	if err != nil {
		return Issued{}, fmt.Errorf("issue client certificate: %w", err)
	}
	return issued, nil
}

// ListenerSpec says who a listener is (URI) and where it is found (Names, DNS
// names and addresses).
type ListenerSpec struct {
	URI   string
	Names []string
}

// IssueListener issues the certificate of a listener. A wildcard is refused.
func (a *Authority) IssueListener(spec ListenerSpec, ttl time.Duration, now time.Time) (Issued, error) {
	template := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	spiffe, err := a.memberURI(spec.URI)
	if err != nil {
		return Issued{}, fmt.Errorf("issue listener certificate: %w", err)
	}
	template.URIs = []*url.URL{spiffe}
	seen := map[host.Name]bool{}
	for _, text := range spec.Names {
		name, err := host.ParseName(text)
		if err != nil {
			return Issued{}, fmt.Errorf("issue listener certificate: %w", err)
		}
		if !seen[name] {
			addName(template, name)
		}
		seen[name] = true
	}
	issued, err := a.issue(template, serverBackdate, ttl, now)
	if err != nil {
		return Issued{}, fmt.Errorf("issue listener certificate: %w", err)
	}
	return issued, nil
}

// memberURI parses an identity, which must have a path and be of the
// authority's own trust domain: another one's would verify nowhere.
func (a *Authority) memberURI(s string) (*url.URL, error) {
	uri, err := parseSPIFFE(s)
	if err != nil {
		return nil, err
	}
	if uri.Path == "" {
		return nil, fmt.Errorf("URI %q has no path; only the authority itself has none", s)
	}
	if len(a.cert.URIs) != 1 {
		return nil, errors.New("this authority has no trust domain; identities come from the agent authority")
	}
	if own := a.cert.URIs[0]; own.Host != uri.Host {
		return nil, fmt.Errorf("URI %q is not of this authority's trust domain %s", s, own.Host)
	}
	return uri, nil
}

// issue signs template for a new key.
func (a *Authority) issue(template *x509.Certificate, backdate, ttl time.Duration, now time.Time) (Issued, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Issued{}, fmt.Errorf("make key: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Issued{}, fmt.Errorf("encode key: %w", err)
	}
	cert, err := a.signEnd(template, key.Public(), now.Add(-backdate), now.Add(ttl), now)
	if err != nil {
		return Issued{}, err
	}
	issued := issuedOf(cert)
	issued.KeyPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	issued.TLS.PrivateKey = key
	return issued, nil
}

func issuedOf(cert *x509.Certificate) Issued {
	return Issued{
		CertPEM:   certificatePEM(cert.Raw),
		Serial:    cert.SerialNumber.Text(16),
		NotBefore: cert.NotBefore,
		NotAfter:  cert.NotAfter,
		TLS:       tls.Certificate{Certificate: [][]byte{cert.Raw}, Leaf: cert},
	}
}

// signEnd completes template as the certificate of an end (never an
// authority), valid between the given times but within the authority's own.
func (a *Authority) signEnd(template *x509.Certificate, public crypto.PublicKey, notBefore, notAfter, now time.Time) (*x509.Certificate, error) {
	if !now.Before(a.cert.NotAfter) {
		return nil, fmt.Errorf("the authority %q expired at %s; move its files away and make a new one with `sallyport init`",
			a.cert.Subject.CommonName, a.cert.NotAfter.Format(time.RFC3339))
	}
	if notBefore.Before(a.cert.NotBefore) {
		notBefore = a.cert.NotBefore
	}
	if notAfter.After(a.cert.NotAfter) {
		notAfter = a.cert.NotAfter
	}
	// Certificates count in seconds; rounding down never extends.
	notBefore, notAfter = notBefore.UTC().Truncate(time.Second), notAfter.UTC().Truncate(time.Second)
	if !notAfter.After(now) {
		return nil, errors.New("lifetime is less than a second")
	}
	template.SerialNumber = newSerial()
	template.NotBefore, template.NotAfter = notBefore, notAfter
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.BasicConstraintsValid = true // states cA=FALSE
	return sign(template, a.cert, public, a.key)
}

// addName adds a name or an address to the subject alternative names.
func addName(template *x509.Certificate, name host.Name) {
	if addr, ok := name.Addr(); ok {
		template.IPAddresses = append(template.IPAddresses, net.IP(addr.AsSlice()))
		return
	}
	template.DNSNames = append(template.DNSNames, name.String())
}

// leafSubject is never empty, because some clients cannot display a
// certificate without one. Only alternative names count (RFC 9525, 2), so a
// name too long for a common name is simply left out.
func leafSubject(name host.Name) pkix.Name {
	subject := pkix.Name{Organization: []string{organization}}
	if text := name.String(); len(text) <= maxCommonName {
		subject.CommonName = text
	}
	return subject
}
