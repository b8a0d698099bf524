package sigv4_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/services/aws/sigv4"
)

// claimed is what a client with placeholder keys sends to a host of AWS's.
func claimed(t *testing.T, service, target string) *http.Request {
	t.Helper()
	path, query, _ := strings.Cut(target, "?")
	stamp := time.Now().UTC().Format("20060102T150405Z")
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+service+".eu-west-1.amazonaws.com/", http.NoBody)
	require.NoError(t, err)
	q.URL.Path, err = url.PathUnescape(path)
	require.NoError(t, err)
	q.URL.RawPath, q.URL.RawQuery = path, query
	q.Header.Set("X-Amz-Date", stamp)
	q.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	q.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=placeholder/"+stamp[:8]+"/eu-west-1/"+service+
		"/aws4_request, SignedHeaders=host;x-amz-date, Signature="+strings.Repeat("0", 64))
	return q
}

// TestSentIsWhatResignSends: what a policy is asked about is what leaves.
func TestSentIsWhatResignSends(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ service, target, path, query string }{
		{"s3", "/artifacts/secret%2Fkey?prefix=a+b&acl", "/artifacts/secret/key", "prefix=a%2Bb&acl"},
		{"s3", "/a%7eb+c;d//e", "/a~b%2Bc%3Bd//e", ""},
		{"s3", "/a?x=1;y=2&&X-Amz-Security-Token=t&z", "/a", "x=1%3By%3D2&z"},
		{"lambda", "/2015-03-31/functions/a%2Fb?Qualifier=a+b", "/2015-03-31/functions/a%2Fb", "Qualifier=a%2Bb"},
	} {
		q := claimed(t, c.service, c.target)
		in, err := sigv4.Read(q)
		require.NoError(t, err, c.target)
		path, query, err := in.Sent(q.URL.RawPath, q.URL.RawQuery)
		require.NoError(t, err, c.target)
		assert.Equal(t, c.path, path, c.target)
		assert.Equal(t, c.query, query, c.target)
		signer, err := sigv4.NewSigner(sigv4.NewKeys("AKIAREAL", "secret", ""), sigv4.Options{})
		require.NoError(t, err)
		require.NoError(t, signer.Resign(q, in), c.target)
		assert.Equal(t, path, q.URL.EscapedPath(), c.target)
		assert.Equal(t, query, q.URL.RawQuery, c.target)
	}
}

// TestHeadersInTheQueryOfASignedHeaderAreRefused: some servers read them there and some
// do not.
func TestHeadersInTheQueryOfASignedHeaderAreRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"x-amz-copy-source", "X-Amz-Acl", "x-amz%2Dacl"} {
		_, err := sigv4.Read(claimed(t, "s3", "/k?"+name+"=a"))
		var refused *sigv4.Refusal
		require.ErrorAs(t, err, &refused, name)
		assert.Equal(t, sigv4.Ambiguous, refused.Reason)
		assert.Contains(t, refused.Detail, "belongs in a header")
	}
}
