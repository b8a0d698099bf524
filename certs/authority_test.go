package certs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/certs"
)

// start is a moment that no test depends on, away from any round number.
var start = time.Date(2026, 3, 4, 5, 6, 7, 891234567, time.UTC)

const (
	domainURI = "spiffe://agents.example.com"
	agentURI  = "spiffe://agents.example.com/agent/9f1c3f0e-6c2b-4a53-9b6f-2f6f1d0c7e11"
	serverURI = "spiffe://agents.example.com/sallyport"
)

func identityAuthority(t testing.TB) *certs.Authority {
	t.Helper()
	ca, err := certs.CreateAuthority(certs.Template{CommonName: "agents of agents.example.com", URI: domainURI}, start)
	require.NoError(t, err)
	return ca
}

func interceptionAuthority(t testing.TB, now time.Time) *certs.Authority {
	t.Helper()
	ca, err := certs.CreateAuthority(certs.Template{CommonName: "Sallyport interception"}, now)
	require.NoError(t, err)
	return ca
}

func TestCreateAuthority(t *testing.T) {
	t.Parallel()
	ca := identityAuthority(t)
	cert := ca.Certificate()
	key, ok := cert.PublicKey.(*ecdsa.PublicKey)
	require.True(t, ok)
	assert.Equal(t, elliptic.P256(), key.Curve)
	assert.True(t, cert.IsCA)
	assert.True(t, cert.MaxPathLenZero, "it must not be able to make further authorities")
	assert.Equal(t, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, cert.KeyUsage)
	assert.Len(t, cert.SubjectKeyId, 20)
	assert.Equal(t, cert.SubjectKeyId, cert.AuthorityKeyId)
	require.Len(t, cert.URIs, 1)
	assert.Equal(t, domainURI, cert.URIs[0].String())
	assert.False(t, cert.PermittedDNSDomainsCritical)
	for _, ext := range cert.Extensions {
		switch ext.Id.String() {
		case "2.5.29.15", "2.5.29.19":
			assert.True(t, ext.Critical, "%s must be critical", ext.Id)
		default:
			assert.False(t, ext.Critical, "%s must not be critical", ext.Id)
		}
	}
	assert.Equal(t, start.Add(-certs.AuthorityBackdate).Truncate(time.Second), cert.NotBefore, "some clocks are days behind")
	assert.Equal(t, start.Add(5*365*24*time.Hour).Truncate(time.Second), cert.NotAfter)
	require.NoError(t, cert.CheckSignatureFrom(cert))
}

func TestAuthoritiesDiffer(t *testing.T) {
	t.Parallel()
	a, b := interceptionAuthority(t, start), interceptionAuthority(t, start)
	assert.NotEqual(t, a.Certificate().RawSubject, b.Certificate().RawSubject, "clients find issuers by name")
	assert.NotEqual(t, a.Certificate().SerialNumber, b.Certificate().SerialNumber)
	assert.NotEqual(t, a.Certificate().SubjectKeyId, b.Certificate().SubjectKeyId)
	_, err := b.Certificate().Verify(x509.VerifyOptions{Roots: a.Pool(), CurrentTime: start})
	assert.Error(t, err)
}

func TestCreateAuthorityRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		template certs.Template
		want     string
	}{
		"no name":           {certs.Template{}, "common name"},
		"name too long":     {certs.Template{CommonName: strings.Repeat("a", 65)}, "common name"},
		"negative lifetime": {certs.Template{CommonName: "a", Lifetime: -1}, "lifetime"},
		"endless":           {certs.Template{CommonName: "a", Lifetime: 1 << 62}, "lifetime"},
		"URI with path":     {certs.Template{CommonName: "a", URI: agentURI}, "alone"},
		"URI with slash":    {certs.Template{CommonName: "a", URI: domainURI + "/"}, "form"},
		"other scheme":      {certs.Template{CommonName: "a", URI: "https://agents.example.com"}, "form"},
		"URI with port":     {certs.Template{CommonName: "a", URI: domainURI + ":1"}, "form"},
		"URI with user":     {certs.Template{CommonName: "a", URI: "spiffe://u@agents.example.com"}, "form"},
		"not a URI":         {certs.Template{CommonName: "a", URI: "spiffe://a b\x00"}, "URI"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := certs.CreateAuthority(test.template, start)
			require.ErrorContains(t, err, "create authority: ")
			assert.ErrorContains(t, err, test.want)
		})
	}
}

func TestSaveAndLoad(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state", "ca")
	cert, key := filepath.Join(dir, "a.crt"), filepath.Join(dir, "a.key")
	ca := identityAuthority(t)
	require.NoError(t, ca.Save(cert, key))

	assert.Equal(t, os.FileMode(0o600), mode(t, key))
	assert.Equal(t, os.FileMode(0o644), mode(t, cert))
	assert.Equal(t, os.FileMode(0o700), mode(t, dir))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 2, "no temporary file stays")

	loaded, err := certs.LoadAuthority(cert, key)
	require.NoError(t, err)
	assert.Equal(t, ca.CertificatePEM(), loaded.CertificatePEM())
	issued, err := loaded.IssueClient(agentURI, time.Hour, start)
	require.NoError(t, err)
	_, err = issued.TLS.Leaf.Verify(clientOptions(ca))
	assert.NoError(t, err, "the loaded key is the saved one")
}

