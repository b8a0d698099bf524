package certs_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"software.sslmate.com/src/go-pkcs12"

	"sallyport/certs"
)

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestBundleHoldsEachCertificateOnce(t *testing.T) {
	t.Parallel()
	root, extra := interceptionAuthority(t, start).CertificatePEM(), interceptionAuthority(t, start).CertificatePEM()
	roots := filepath.Join(t.TempDir(), "roots.pem")
	write(t, roots, bytes.Join([][]byte{[]byte("# comment\n"), root, extra, pemOf([]byte("not DER")), root}, []byte("\n")))
	bundle, err := certs.BundleFrom(roots, extra, extra)
	require.NoError(t, err)
	assert.Equal(t, string(root)+string(extra), string(bundle))
	again, err := certs.BundleFrom(roots, bundle)
	require.NoError(t, err)
	assert.Equal(t, bundle, again, "a bundle of a bundle is the same, for a sallyport inside another")
}

func TestBundleHasTheSystemsRoots(t *testing.T) {
	t.Parallel()
	ca := interceptionAuthority(t, start)
	bundle, err := certs.Bundle(ca.CertificatePEM())
	require.NoError(t, err)
	assert.True(t, bytes.HasSuffix(bundle, ca.CertificatePEM()))
	if _, err := os.Stat("/etc/ssl/certs/ca-certificates.crt"); err == nil {
		assert.Greater(t, bytes.Count(bundle, []byte("BEGIN")), 50)
	}
	assert.True(t, x509.NewCertPool().AppendCertsFromPEM(bundle))
}

func TestFoldersOfRoots(t *testing.T) {
	t.Parallel()
	empty, full := t.TempDir(), t.TempDir()
	root := interceptionAuthority(t, start).CertificatePEM()
	write(t, filepath.Join(full, "a.pem"), root)
	write(t, filepath.Join(full, "b.crt"), root)
	write(t, filepath.Join(full, "README"), []byte("no root"))
	require.NoError(t, os.Symlink("gone", filepath.Join(full, "c.pem")))
	found, err := certs.ReadFolders([]string{filepath.Join(empty, "none"), empty, full})
	require.NoError(t, err)
	assert.Equal(t, [][]byte{root, root}, found)
	found, err = certs.ReadFolders([]string{empty})
	require.NoError(t, err)
	assert.Empty(t, found, "a system may have no roots")
}

func TestBundleRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	write(t, empty, []byte("nothing"))
	good := interceptionAuthority(t, start).CertificatePEM()
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})
	tests := map[string]struct {
		roots string
		extra []byte
		want  string
	}{
		"missing roots":        {filepath.Join(dir, "none.pem"), good, "none.pem"},
		"no roots in the file": {empty, good, "empty.pem"},
		"a private key":        {"", append(bytes.Clone(good), key...), "PRIVATE KEY"},
		"no certificate":       {"", []byte("x"), "no PEM certificate"},
		"not DER":              {"", pemOf([]byte("x")), "extra"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := certs.BundleFrom(test.roots, test.extra)
			assert.ErrorContains(t, err, test.want)
		})
	}
}

func TestTrustStore(t *testing.T) {
	t.Parallel()
	a, b := interceptionAuthority(t, start), interceptionAuthority(t, start)
	bundle := append(a.CertificatePEM(), b.CertificatePEM()...)
	store, err := certs.TrustStore(append(bundle, a.CertificatePEM()...), "changeit")
	require.NoError(t, err)
	found, err := pkcs12.DecodeTrustStore(store, "changeit")
	require.NoError(t, err)
	require.Len(t, found, 2)
	assert.True(t, found[0].Equal(a.Certificate()))
	assert.True(t, found[1].Equal(b.Certificate()))

	for name, bad := range map[string][]byte{"empty": nil, "no PEM": []byte("x"), "not DER": pemOf([]byte("x"))} {
		_, err := certs.TrustStore(bad, "changeit")
		assert.Error(t, err, name)
	}
	_, err = certs.TrustStore(bundle, "")
	assert.ErrorContains(t, err, "password")
}
