package certs_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/certs"
)

func TestARequestIsForItsKey(t *testing.T) {
	t.Parallel()
	keyPEM, requestPEM, err := certs.MakeRequest()
	require.NoError(t, err)
	public, err := certs.ParseRequest(requestPEM)
	require.NoError(t, err)
	block, _ := pem.Decode(keyPEM)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	assert.True(t, key.(*ecdsa.PrivateKey).PublicKey.Equal(public))
	again, err := certs.RequestFor(keyPEM)
	require.NoError(t, err)
	same, err := certs.ParseRequest(again)
	require.NoError(t, err)
	one, err := certs.Fingerprint(public)
	require.NoError(t, err)
	two, err := certs.Fingerprint(same)
	require.NoError(t, err)
	assert.Equal(t, one, two)
	assert.Len(t, one, 64)
	for _, none := range []string{"", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		_, err := certs.RequestFor([]byte(none))
		require.Error(t, err)
	}
}

func TestSignClient(t *testing.T) {
	t.Parallel()
	now := time.Now()
	ca, err := certs.CreateAuthority(certs.Template{CommonName: "agents", URI: "spiffe://agents.test"}, now)
	require.NoError(t, err)
	public, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	const uri = "spiffe://agents.test/agent/0b6f1c1e-6f0e-4d1c-9d0a-3f6f0c8f2a11"
	issued, err := ca.SignClient(uri, public, time.Hour, now)
	require.NoError(t, err)
	assert.Empty(t, issued.KeyPEM)
	leaf := issued.TLS.Leaf
	assert.Equal(t, public, leaf.PublicKey)
	assert.Equal(t, uri, leaf.URIs[0].String())
	assert.WithinDuration(t, now.Add(time.Hour), issued.NotAfter, time.Second)
	_, err = leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	require.NoError(t, err)
	_, err = ca.SignClient("spiffe://other.test/agent/x", public, time.Hour, now)
	require.ErrorContains(t, err, "trust domain")
	_, err = ca.SignClient(uri, public, 0, now)
	require.ErrorContains(t, err, "lifetime")
}

func FuzzParseRequest(f *testing.F) {
	_, good, err := certs.MakeRequest()
	require.NoError(f, err)
	f.Add(good)
	f.Add([]byte("-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n"))
	f.Fuzz(func(t *testing.T, request []byte) {
		public, err := certs.ParseRequest(request)
		if err == nil {
			_, err = certs.Fingerprint(public)
			require.NoError(t, err)
		}
	})
}
