package sigv4_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sallyport/services/aws/sigv4"
)

// BenchmarkResignSmall is all that signing adds to a small request: reading the client's
// signature, and signing anew.
func BenchmarkResignSmall(b *testing.B) {
	s, err := sigv4.NewSigner(session(), sigv4.Options{Clock: at(now)})
	require.NoError(b, err)
	template := request(b, http.MethodPost, "https://dynamodb.eu-west-1.amazonaws.com/", http.NoBody, "Content-Type", "application/x-amz-json-1.0",
		"X-Amz-Target", "DynamoDB_20120810.GetItem", "User-Agent", "aws-sdk-go-v2/1.47.7", "Amz-Sdk-Invocation-Id", "c2f5d3a0-8f6e-4a8b-9d3e-2b1c0f9e8d7c",
		"Amz-Sdk-Request", "attempt=1; max=3", "X-Amz-Security-Token", "placeholder")
	placeholder(template, "dynamodb", "eu-west-1", stamp, "amz-sdk-invocation-id", "amz-sdk-request", "content-length", "content-type", "x-amz-date", "x-amz-security-token", "x-amz-target")
	const body = `{"TableName":"agents","Key":{"id":{"S":"4b0c9c2e"}}}`
	b.ReportAllocs()
	for b.Loop() {
		r := template.Clone(b.Context())
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		if err := resign(s, r); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkBody(b *testing.B, word string, size int64, body func() io.Reader, headers ...string) {
	b.SetBytes(size)
	b.ReportAllocs()
	buffer := make([]byte, 32<<10)
	for b.Loop() {
		r, err := put(b, word, body(), headers...)
		require.NoError(b, err)
		_, err = io.CopyBuffer(io.Discard, struct{ io.Reader }{r.Body}, buffer)
		require.NoError(b, err)
	}
}

func BenchmarkBodyStatedHash(b *testing.B) {
	const size = 8 << 20
	benchmarkBody(b, hashOf(make([]byte, size)), size, func() io.Reader { return zeros(size) })
}

func BenchmarkBodySignedChunks(b *testing.B) {
	const size = 8 << 20
	chunk := make([]byte, 64<<10)
	chunks := make([][]byte, size/len(chunk))
	for i := range chunks {
		chunks[i] = chunk
	}
	body := framed("", chunks...)
	benchmarkBody(b, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", size, func() io.Reader { return strings.NewReader(body) }, "X-Amz-Decoded-Content-Length", "8388608")
}

func BenchmarkBodyUnsignedTrailer(b *testing.B) {
	const size = 8 << 20
	benchmarkBody(b, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", size, func() io.Reader { return zeros(size) })
}
