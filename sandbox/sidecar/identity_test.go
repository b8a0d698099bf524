package sidecar_test

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/sandbox/sidecar"
)

// Whoever answers at the proxy's address must prove to be the proxy of this
// identity's trust domain; otherwise not one byte of a request goes there.
func TestOnlyTheProxyIsAccepted(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	tests := map[string]struct {
		server issued
		detail string
	}{
		"agent of the same CA": {ca.issue(t, nil, agentURI), "names " + agentURI},
		"other trust domain":   {ca.issue(t, nil, "spiffe://other.example/sallyport"), "names spiffe://other.example/sallyport"},
		"path below":           {ca.issue(t, nil, proxyURI+"/x"), "names " + proxyURI + "/x"},
		"upper case":           {ca.issue(t, nil, "spiffe://AGENTS.example.com/sallyport"), "names"},
		"query":                {ca.issue(t, nil, proxyURI+"?x"), "names"},
		"no URI":               {ca.issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"sallyport"} }), "no URI"},
		"two URIs":             {ca.issue(t, nil, proxyURI, agentURI), "2 URIs"},
		"other CA":             {other.issue(t, nil, proxyURI), "unknown authority"},
		"expired":              {ca.issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, proxyURI), "expired"},
		"a clock behind":       {ca.issue(t, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }, proxyURI), "set this machine's clock"},
		"client only": {ca.issue(t, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}, proxyURI), "incompatible key usage"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{ca: ca, agent: ca.issue(t, nil, agentURI)}
			w.upstream = serveUpstream(t, ca.serverConfig(test.server), echo)
			w.run(t, sidecar.Config{Proxy: w.upstream.address})
			_, br := w.connect(t, "CONNECT a.example:443 HTTP/1.1\r\n\r\n")
			resp, body := problem(t, br)
			assert.Equal(t, http.StatusBadGateway, resp.StatusCode)
			assert.Contains(t, resp.Header.Get("Proxy-Status"), "tls_certificate_error")
			assert.Contains(t, body, "urn:sallyport:sidecar:untrusted")
			assert.Contains(t, body, test.detail)
			assert.Empty(t, w.upstream.seen())
		})
	}
}

// A ticket saves the handshake's signatures, not the look at the clock.
func TestExpiryCountsOnResumption(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	notAfter := time.Now().Add(2 * time.Second).Truncate(time.Second)
	server := ca.issue(t, func(c *x509.Certificate) { c.NotAfter = notAfter }, proxyURI)
	w := &world{ca: ca, agent: ca.issue(t, nil, agentURI)}
	w.upstream = serveUpstream(t, ca.serverConfig(server), echo)
	w.run(t, sidecar.Config{Proxy: w.upstream.address})
	w.tunnel(t)
	<-time.After(time.Until(notAfter.Add(time.Millisecond))) // the event is the expiry itself
	_, br := w.connect(t, "CONNECT a.example:443 HTTP/1.1\r\n\r\n")
	resp, body := problem(t, br)
	assert.Equal(t, http.StatusBadGateway, resp.StatusCode)
	assert.Contains(t, body, "expired")
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	w := &world{ca: ca, agent: ca.issue(t, nil, agentURI)}
	config := ca.serverConfig(ca.issue(t, nil, proxyURI))
	config.MinVersion, config.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	w.upstream = serveUpstream(t, config, echo)
	w.run(t, sidecar.Config{Proxy: w.upstream.address})
	_, br := w.connect(t, "CONNECT a.example:443 HTTP/1.1\r\n\r\n")
	resp, body := problem(t, br)
	assert.Equal(t, http.StatusBadGateway, resp.StatusCode)
	assert.Contains(t, body, "protocol version")
}

// TLS 1.3 lets a client finish its handshake before the server has looked at the
// certificate; the alert that follows must not reach the client as a bare end.
func TestRejectedCertificateIsExplained(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	for name, test := range map[string]struct {
		agent  issued
		detail string
	}{
		"unknown CA": {other.issue(t, nil, agentURI), "unknown certificate authority"},
		"expired":    {ca.issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, agentURI), "this identity's certificate expired at "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{ca: ca, agent: test.agent}
			w.upstream = serveUpstream(t, ca.serverConfig(ca.issue(t, nil, proxyURI)), echo)
			w.run(t, sidecar.Config{Proxy: w.upstream.address})
			_, br := w.connect(t, "CONNECT a.example:443 HTTP/1.1\r\n\r\n")
			resp, body := problem(t, br)
			assert.Equal(t, http.StatusBadGateway, resp.StatusCode)
			assert.Contains(t, body, "urn:sallyport:sidecar:rejected")
			assert.Contains(t, body, test.detail)
		})
	}
}

