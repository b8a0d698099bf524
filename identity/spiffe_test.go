package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/identity"
)

const domain = "agents.example.com"

var agentID = uuid.MustParse("9f1c3f0e-6c2b-4a53-9b6f-2f6f1d0c7e11")

// certificate signs an agent's certificate after change has had its way.
func certificate(t testing.TB, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	uri, err := url.Parse(identity.AgentURI(domain, agentID))
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(0xabc),
		NotAfter:              time.Now().Add(time.Hour),
		URIs:                  []*url.URL{uri},
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

// alternativeNames replaces the subject alternative names by raw ones, since
// Go writes no invalid ones.
func alternativeNames(t testing.TB, critical bool, names ...asn1.RawValue) func(*x509.Certificate) {
	t.Helper()
	value, err := asn1.Marshal(names)
	require.NoError(t, err)
	return func(c *x509.Certificate) {
		c.URIs = nil
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: critical, Value: value})
	}
}

func uriName(s string) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(s)}
}

func TestParsePeer(t *testing.T) {
	t.Parallel()
	peer, err := identity.ParsePeer(certificate(t, nil), domain)
	require.NoError(t, err)
	assert.Equal(t, identity.Peer{Agent: agentID, Serial: "abc"}, peer)

	tolerated := map[string]func(*x509.Certificate){
		"a subject":                 func(c *x509.Certificate) { c.Subject.CommonName = "anything" },
		"clientAuth alone":          func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] },
		"keyAgreement beside":       func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageKeyAgreement },
		"no basic constraints":      func(c *x509.Certificate) { c.BasicConstraintsValid = false },
		"an unknown extension":      func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{unknownExtension(false)} },
		"the same URI, written raw": alternativeNames(t, true, uriName(identity.AgentURI(domain, agentID))),
	}
	for name, change := range tolerated {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := identity.ParsePeer(certificate(t, change), domain)
			assert.NoError(t, err)
		})
	}
}

func unknownExtension(critical bool) pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, Critical: critical, Value: []byte{5, 0}}
}

func TestParsePeerRefusesBadCertificates(t *testing.T) {
	t.Parallel()
	good := uriName(identity.AgentURI(domain, agentID))
	tests := map[string]struct {
		change func(*x509.Certificate)
		want   string
	}{
		"no alternative name": {func(c *x509.Certificate) { c.URIs = nil }, "names nobody"},
		"only a DNS name":     {func(c *x509.Certificate) { c.URIs, c.DNSNames = nil, []string{"a.example"} }, "one URI and nothing else"},
		"two URIs":            {func(c *x509.Certificate) { c.URIs = append(c.URIs, &url.URL{Scheme: "https", Host: "a.example"}) }, "has 2 subject"},
		"the same URI twice":  {func(c *x509.Certificate) { c.URIs = append(c.URIs, c.URIs[0]) }, "has 2 subject"},
		"a DNS name beside":   {func(c *x509.Certificate) { c.DNSNames = []string{"a.example"} }, "has 2 subject"},
		"an address beside":   {func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(1, 2, 3, 4)} }, "has 2 subject"},
		"an e-mail beside":    {func(c *x509.Certificate) { c.EmailAddresses = []string{"a@a.example"} }, "has 2 subject"},
		"an otherName beside, which Go does not show": {
			alternativeNames(t, true, good, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: []byte{6, 1, 42}}),
			"has 2 subject",
		},
		"only a registered ID":     {alternativeNames(t, true, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 8, Bytes: []byte{42}}), "one URI"},
		"not critical, no subject": {alternativeNames(t, false, good), "must be critical"},
		"the authority's flag":     {func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, c.KeyUsage|x509.KeyUsageCertSign }, "an authority's"},
		"keyCertSign":              {func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign; c.IsCA = false; noBasicConstraints(c) }, "keyCertSign"},
		"cRLSign":                  {func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCRLSign }, "cRLSign"},
		"no digitalSignature":      {func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }, "lacks key usage digitalSignature"},
		"no key usage":             {func(c *x509.Certificate) { c.KeyUsage = 0 }, "lacks key usage digitalSignature"},
		"key usage not critical": {func(c *x509.Certificate) {
			c.KeyUsage = 0
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Value: []byte{3, 2, 7, 0x80}}}
		}, "not marked critical"},
		"no extended key usage":  {func(c *x509.Certificate) { c.ExtKeyUsage = nil }, "clientAuth"},
		"a server's certificate": {func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[1:] }, "clientAuth"},
		"any extended key usage": {func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }, "clientAuth"},
		"unknown critical extension": {
			func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{unknownExtension(true)} },
			"critical extension 1.3.6.1.4.1.99999.1",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			peer, err := identity.ParsePeer(certificate(t, test.change), domain)
			require.ErrorContains(t, err, test.want)
			assert.Zero(t, peer)
		})
	}
	_, err := identity.ParsePeer(nil, domain)
	assert.Error(t, err)
	_, err = identity.ParsePeer(&x509.Certificate{}, domain)
	assert.Error(t, err)
}

// noBasicConstraints keeps Go from refusing to write keyCertSign without CA.
func noBasicConstraints(c *x509.Certificate) { c.BasicConstraintsValid = false }

