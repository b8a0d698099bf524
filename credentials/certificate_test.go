package credentials_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/certs"
	"sallyport/credentials"
)

// pairOf is a certificate and its key in PEM.
func pairOf(t *testing.T, life time.Duration) (certificate, key []byte) {
	t.Helper()
	ca, err := certs.CreateAuthority(certs.Template{CommonName: "clients", URI: "spiffe://clients.test"}, time.Now())
	require.NoError(t, err)
	pair, err := ca.IssueClient("spiffe://clients.test/us", life, time.Now())
	require.NoError(t, err)
	return pair.CertPEM, pair.KeyPEM
}

func TestACertificateAndItsKey(t *testing.T) {
	t.Parallel()
	certificate, key := pairOf(t, time.Hour)
	other, _ := pairOf(t, time.Hour)
	for name, one := range map[string]struct {
		certificate, key []byte
		after            time.Duration
		want             string
	}{
		"good":            {certificate, key, 0, ""},
		"another's key":   {other, key, 0, "are of no use together"},
		"no certificate":  {key, key, 0, "are of no use together"},
		"no key":          {certificate, certificate, 0, "are of no use together"},
		"no PEM":          {certificate, []byte("s3cr3t"), 0, "are of no use together"},
		"over":            {certificate, key, 2 * time.Hour, "its certificate ended at"},
		"no file of it":   {nil, key, 0, "its certificate: "},
		"no file of keys": {certificate, nil, 0, "its key: "},
	} {
		home := t.TempDir()
		for file, data := range map[string][]byte{"c": one.certificate, "k": one.key} {
			if data != nil {
				require.NoError(t, os.WriteFile(filepath.Join(home, file), data, 0o600))
			}
		}
		set, err := credentials.Parse("credentials.yaml", []byte("credentials:\n  corp: {kind: certificate, certificate: {file: c}, secret: {file: k}, hosts: [a.test]}\n"),
			credentials.Options{Home: home, FingerprintKey: []byte("k"), Now: func() time.Time { return time.Now().Add(one.after) }})
		require.NoError(t, err, name)
		injection, err := set.Lookup("corp").Retrieve(t.Context(), credentials.Use{})
		if one.want != "" {
			require.ErrorContains(t, err, one.want, name)
			assert.NotContains(t, err.Error(), "s3cr3t")
			assert.NotContains(t, err.Error(), "PRIVATE KEY-----")
			assert.Nil(t, injection.Certificate())
			continue
		}
		require.NoError(t, err, name)
		assert.NotNil(t, injection.Certificate())
		assert.NotEmpty(t, injection.Fingerprint())
		again, err := set.Lookup("corp").Retrieve(t.Context(), credentials.Use{})
		require.NoError(t, err)
		assert.Same(t, injection.Certificate(), again.Certificate(), "it is the same while its files are")
	}
}

func TestACertificateNeedsBoth(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{kind: certificate, secret: {file: k}, hosts: [a.test]}":                        "certificate",
		"{kind: certificate, certificate: {file: c}, hosts: [a.test]}":                   "secret",
		"{kind: certificate, certificate: {file: c}, secret: {file: k}}":                 "hosts",
		"{kind: certificate, certificate: corp.crt, secret: {file: k}, hosts: [a.test]}": "certificate",
	} {
		_, err := credentials.Parse("credentials.yaml", []byte("credentials:\n  corp: "+text+"\n"), credentials.Options{Home: t.TempDir()})
		require.ErrorContains(t, err, want, text)
	}
}
