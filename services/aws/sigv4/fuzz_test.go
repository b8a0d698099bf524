package sigv4_test

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/services/aws/sigv4"
)

func TestQueryCanonicalisation(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string][2]string{
		"":                              {"", ""},
		"acl":                           {"acl=", "acl"},
		"acl=":                          {"acl=", "acl="},
		"b&a=&a":                        {"a=&a=&b=", "b&a=&a"},
		"b=2&a=1&a=0":                   {"a=0&a=1&b=2", "b=2&a=1&a=0"},
		"a=1;b=2":                       {"a=1%3Bb%3D2", "a=1%3Bb%3D2"},
		"x=%2B+y":                       {"x=%2B%2By", "x=%2B%2By"},
		"x=a b&y=\xe2\x82\xac&z=%e2%82": {"x=a%20b&y=%E2%82%AC&z=%E2%82", "x=a%20b&y=%E2%82%AC&z=%E2%82"},
		"&&a=1&&":                       {"a=1", "a=1"},
		"=v&=":                          {"=&=v", "=v&="},
		"a=b=c&k=%41%7e*":               {"a=b%3Dc&k=A~%2A", "a=b%3Dc&k=A~%2A"},
		"a-b=1&a=2&a%2Db=0":             {"a=2&a-b=0&a-b=1", "a-b=1&a=2&a-b=0"},
		"B=1&a=2&_=3":                   {"B=1&_=3&a=2", "B=1&a=2&_=3"},
	} {
		canonical, wire, err := sigv4.Canonical(raw)
		require.NoError(t, err)
		assert.Equal(t, want, [2]string{canonical, wire}, raw)
	}
	for _, raw := range []string{"%", "a=%2", "a=%zz", "%g0"} {
		_, _, err := sigv4.Canonical(raw)
		requireRefusal(t, sigv4.Malformed, err)
	}
}

func TestPathCanonicalisation(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ service, path, want string }{
		{"s3", "", "/"},
		{"s3", "/a//b/./../c", "/a//b/./../c"},
		{"s3", "/a+b%20c%2fd;e", "/a%2Bb%20c/d%3Be"},
		{"s3-outposts", "/%7Ea", "/~a"},
		{"dynamodb", "", "/"},
		{"dynamodb", "/a%20b", "/a%2520b"},
		{"dynamodb", "/a//b/./c/../d/", "/a/b/d/"},
		{"dynamodb", "/../..", "/"},
		{"dynamodb", "/a/.", "/a/"},
		{"dynamodb", "/a:b", "/a%3Ab"},
	} {
		got, err := sigv4.CanonicalPath(test.path, test.service)
		require.NoError(t, err)
		assert.Equal(t, test.want, got, test.path)
	}
}

// FuzzQuery: what is sent reads as what is signed, on servers that split at ";" and
// those that do not, those that take "+" for a space and those that do not.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"a=1;b=2&acl&x=%2B+y", "&&=&a", "%E2%82%AC=\xff", "a=1&a=0&a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		canonical, wire, err := sigv4.Canonical(raw)
		if err != nil {
			return
		}
		again, wireAgain, err := sigv4.Canonical(wire)
		require.NoError(t, err)
		require.Equal(t, canonical, again)
		require.Equal(t, wire, wireAgain)
		require.NotContains(t, wire, ";")
		require.NotContains(t, wire, "+")
		sent, err := url.ParseQuery(wire)
		require.NoError(t, err)
		signed, err := url.ParseQuery(canonical)
		require.NoError(t, err)
		require.Len(t, signed, len(sent))
		for name, values := range sent {
			slices.Sort(values)
			got := signed[name]
			slices.Sort(got)
			require.Equal(t, values, got)
		}
	})
}

// FuzzAuthorization: whatever the header holds, the request is refused with a reason
// or leaves with a signature of the real keys alone.
func FuzzAuthorization(f *testing.F) {
	r := request(f, http.MethodGet, s3Host+"/", http.NoBody)
	placeholder(r, "s3", "eu-west-1", stamp, "x-amz-date", "range")
	f.Add(r.Header.Get("Authorization"), "")
	f.Add("AWS AKID:sig", "a=1")
	asymmetric(r, "eu-west-1")
	f.Add(r.Header.Get("Authorization"), "X-Amz-Region-Set=eu-west-1")
	f.Add("", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=P%2F"+stamp[:8]+"%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Date="+stamp+
		"&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature="+strings.Repeat("0", 64))
	s := awsSigner(f)
	f.Fuzz(func(t *testing.T, authorization, query string) {
		r := request(t, http.MethodGet, s3Host+"/", http.NoBody, "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD", "X-Amz-Date", stamp, "X-Amz-Region-Set", "eu-west-1")
		if authorization != "" {
			r.Header["Authorization"] = []string{authorization}
		} else {
			delete(r.Header, "X-Amz-Date")
		}
		r.URL.RawQuery = query
		if err := resign(s, r); err != nil {
			var refusal *sigv4.Refusal
			require.ErrorAs(t, err, &refusal)
			return
		}
		require.Len(t, r.Header["Authorization"], 1)
		algorithm, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		scope := map[string]string{"AWS4-HMAC-SHA256": "/eu-west-1/s3", "AWS4-ECDSA-P256-SHA256": "/s3"}[algorithm]
		require.NotEmpty(t, scope)
		require.True(t, strings.HasPrefix(rest, "Credential=ASIAREAL/"+stamp[:8]+scope+"/aws4_request, SignedHeaders="))
		require.NotContains(t, strings.ToLower(r.URL.RawQuery), "x-amz-signature=")
		require.NotContains(t, r.Header.Get("Authorization"), "\n")
	})
}

// FuzzChunks: a body is refused, or comes out at its own length with signatures that
// verify, however it is read.
func FuzzChunks(f *testing.F) {
	trailer := "x-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:" + strings.Repeat("c", 64) + "\r\n\r\n"
	f.Add(framed("", []byte("hello"), []byte("world!")), 11, false)
	f.Add(framed(trailer, []byte("hello")), 5, true)
	f.Add("0;chunk-signature="+strings.Repeat("a", 64)+"\r\n\r\n", 0, false)
	f.Fuzz(func(t *testing.T, body string, decoded int, trailers bool) {
		word := "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
		headers := []string{"X-Amz-Decoded-Content-Length", strconv.Itoa(decoded)}
		if trailers {
			word += "-TRAILER"
			headers = append(headers, "X-Amz-Trailer", "x-amz-checksum-crc32")
		}
		r, err := put(t, word, strings.NewReader(body), headers...)
		if err != nil {
			return
		}
		got, err := io.ReadAll(r.Body)
		r2, err2 := put(t, word, iotest.OneByteReader(strings.NewReader(body)), headers...)
		require.NoError(t, err2)
		got2, err2 := io.ReadAll(iotest.OneByteReader(r2.Body))
		require.Equal(t, err, err2)
		require.Equal(t, got, got2)
		if err != nil {
			var refusal *sigv4.Refusal
			require.ErrorAs(t, err, &refusal)
			return
		}
		require.Len(t, got, len(body))
		require.Len(t, verifyChunks(t, r, string(got), [2]string{"ASIAREAL", "real-secret"}, trailers), decoded)
	})
}
