package sidecar

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// An Identity is what the sidecar shows to the proxy and what it demands of it.
// It is immutable and safe for concurrent use.
type Identity struct {
	id       string // spiffe://TRUST-DOMAIN/agent/UUID
	proxy    string // spiffe://TRUST-DOMAIN/sallyport
	notAfter time.Time
	since    time.Time
	roots    *x509.CertPool
	config   *tls.Config
}

// A Source gives the identity for the next connection. It must be cheap and
// safe for concurrent use.
type Source interface {
	Identity() *Identity
}

// Identity makes an Identity the Source of itself, for a key that exists only in memory.
func (i *Identity) Identity() *Identity { return i }

// String returns the agent's SPIFFE ID.
func (i *Identity) String() string { return i.id }

// NotAfter returns when the agent's certificate expires.
func (i *Identity) NotAfter() time.Time { return i.notAfter }

// NotBefore returns when the agent's certificate begins.
func (i *Identity) NotBefore() time.Time { return i.since }

// TLS is a configuration that shows the agent's certificate and accepts the proxy's alone.
func (i *Identity) TLS() *tls.Config { return i.config.Clone() }

// ParseIdentity reads PEM: the agent's certificate, its key, and the CA that the
// proxy's certificate must chain to.
func ParseIdentity(certPEM, keyPEM, caPEM []byte) (*Identity, error) {
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("read the agent's certificate and key: %w", err)
	}
	domain, err := trustDomain(pair.Leaf)
	if err != nil {
		return nil, fmt.Errorf("read the agent's certificate: %w", err)
	}
	roots, err := pool(caPEM)
	if err != nil {
		return nil, fmt.Errorf("read the proxy's CA: %w", err)
	}
	i := &Identity{
		id:       pair.Leaf.URIs[0].String(),
		proxy:    "spiffe://" + domain + "/sallyport",
		notAfter: pair.Leaf.NotAfter,
		since:    pair.Leaf.NotBefore,
		roots:    roots,
	}
	i.config = &tls.Config{
		MinVersion: tls.VersionTLS13,
		// The proxy is known by its SPIFFE ID, not by the name it was dialled under, so
		// verifyProxy replaces the library's verification; it runs on every handshake.
		InsecureSkipVerify: true, //nolint:gosec,forbidigo // see verifyProxy
		VerifyConnection: func(state tls.ConnectionState) error {
			if err := i.verifyProxy(state); err != nil {
				return &verification{err}
			}
			return nil
		},
		// Always offer the one certificate there is: a proxy that does not know its CA then
		// says so, instead of complaining that none was sent.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil },
		// Tickets die with the identity: a renewed certificate starts with full handshakes.
		ClientSessionCache: tls.NewLRUClientSessionCache(2),
		// The proxy is near; small first records would cost more than they win.
		DynamicRecordSizingDisabled: true,
	}
	return i, nil
}

// trustDomain returns the host of the one URI SAN that makes a certificate an X.509-SVID.
func trustDomain(cert *x509.Certificate) (string, error) {
	if len(cert.URIs) != 1 {
		return "", fmt.Errorf("it has %d URI names, an agent's has one", len(cert.URIs))
	}
	u := cert.URIs[0]
	if u.Scheme != "spiffe" || u.Host == "" || u.User != nil {
		return "", fmt.Errorf("%s is not a SPIFFE ID", u.Redacted())
	}
	return u.Host, nil
}

func pool(caPEM []byte) (*x509.CertPool, error) {
	roots, n := x509.NewCertPool(), 0
	for block, rest := pem.Decode(caPEM); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", n+1, err)
		}
		roots.AddCert(cert)
		n++
	}
	if n == 0 {
		return nil, errors.New("it holds no PEM certificate")
	}
	return roots, nil
}

// A verification error means that the server is not the proxy of this identity,
// which no waiting will cure.
type verification struct{ error }

func (v *verification) Unwrap() error { return v.error }

// verifyProxy accepts exactly one peer: the chain ends in the identity's CA and
// the only URI name is the proxy's. Agents hold certificates of the same CA, so
// without the second half any agent could play the proxy to all others.
func (i *Identity) verifyProxy(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the proxy sent no certificate")
	}
	leaf := state.PeerCertificates[0]
	if err := i.verifyChain(state); err != nil {
		return fmt.Errorf("verify the proxy's certificate: %w", err)
	}
	if len(leaf.URIs) != 1 || leaf.URIs[0].String() != i.proxy {
		return fmt.Errorf("the server's certificate names %s, not %s", uris(leaf.URIs), i.proxy)
	}
	return nil
}

func (i *Identity) verifyChain(state tls.ConnectionState) error {
	leaf := state.PeerCertificates[0]
	if state.DidResume {
		// The ticket comes from this identity's own cache, so this very chain was verified
		// against these very roots when it was issued. Only time may have passed since.
		if time.Now().After(leaf.NotAfter) {
			return fmt.Errorf("it expired at %s", leaf.NotAfter.UTC().Format(time.RFC3339))
		}
		return nil
	}
	options := x509.VerifyOptions{
		Roots:         i.roots,
		Intermediates: x509.NewCertPool(),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, c := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(c)
	}
	_, err := leaf.Verify(options)
	return err
}

func uris(list []*url.URL) string {
	switch len(list) {
	case 0:
		return "no URI"
	case 1:
		return list[0].Redacted()
	}
	return fmt.Sprintf("%d URIs", len(list))
}