func TestParseIdentityRefuses(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	agent, second := ca.issue(t, nil, agentURI), ca.issue(t, nil, agentURI)
	with := func(uris ...string) issued { return ca.issue(t, nil, uris...) }
	for name, test := range map[string]struct {
		cert, key, ca []byte
		want          string
	}{
		"other key":      {agent.cert, second.key, ca.pem, "does not match"},
		"no certificate": {nil, agent.key, ca.pem, "certificate"},
		"no CA":          {agent.cert, agent.key, nil, "no PEM certificate"},
		"CA is a key":    {agent.cert, agent.key, agent.key, "no PEM certificate"},
		"CA is broken":   {agent.cert, agent.key, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "certificate 1"},
	} {
		_, err := sidecar.ParseIdentity(test.cert, test.key, test.ca)
		require.Error(t, err, name)
		assert.ErrorContains(t, err, test.want, name)
	}
	for name, i := range map[string]issued{
		"has 0 URI": with(), "not a SPIFFE ID": with("https://a.example/x"), "has 2 URI": with(agentURI, proxyURI),
	} {
		_, err := sidecar.ParseIdentity(i.cert, i.key, ca.pem)
		assert.ErrorContains(t, err, name)
	}
}

func TestDirectoryFollowsRenewal(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	dir := t.TempDir()
	first, second := ca.issue(t, nil, agentURI), ca.issue(t, nil, agentURI)
	ca.save(t, dir, first)
	source, err := sidecar.OpenDirectory(dir, slog.New(slog.NewTextHandler(t.Output(), nil)))
	require.NoError(t, err)
	w := &world{ca: ca}
	w.upstream = serveUpstream(t, ca.serverConfig(ca.issue(t, nil, proxyURI)), echo)
	w.run(t, sidecar.Config{Proxy: w.upstream.address, Identity: source})

	serial := func(i issued) string { return i.tls.Leaf.SerialNumber.String() }
	open, openReader := w.tunnel(t)
	assert.Equal(t, serial(first), w.upstream.lastPeer())

	require.NoError(t, os.WriteFile(filepath.Join(dir, "agent.crt"), second.cert, 0o600))
	w.tunnel(t)
	assert.Equal(t, serial(first), w.upstream.lastPeer(), "half a renewal leaves the old pair in force")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "agent.key"), second.key, 0o600))
	w.tunnel(t)
	assert.Equal(t, serial(second), w.upstream.lastPeer())

	require.NoError(t, os.Remove(filepath.Join(dir, "ca.crt")))
	w.tunnel(t)
	assert.Equal(t, serial(second), w.upstream.lastPeer(), "a broken folder leaves the last good identity")

	_, err = open.Write([]byte("x"))
	require.NoError(t, err)
	b, err := openReader.ReadByte()
	require.NoError(t, err, "a tunnel outlives the renewal")
	assert.Equal(t, byte('x'), b)
}

// A Kubernetes secret volume replaces a link, not the files.
func TestDirectoryFollowsLinks(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	root := t.TempDir()
	link := filepath.Join(root, "identity")
	for n, uri := range []string{agentURI, agentURI + "2"} {
		dir := filepath.Join(root, string(rune('a'+n)))
		require.NoError(t, os.Mkdir(dir, 0o700))
		ca.save(t, dir, ca.issue(t, nil, uri))
	}
	require.NoError(t, os.Symlink("a", link))
	source, err := sidecar.OpenDirectory(link, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	assert.Equal(t, agentURI, source.Identity().String())
	require.NoError(t, os.Symlink("b", link+"2"))
	require.NoError(t, os.Rename(link+"2", link))
	assert.Equal(t, agentURI+"2", source.Identity().String())
}

func TestOpenDirectorySaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := sidecar.OpenDirectory(dir, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, filepath.Join(dir, "agent.crt")+": no such file")
	assert.ErrorContains(t, err, "sallyport agent create --out "+dir)
}