func TestSaveOverwritesNothing(t *testing.T) {
	t.Parallel()
	for _, taken := range []string{"a.crt", "a.key"} {
		t.Run(taken, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "ca")
			require.NoError(t, os.Mkdir(dir, 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(dir, taken), []byte("mine"), 0o600))
			err := identityAuthority(t).Save(filepath.Join(dir, "a.crt"), filepath.Join(dir, "a.key"))
			require.ErrorContains(t, err, "nothing is overwritten")
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Len(t, entries, 1, "neither the other file nor a temporary one stays")
			data, err := os.ReadFile(filepath.Join(dir, taken))
			require.NoError(t, err)
			assert.Equal(t, "mine", string(data))
		})
	}
}

func TestSaveRefusesAnOpenFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "ca")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Chmod(dir, 0o750))
	err := identityAuthority(t).Save(filepath.Join(dir, "a.crt"), filepath.Join(dir, "a.key"))
	require.ErrorContains(t, err, dir)
	assert.ErrorContains(t, err, "chmod 700")
}

func TestLoadAuthorityRefuses(t *testing.T) {
	t.Parallel()
	other := identityAuthority(t)
	otherDir := filepath.Join(t.TempDir(), "ca")
	require.NoError(t, other.Save(filepath.Join(otherDir, "a.crt"), filepath.Join(otherDir, "a.key")))
	client, err := other.IssueClient(agentURI, time.Hour, start)
	require.NoError(t, err)
	read := func(t *testing.T, file string) []byte {
		t.Helper()
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		return data
	}
	tests := map[string]struct {
		spoil func(t *testing.T, cert, key string)
		want  []string
	}{
		"nothing there": {func(t *testing.T, cert, key string) { remove(t, cert); remove(t, key) }, []string{"a.crt", "run `sallyport init`"}},
		"no certificate": {
			func(t *testing.T, cert, _ string) { remove(t, cert) },
			[]string{"a.crt", "a.key", "cut short", "restore it from a backup", "delete the key"},
		},
		"no key":          {func(t *testing.T, _, key string) { remove(t, key) }, []string{"a.key", "restore it from a backup"}},
		"group may read":  {func(t *testing.T, _, key string) { require.NoError(t, os.Chmod(key, 0o640)) }, []string{"a.key", "0640", "chmod 600"}},
		"others may read": {func(t *testing.T, _, key string) { require.NoError(t, os.Chmod(key, 0o604)) }, []string{"a.key", "0604"}},
		"another key": {
			func(t *testing.T, _, key string) { write(t, key, read(t, filepath.Join(otherDir, "a.key"))) },
			[]string{"a.key", "a.crt", "not the key of the certificate"},
		},
		"empty certificate": {func(t *testing.T, cert, _ string) { write(t, cert, nil) }, []string{"a.crt", "no PEM block"}},
		"garbage key":       {func(t *testing.T, _, key string) { write(t, key, []byte("{}")) }, []string{"a.key", "no PEM block"}},
		"cut key": {
			func(t *testing.T, _, key string) { write(t, key, read(t, key)[:100]) },
			[]string{"a.key", "no PEM block"},
		},
		"key where the certificate belongs": {
			func(t *testing.T, cert, key string) { write(t, cert, read(t, key)) },
			[]string{"a.crt", `"PRIVATE KEY" where "CERTIFICATE"`},
		},
		"two certificates": {
			func(t *testing.T, cert, _ string) { write(t, cert, append(read(t, cert), other.CertificatePEM()...)) },
			[]string{"a.crt", "more than one"},
		},
		"an end's certificate": {func(t *testing.T, cert, key string) {
			write(t, cert, client.CertPEM)
			write(t, key, client.KeyPEM)
		}, []string{"a.crt", "not an authority's"}},
		"damaged certificate": {func(t *testing.T, cert, _ string) {
			block, _ := pem.Decode(read(t, cert))
			block.Bytes[len(block.Bytes)-1] ^= 1
			write(t, cert, pem.EncodeToMemory(block))
		}, []string{"a.crt", "own key"}},
		"huge file": {
			func(t *testing.T, cert, _ string) { write(t, cert, make([]byte, 2<<20)) },
			[]string{"a.crt", "larger"},
		},
		"a folder": {func(t *testing.T, cert, _ string) {
			remove(t, cert)
			require.NoError(t, os.Mkdir(cert, 0o700))
		}, []string{"a.crt", "regular"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "ca")
			cert, key := filepath.Join(dir, "a.crt"), filepath.Join(dir, "a.key")
			require.NoError(t, identityAuthority(t).Save(cert, key))
			test.spoil(t, cert, key)
			_, err := certs.LoadAuthority(cert, key)
			require.ErrorContains(t, err, "load authority: ")
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
			assert.NotContains(t, err.Error(), "PRIVATE KEY-----")
		})
	}
}

func mode(t *testing.T, file string) os.FileMode {
	t.Helper()
	info, err := os.Stat(file)
	require.NoError(t, err)
	return info.Mode().Perm()
}

func remove(t *testing.T, file string) {
	t.Helper()
	require.NoError(t, os.Remove(file))
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, data, 0o600))
}
