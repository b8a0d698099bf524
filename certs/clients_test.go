package certs_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/certs"
	"sallyport/internal/host"
)

// tool skips the test where a program is missing, and fails it where
// REQUIRE_CLIENTS says that everything is installed.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("REQUIRE_CLIENTS") == "1" {
		t.Fatalf("%s is required: %v", name, err)
	}
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// folder holds an authority and what it issued, as files.
type folder struct {
	t   *testing.T
	dir string
	now time.Time
}

func (f folder) write(name string, data []byte) string {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	require.NoError(f.t, os.WriteFile(path, data, 0o600))
	return path
}

func (f folder) run(program string, args ...string) string {
	f.t.Helper()
	cmd := exec.CommandContext(f.t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	require.NoError(f.t, err, "%s %s\n%s", program, strings.Join(args, " "), out)
	return string(out)
}

// leafFiles writes a leaf for every awkward name.
func (f folder) leafFiles(ca *certs.Authority) map[string]host.Name {
	f.t.Helper()
	leaves := certs.NewLeaves(ca, 100, func() time.Time { return f.now })
	files := map[string]host.Name{}
	for _, text := range awkwardNames() {
		name := parseName(f.t, text)
		cert, err := leaves.Certificate(name)
		require.NoError(f.t, err)
		files[f.write("leaf"+strconv.Itoa(len(files))+".crt", pemOf(cert.Certificate[0]))] = name
	}
	return files
}

func TestOpenSSLAcceptsStrictly(t *testing.T) {
	t.Parallel()
	openssl := tool(t, "openssl")
	f := folder{t, t.TempDir(), time.Now()}
	ca := interceptionAuthority(t, f.now)
	caFile := f.write("ca.crt", ca.CertificatePEM())
	f.run(openssl, "verify", "-x509_strict", "-CAfile", caFile, caFile)
	for file, name := range f.leafFiles(ca) {
		args := []string{"verify", "-x509_strict", "-check_ss_sig", "-purpose", "sslserver", "-CAfile", caFile}
		if _, ok := name.Addr(); ok {
			args = append(args, "-verify_ip", name.String())
		} else {
			args = append(args, "-verify_hostname", name.String())
		}
		f.run(openssl, append(args, file)...)
	}

	agents, err := certs.CreateAuthority(certs.Template{CommonName: "agents", URI: domainURI}, f.now)
	require.NoError(t, err)
	agentsFile := f.write("agents.crt", agents.CertificatePEM())
	client, err := agents.IssueClient(agentURI, time.Hour, f.now)
	require.NoError(t, err)
	listener, err := agents.IssueListener(certs.ListenerSpec{URI: serverURI, Names: []string{"localhost", "::1"}}, time.Hour, f.now)
	require.NoError(t, err)
	f.run(openssl, "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", agentsFile, f.write("client.crt", client.CertPEM))
	f.run(openssl, "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "localhost", "-CAfile", agentsFile,
		f.write("listener.crt", listener.CertPEM))
	// The key is in a form that other programs read.
	f.run(openssl, "pkey", "-in", f.write("client.key", client.KeyPEM), "-noout", "-check")
}

func TestGnuTLSAccepts(t *testing.T) {
	t.Parallel()
	certtool := tool(t, "certtool")
	f := folder{t, t.TempDir(), time.Now()}
	ca := interceptionAuthority(t, f.now)
	caFile := f.write("ca.crt", ca.CertificatePEM())
	for file, name := range f.leafFiles(ca) {
		args := []string{"--verify", "--load-ca-certificate", caFile, "--infile", file, "--verify-purpose", "1.3.6.1.5.5.7.3.1"}
		if _, ok := name.Addr(); !ok { // it matches no addresses
			args = append(args, "--verify-hostname", name.String())
		}
		out := f.run(certtool, args...)
		assert.Contains(t, out, "The certificate is trusted", name)
	}
}

func TestJavaReadsTheTrustStore(t *testing.T) {
	t.Parallel()
	keytool := tool(t, "keytool")
	f := folder{t, t.TempDir(), time.Now()}
	ca := interceptionAuthority(t, f.now)
	bundle, err := certs.Bundle(ca.CertificatePEM())
	require.NoError(t, err)
	// Roots of one subject must not push each other out.
	var twins [][]byte
	for range 3 {
		twin, err := certs.CreateAuthority(certs.Template{CommonName: "Twin Röot ✓"}, f.now)
		require.NoError(t, err)
		twins = append(twins, twin.CertificatePEM())
	}
	bundle = append(bundle, bytes.Join(twins, nil)...)
	store, err := certs.TrustStore(bundle, "changeit")
	require.NoError(t, err)

	out := f.run(keytool, "-list", "-rfc", "-storetype", "PKCS12", "-storepass", "changeit", "-keystore", f.write("trust.p12", store))
	assert.Equal(t, bytes.Count(bundle, []byte("BEGIN CERTIFICATE")), strings.Count(out, "Entry type: trustedCertEntry"))
	assert.Contains(t, out, "sallyport-interception-")
}
