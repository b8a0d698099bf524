package proxy_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/certs"
)

const shownURI = "spiffe://clients.test/sallyport-of-acme"

// mutual is a rig with an upstream, mtls.test and other.test, that takes whoever shows a
// certificate of its own authority, and says what was shown.
func mutual(t *testing.T, policy string) *rig {
	r := newRig(t, func(r *rig) {
		r.credentials += "  corp: {kind: certificate, certificate: {file: corp.crt}, secret: {file: corp.key}, hosts: [mtls.test]}\n"
		r.policy = policy
	})
	clients, err := certs.CreateAuthority(certs.Template{CommonName: "clients", URI: "spiffe://clients.test"}, time.Now())
	require.NoError(t, err)
	pair, err := clients.IssueClient(shownURI, time.Hour, time.Now())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(r.dir, "corp.crt"), pair.CertPEM, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(r.dir, "corp.key"), pair.KeyPEM, 0o600))
	pool := x509.NewCertPool()
	pool.AddCert(clients.Certificate())
	r.demand = func(c *tls.Config) { c.ClientCAs, c.ClientAuth = pool, tls.VerifyClientCertIfGiven }
	r.upstream(func(w http.ResponseWriter, req *http.Request) {
		shown := "nothing"
		if peers := req.TLS.PeerCertificates; len(peers) > 0 && len(peers[0].URIs) == 1 {
			shown = peers[0].URIs[0].String()
		}
		fmt.Fprintf(w, "%s, %q", shown, req.Header.Get("Authorization"))
	}, true, "mtls.test", "other.test")
	return r
}

// A certificate is shown to its host for requests of its rule, and over its connection goes
// nothing else.
func TestACertificateIsShownForItsRule(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		r := mutual(t, `policy: operator
rules:
  - {name: with, allow: {host: mtls.test, path: /with}, credential: corp}
  - {name: without, allow: {host: mtls.test, path: /without}}
  - {name: other, allow: {host: other.test}}
`)
		client := r.client(r.agent("a"), http2)
		for range 2 {
			for address, want := range map[string]string{
				"https://mtls.test/with": shownURI + `, ""`, "https://mtls.test/without": `nothing, ""`, "https://other.test/": `nothing, ""`,
			} {
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
				require.NoError(t, err)
				request.Header.Set("Authorization", "Bearer mine")
				response, err := client.Do(request)
				require.NoError(t, err)
				assert.Equal(t, want, body(t, response), address)
			}
		}
		for _, row := range r.rowsOf(6) {
			if row.Rule == "with" {
				assert.Equal(t, "corp", row.Credential)
				assert.NotEmpty(t, row.CredentialFingerprint)
			}
		}
	}
}

// Whatever a policy says, it is shown to no other host.
func TestACertificateIsShownToNobodyElse(t *testing.T) {
	t.Parallel()
	r := mutual(t, "policy: operator\nrules: [{name: other, allow: {host: other.test}, credential: corp}]\n")
	response, err := r.client(r.agent("a"), false).Get("https://other.test/")
	require.NoError(t, err)
	assert.Equal(t, http.StatusBadGateway, response.StatusCode)
	assert.Contains(t, body(t, response), "urn:sallyport:refusal:credential")
}

// A certificate that is renewed in its file is shown from the next connection on.
func TestACertificateIsFollowed(t *testing.T) {
	t.Parallel()
	r := mutual(t, "policy: operator\nrules: [{name: with, allow: {host: mtls.test}, credential: corp}]\n")
	client := r.client(r.agent("a"), false)
	get := func() int {
		response, err := client.Get("https://mtls.test/")
		require.NoError(t, err)
		_ = body(t, response)
		return response.StatusCode
	}
	require.Equal(t, http.StatusOK, get())
	require.NoError(t, os.WriteFile(filepath.Join(r.dir, "corp.crt"), []byte("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"), 0o600))
	require.Eventually(t, func() bool { return get() == http.StatusBadGateway }, within, 50*time.Millisecond)
}
