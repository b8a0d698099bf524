package crash_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAReplacedCertificateIsCutAndTheSidecarGoesOn replaces a certificate under a sidecar
// that has a request open: what was opened with the old one ends, and the next request
// goes by the new one, which the sidecar finds in its folder.
func TestAReplacedCertificateIsCutAndTheSidecarGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "home"))
	w.upstream.gate = make(chan struct{})
	t.Cleanup(func() { close(w.upstream.gate) })
	srv := w.serve(t)
	sidecar, err := w.home.Sidecar(t.Context(), w.agent, w.settings.Listen)
	require.NoError(t, err)
	t.Cleanup(sidecar.Close)
	at, err := url.Parse(sidecar.URL)
	require.NoError(t, err)
	pem, err := os.ReadFile(w.agent.Files.Bundle)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	// A tunnel for each request: on one that was used before, the client would ask again by itself.
	transport := &http.Transport{Proxy: http.ProxyURL(at), TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	status, text := call(t.Context(), client, "/before")
	require.Equal(t, http.StatusOK, status, text)

	ended := make(chan int, 1)
	go func() {
		status, _ := call(t.Context(), client, "/held")
		ended <- status
	}()
	w.upstream.reached(t, "/held")
	w.run(t, "agent", "renew", "load-agent", "--replace", "--out", w.agent.Dir)
	select {
	case status = <-ended:
		assert.NotEqual(t, http.StatusOK, status)
	case <-time.After(time.Second):
		t.Error("what was opened with the replaced certificate is still open")
	}
	status, text = call(t.Context(), client, "/after")
	assert.Equal(t, http.StatusOK, status, text)

	rows, err := w.home.Trail(t.Context())
	require.NoError(t, err)
	require.Len(t, rows, 3)
	require.NotNil(t, rows[1].Outcome)
	assert.Equal(t, "revoked", *rows[1].Outcome)
	w.verify(t)
	require.NoError(t, srv.Stop())
}
