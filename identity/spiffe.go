package identity

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

const (
	agentPath  = "/agent/"
	serverPath = "/sallyport"

	// SPIFFE-ID 2.3 and 2.1.
	maxURILength         = 2048
	maxTrustDomainLength = 255
)

// ValidateTrustDomain accepts a bare trust domain name such as
// "agents.example.com".
func ValidateTrustDomain(s string) error {
	switch {
	case s == "":
		return errors.New("trust domain is empty; use a name you control, such as agents.example.com")
	case len(s) > maxTrustDomainLength:
		return fmt.Errorf("trust domain is longer than %d bytes", maxTrustDomainLength)
	}
	// FromString also takes a whole SPIFFE ID and returns its trust domain.
	td, err := spiffeid.TrustDomainFromString(s)
	if err != nil || td.Name() != s {
		return fmt.Errorf("trust domain %q: use lower-case letters, digits and . _ -, without scheme, port or path", s)
	}
	if strings.Trim(s, "._-") != s || strings.Contains(s, "..") {
		return fmt.Errorf("trust domain %q: begin and end with a letter or digit, and no empty label", s)
	}
	return nil
}

// AgentURI is the SPIFFE ID of an agent in a valid trust domain.
func AgentURI(trustDomain string, id uuid.UUID) string {
	return "spiffe://" + trustDomain + agentPath + id.String()
}

// ServerURI is the SPIFFE ID of the proxy itself in a valid trust domain.
func ServerURI(trustDomain string) string {
	return "spiffe://" + trustDomain + serverPath
}

// Peer is who a client certificate says is calling.
type Peer struct {
	Agent  uuid.UUID
	Serial string // as in [Certificate]
}

// ParsePeer reads the calling agent from a client certificate that TLS has
// verified against the agents' authority. It accepts only an X.509-SVID of
// trustDomain (SPIFFE X509-SVID, sections 2 to 5) that names an agent in the
// one form of [AgentURI]:
//
//  1. the subject alternative names are one URI and nothing else
//  2. the URI is byte for byte spiffe://<trust-domain>/agent/<lower-case uuid>
//  3. it is an end-entity certificate: no CA, no keyCertSign, no cRLSign
//  4. key usage is critical and allows digitalSignature
//  5. extended key usage allows clientAuth
//  6. no critical extension is unknown
func ParsePeer(cert *x509.Certificate, trustDomain string) (Peer, error) {
	if cert == nil {
		return Peer{}, errors.New("no client certificate")
	}
	uri, err := onlyURI(cert)
	if err != nil {
		return Peer{}, err
	}
	id, err := parseAgentURI(uri, trustDomain)
	if err != nil {
		return Peer{}, err
	}
	if err := checkEnd(cert); err != nil {
		return Peer{}, err
	}
	return Peer{Agent: id, Serial: cert.SerialNumber.Text(16)}, nil
}

// parseAgentURI returns the agent that uri names, which is the inverse of
// [AgentURI]: whatever it accepts, AgentURI writes again byte for byte.
func parseAgentURI(uri, trustDomain string) (uuid.UUID, error) {
	if err := ValidateTrustDomain(trustDomain); err != nil {
		return uuid.Nil, err
	}
	if len(uri) > maxURILength {
		return uuid.Nil, fmt.Errorf("identity is longer than %d bytes", maxURILength)
	}
	id, err := spiffeid.FromString(uri)
	if err != nil {
		return uuid.Nil, fmt.Errorf("identity %q: %w", shorten(uri), err)
	}
	if id.TrustDomain().Name() != trustDomain {
		return uuid.Nil, fmt.Errorf("identity %q is not of trust domain %s", shorten(uri), trustDomain)
	}
	name, ok := strings.CutPrefix(id.Path(), agentPath)
	if !ok {
		return uuid.Nil, fmt.Errorf("identity %q is not an agent's: its path is not /agent/<uuid>", shorten(uri))
	}
	agent, err := uuid.Parse(name)
	// uuid.Parse takes four forms and both cases; one agent has one name.
	if err != nil || agent == uuid.Nil || AgentURI(trustDomain, agent) != uri {
		return uuid.Nil, fmt.Errorf("identity %q: its last segment is not a lower-case UUID", shorten(uri))
	}
	return agent, nil
}

// checkEnd applies the X509-SVID rules for end-entity certificates, rules 3 to 6 of
// [ParsePeer].
func checkEnd(cert *x509.Certificate) error {
	keyUsage, _ := extension(cert, oidKeyUsage)
	switch {
	case cert.Version != 3:
		return fmt.Errorf("certificate is version %d, not 3", cert.Version)
	case cert.SerialNumber == nil || cert.SerialNumber.Sign() <= 0:
		return errors.New("certificate has no positive serial number")
	case cert.IsCA:
		return errors.New("certificate is an authority's, not an end's")
	case cert.KeyUsage&x509.KeyUsageCertSign != 0:
		return errors.New("certificate has key usage keyCertSign, which only an authority may have")
	case cert.KeyUsage&x509.KeyUsageCRLSign != 0:
		return errors.New("certificate has key usage cRLSign, which only an authority may have")
	case cert.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("certificate lacks key usage digitalSignature")
	case !keyUsage.Critical:
		return errors.New("certificate's key usage is not marked critical")
	case !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth):
		return errors.New("certificate lacks extended key usage clientAuth")
	case len(cert.UnhandledCriticalExtensions) > 0:
		return fmt.Errorf("certificate has critical extension %s, which is unknown here", cert.UnhandledCriticalExtensions[0])
	}
	return nil
}

// Extensions of RFC 5280, 4.2.1.
const (
	oidKeyUsage       = "2.5.29.15"
	oidSubjectAltName = "2.5.29.17"
)

// extension returns a certificate's extension as it stands there. That there
// are not two of one kind is checked when a certificate is parsed.
func extension(cert *x509.Certificate, oid string) (pkix.Extension, bool) {
	i := slices.IndexFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.String() == oid })
	if i < 0 {
		return pkix.Extension{}, false
	}
	return cert.Extensions[i], true
}

// onlyURI returns the URI of a certificate whose alternative names are one URI.
// An agent listens nowhere: a DNS name or an address beside it would only help
// to pose as a server.
//
// It reads the extension itself, because the fields of x509.Certificate leave
// out kinds of names that Go does not know, and a url.URL does not keep every
// byte.
func onlyURI(cert *x509.Certificate) (string, error) {
	ext, ok := extension(cert, oidSubjectAltName)
	if !ok {
		return "", errors.New("certificate has no subject alternative name, so it names nobody")
	}
	// RFC 5280, 4.2.1.6.
	if len(cert.Subject.Names) == 0 && !ext.Critical {
		return "", errors.New("certificate has an empty subject, so its subject alternative name must be critical")
	}
	var names []asn1.RawValue
	if rest, err := asn1.Unmarshal(ext.Value, &names); err != nil || len(rest) > 0 {
		return "", errors.New("certificate's subject alternative name cannot be read")
	}
	const uniformResourceIdentifier = 6 // RFC 5280, GeneralName
	if len(names) != 1 || names[0].Class != asn1.ClassContextSpecific || names[0].Tag != uniformResourceIdentifier {
		return "", fmt.Errorf("certificate has %d subject alternative names; an agent's is one URI and nothing else", len(names))
	}
	return string(names[0].Bytes), nil
}

// shorten bounds how much of hostile input gets into an error, and from there into a log.
func shorten(s string) string {
	const enough = 120
	if len(s) > enough {
		return s[:enough] + "..."
	}
	return s
}
