package sigv4_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/services/aws/sigv4"
)

// TestAMismatchIsNoCompleteBodyOnTheWire: a real server, which would store what it
// has read to the end, never reads to the end of a body with another hash.
func TestAMismatchIsNoCompleteBodyOnTheWire(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		read := make(chan error, 1)
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, protocol, r.Proto)
			_, err := io.Copy(io.Discard, r.Body)
			read <- err
		}))
		server.EnableHTTP2 = protocol == "HTTP/2.0"
		server.StartTLS()
		t.Cleanup(server.Close)
		client := server.Client()
		if !server.EnableHTTP2 {
			client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: client.Transport.(*http.Transport).TLSClientConfig.RootCAs}} //nolint:errcheck,forcetypeassert // httptest makes it so
		}
		body := bytes.Repeat([]byte("x"), 300_000)
		for _, length := range []int64{int64(len(body)), -1} {
			for _, hash := range []string{hashOf(body), hashOf([]byte("another"))} {
				r := request(t, http.MethodPut, server.URL+"/key", io.NopCloser(bytes.NewReader(body)), "X-Amz-Content-Sha256", hash)
				r.ContentLength = length
				placeholder(r, "s3", "eu-west-1", stamp)
				err := resign(signer(t, session(), now), r)
				require.NoError(t, err)
				answer, err := client.Do(r)
				if hash == hashOf(body) {
					require.NoError(t, err)
					require.NoError(t, answer.Body.Close())
					require.NoError(t, <-read)
					continue
				}
				requireRefusal(t, sigv4.BodyMismatch, err)
				require.Error(t, <-read)
			}
		}
	}
}
