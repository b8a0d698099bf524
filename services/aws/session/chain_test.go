package session_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Variables that are common on a server change neither whom Sallyport trusts nor whom it
// asks: upstream says that, and the credential.
func TestVariablesOfTheServerChangeNeitherRootsNorAddresses(t *testing.T) {
	const file = "credentials:\n  role: {kind: aws_role, role_arn: \"arn:aws:iam::123456789012:role/agents\", region: eu-west-1}\n"
	folder := t.TempDir()
	bundle := filepath.Join(folder, "bundle.pem")
	require.NoError(t, os.WriteFile(bundle, rootPEM(t), 0o600))
	shared := filepath.Join(folder, "config")
	require.NoError(t, os.WriteFile(shared, []byte("[default]\nca_bundle = "+bundle+"\nregion = us-east-1\n"), 0o600))
	for _, name := range []string{"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CA_BUNDLE"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", folder)
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("AWS_ENDPOINT_URL", "https://elsewhere.test")
	t.Setenv("AWS_ENDPOINT_URL_STS", "https://elsewhere.test")
	t.Setenv("AWS_USE_FIPS_ENDPOINT", "true")
	t.Setenv("AWS_REGION", "us-west-2")
	keys := func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", "AKIACHAIN")
		t.Setenv("AWS_SECRET_ACCESS_KEY", canary)
	}
	for name, set := range map[string]func(t *testing.T){
		"AWS_CA_BUNDLE": func(t *testing.T) { t.Setenv("AWS_CA_BUNDLE", bundle); keys(t) },
		"ca_bundle":     func(t *testing.T) { t.Setenv("AWS_CONFIG_FILE", shared); keys(t) },
		"web identity": func(t *testing.T) {
			token := filepath.Join(folder, "token")
			require.NoError(t, os.WriteFile(token, []byte("eyJ"), 0o600))
			t.Setenv("AWS_CA_BUNDLE", bundle)
			t.Setenv("AWS_USE_FIPS_ENDPOINT", "") // which the SDK takes beside no other endpoint
			t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/base")
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token)
		},
	} {
		t.Run(name, func(t *testing.T) {
			set(t)
			sts := &fakeSTS{now: time.Now, life: time.Hour}
			key(t, parse(t, file, options(t)).Lookup("role"), purpose(t, sts, "a"))
			assert.Equal(t, "sts.eu-west-1.amazonaws.com", sts.hosts[len(sts.hosts)-1], "the role's own STS")
			if name == "web identity" {
				assert.Equal(t, "elsewhere.test", sts.hosts[0], "the chain's own asks where its variables say")
			}
			assert.Equal(t, "AssumeRole", sts.asked[len(sts.asked)-1].Get("Action"))
		})
	}
}

// rootPEM is a certificate as a company's bundle holds them.
func rootPEM(t *testing.T) []byte {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
