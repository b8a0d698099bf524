package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/certs"
)

func clientOptions(ca *certs.Authority) x509.VerifyOptions {
	return x509.VerifyOptions{Roots: ca.Pool(), CurrentTime: start, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
}

func TestIssueClient(t *testing.T) {
	t.Parallel()
	ca := identityAuthority(t)
	issued, err := ca.IssueClient(agentURI, time.Hour, start)
	require.NoError(t, err)

	pair, err := tls.X509KeyPair(issued.CertPEM, issued.KeyPEM)
	require.NoError(t, err)
	assert.Equal(t, issued.TLS.Certificate, pair.Certificate)
	cert := pair.Leaf
	assert.Empty(t, cert.Subject.Names, "nothing mutable is in it")
	assert.Empty(t, cert.DNSNames)
	require.Len(t, cert.URIs, 1)
	assert.Equal(t, agentURI, cert.URIs[0].String())
	assert.Equal(t, x509.KeyUsageDigitalSignature, cert.KeyUsage)
	assert.ElementsMatch(t, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, cert.ExtKeyUsage)
	assert.True(t, cert.BasicConstraintsValid)
	assert.False(t, cert.IsCA)
	critical := map[string]bool{}
	for _, ext := range cert.Extensions {
		critical[ext.Id.String()] = ext.Critical
	}
	assert.True(t, critical["2.5.29.15"], "key usage")
	assert.True(t, critical["2.5.29.17"], "alternative name, since the subject is empty")
	assert.Equal(t, ca.Certificate().SubjectKeyId, cert.AuthorityKeyId)

	assert.Equal(t, cert.SerialNumber.Text(16), issued.Serial)
	assert.Equal(t, cert.NotAfter, issued.NotAfter)
	assert.Equal(t, cert.NotBefore, issued.NotBefore)
	assert.Equal(t, start.Add(time.Hour).Truncate(time.Second), issued.NotAfter)
	_, err = cert.Verify(clientOptions(ca))
	assert.NoError(t, err)
}

func TestIssueClientLivesNoLongerThanItsAuthority(t *testing.T) {
	t.Parallel()
	ca := identityAuthority(t)
	end := ca.Certificate().NotAfter
	issued, err := ca.IssueClient(agentURI, 100*365*24*time.Hour, start)
	require.NoError(t, err)
	assert.Equal(t, end, issued.NotAfter)
	assert.False(t, issued.NotBefore.Before(ca.Certificate().NotBefore))

	_, err = ca.IssueClient(agentURI, time.Hour, end)
	require.ErrorContains(t, err, "expired")
	assert.ErrorContains(t, err, "sallyport init")
}

func TestIssueClientRefuses(t *testing.T) {
	t.Parallel()
	ca := identityAuthority(t)
	tests := map[string]struct {
		uri  string
		ttl  time.Duration
		want string
	}{
		"no URI":            {"", time.Hour, "form"},
		"authority's URI":   {domainURI, time.Hour, "no path"},
		"other domain":      {"spiffe://other.example.com/agent/a", time.Hour, "trust domain"},
		"trailing slash":    {agentURI + "/", time.Hour, "form"},
		"query":             {agentURI + "?a=b", time.Hour, "form"},
		"empty query":       {agentURI + "?", time.Hour, "form"},
		"fragment":          {agentURI + "#a", time.Hour, "form"},
		"percent":           {domainURI + "/agent/%61", time.Hour, "form"},
		"upper-case scheme": {strings.Replace(agentURI, "spiffe", "SPIFFE", 1), time.Hour, "form"},
		"opaque":            {"spiffe:agents.example.com/agent/a", time.Hour, "form"},
		"no lifetime":       {agentURI, 0, "lifetime"},
		"negative":          {agentURI, -time.Hour, "lifetime"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ca.IssueClient(test.uri, test.ttl, start)
			assert.ErrorContains(t, err, test.want)
		})
	}
	_, err := interceptionAuthority(t, start).IssueClient(agentURI, time.Hour, start)
	assert.ErrorContains(t, err, "no trust domain", "the interception authority can make no agent")
}

func TestIssueListener(t *testing.T) {
	t.Parallel()
	ca := identityAuthority(t)
	names := []string{"localhost", "127.0.0.1", "::1", "Sallyport.Internal.", "localhost"}
	issued, err := ca.IssueListener(certs.ListenerSpec{URI: serverURI, Names: names}, 24*time.Hour, start)
	require.NoError(t, err)
	cert := issued.TLS.Leaf
	assert.Equal(t, []string{"localhost", "sallyport.internal"}, cert.DNSNames)
	assert.Len(t, cert.IPAddresses, 2)
	assert.Equal(t, serverURI, cert.URIs[0].String())
	assert.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, cert.ExtKeyUsage, "it is no agent's")
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "sallyport.internal"} {
		_, err := cert.Verify(x509.VerifyOptions{Roots: ca.Pool(), CurrentTime: start, DNSName: name})
		assert.NoError(t, err, name)
	}
	for _, bad := range []string{"*.example.com", "", "a b", "fe80::1%eth0"} {
		_, err := ca.IssueListener(certs.ListenerSpec{URI: serverURI, Names: []string{bad}}, time.Hour, start)
		assert.Error(t, err, "%q", bad)
	}
	_, err = ca.IssueListener(certs.ListenerSpec{Names: names}, time.Hour, start)
	assert.Error(t, err, "a listener has an identity")
}

func TestSerialsAreRandom(t *testing.T) {
	t.Parallel()
	ca := identityAuthority(t)
	seen := map[string]bool{}
	longest := 0
	for range 64 {
		issued, err := ca.IssueClient(agentURI, time.Hour, start)
		require.NoError(t, err)
		require.Equal(t, 1, issued.TLS.Leaf.SerialNumber.Sign())
		assert.NotContains(t, seen, issued.Serial)
		seen[issued.Serial] = true
		longest = max(longest, issued.TLS.Leaf.SerialNumber.BitLen())
	}
	assert.GreaterOrEqual(t, longest, 120)
	assert.LessOrEqual(t, longest, 128)
}