// badURIs are identities that are nobody's, each with what its error says.
func badURIs() map[string][2]string {
	id := agentID.String()
	return map[string][2]string{
		"another domain":       {"spiffe://other.example.com/agent/" + id, "not of trust domain"},
		"a domain below":       {"spiffe://a." + domain + "/agent/" + id, "not of trust domain"},
		"a longer domain":      {"spiffe://" + domain + "x/agent/" + id, "not of trust domain"},
		"upper-case domain":    {"spiffe://" + strings.ToUpper(domain) + "/agent/" + id, "trust domain"},
		"no domain":            {"spiffe:///agent/" + id, "trust domain"},
		"trailing dot":         {"spiffe://" + domain + "./agent/" + id, "not of trust domain"},
		"port":                 {"spiffe://" + domain + ":443/agent/" + id, "trust domain"},
		"user":                 {"spiffe://agent@" + domain + "/agent/" + id, "trust domain"},
		"other scheme":         {"https://" + domain + "/agent/" + id, "scheme"},
		"upper-case scheme":    {"SPIFFE://" + domain + "/agent/" + id, "scheme"},
		"no scheme":            {"//" + domain + "/agent/" + id, "scheme"},
		"empty":                {"", "empty"},
		"no path":              {"spiffe://" + domain, "not an agent's"},
		"root path":            {"spiffe://" + domain + "/", "trailing slash"},
		"the proxy":            {identity.ServerURI(domain), "not an agent's"},
		"other kind":           {"spiffe://" + domain + "/user/" + id, "not an agent's"},
		"upper-case kind":      {"spiffe://" + domain + "/Agent/" + id, "not an agent's"},
		"no UUID":              {"spiffe://" + domain + "/agent", "not an agent's"},
		"name for UUID":        {"spiffe://" + domain + "/agent/operator", "lower-case UUID"},
		"upper-case UUID":      {"spiffe://" + domain + "/agent/" + strings.ToUpper(id), "lower-case UUID"},
		"mixed-case UUID":      {"spiffe://" + domain + "/agent/9F" + id[2:], "lower-case UUID"},
		"UUID without hyphens": {"spiffe://" + domain + "/agent/" + strings.ReplaceAll(id, "-", ""), "lower-case UUID"},
		"UUID as URN":          {"spiffe://" + domain + "/agent/urn:uuid:" + id, "path segment"},
		"UUID in braces":       {"spiffe://" + domain + "/agent/{" + id + "}", "path segment"},
		"nil UUID":             {"spiffe://" + domain + "/agent/" + uuid.Nil.String(), "lower-case UUID"},
		"short UUID":           {"spiffe://" + domain + "/agent/" + id[:35], "lower-case UUID"},
		"trailing slash":       {"spiffe://" + domain + "/agent/" + id + "/", "trailing slash"},
		"deeper":               {"spiffe://" + domain + "/agent/" + id + "/sub/" + id, "lower-case UUID"},
		"empty segment":        {"spiffe://" + domain + "/agent//" + id, "empty segments"},
		"dot segment":          {"spiffe://" + domain + "/agent/./" + id, "dot segments"},
		"dot-dot segment":      {"spiffe://" + domain + "/agent/x/../" + id, "dot segments"},
		"percent-encoded":      {"spiffe://" + domain + "/%61gent/" + id, "path segment"},
		"encoded slash":        {"spiffe://" + domain + "/agent%2f" + id, "path segment"},
		"query":                {"spiffe://" + domain + "/agent/" + id + "?a=b", "path segment"},
		"empty query":          {"spiffe://" + domain + "/agent/" + id + "?", "path segment"},
		"fragment":             {"spiffe://" + domain + "/agent/" + id + "#a", "path segment"},
		"empty fragment":       {"spiffe://" + domain + "/agent/" + id + "#", "path segment"},
		"NUL":                  {"spiffe://" + domain + "/agent/" + id + "\x00", "path segment"},
		"newline":              {"spiffe://" + domain + "/agent/" + id + "\n", "path segment"},
		"space in front":       {" spiffe://" + domain + "/agent/" + id, "scheme"},
		"not ASCII":            {"spiffe://" + domain + "/agent/" + id[:35] + "１", "path segment"},
		"too long":             {"spiffe://" + domain + "/agent/" + strings.Repeat("a", 2048), "2048"},
	}
}

func TestAgentURIHasOneForm(t *testing.T) {
	t.Parallel()
	id, err := identity.ParseAgentURI(identity.AgentURI(domain, agentID), domain)
	require.NoError(t, err)
	assert.Equal(t, agentID, id)
	for name, test := range badURIs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := identity.ParseAgentURI(test[0], domain)
			require.ErrorContains(t, err, test[1])
			assert.Less(t, len(err.Error()), 500, "hostile text does not fill the log")
		})
	}
	for _, domain := range []string{"", "Agents.example.com", "a/b"} {
		_, err := identity.ParseAgentURI(identity.AgentURI(domain, agentID), domain)
		assert.Error(t, err, "a bad trust domain admits nobody: %q", domain)
	}
}

// Each bad identity is also refused inside a certificate, by us or before us.
func TestParsePeerRefusesBadURIs(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for name, test := range badURIs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			template := &x509.Certificate{
				SerialNumber: big.NewInt(1), KeyUsage: x509.KeyUsageDigitalSignature,
				ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
			}
			alternativeNames(t, true, uriName(test[0]))(template)
			der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
			require.NoError(t, err)
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				return // crypto/tls refuses it in the handshake
			}
			_, err = identity.ParsePeer(cert, domain)
			assert.Error(t, err)
		})
	}
}

func TestValidateTrustDomain(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"example.com", "localhost", "a", "agents_1.example-2.com", "10.0.0.1", strings.Repeat("a", 255)} {
		assert.NoError(t, identity.ValidateTrustDomain(good), good)
	}
	bad := []string{
		"", " ", "Example.com", "example.com/", "spiffe://example.com", "example.com:443", "a@b", "a b", "exämple", "a%62",
		".", "..", "a.", ".a", "-a", "a_", "a..b", "a\n", "[::1]", "*", strings.Repeat("a", 256),
	}
	for _, s := range bad {
		assert.ErrorContains(t, identity.ValidateTrustDomain(s), "trust domain", "%q", s)
	}
}
