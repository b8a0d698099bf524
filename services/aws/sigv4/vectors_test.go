package sigv4_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/services/aws/sigv4"
)

const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func anyHost(string, string, string) error { return nil }

func signer(t testing.TB, keys sigv4.Keys, now time.Time) *sigv4.Signer {
	t.Helper()
	s, err := sigv4.NewSigner(keys, sigv4.Options{Clock: at(now), Agree: anyHost, Spool: &sigv4.Spool{Dir: t.TempDir()}})
	require.NoError(t, err)
	return s
}

func request(t testing.TB, method, url string, body io.Reader, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, url, body)
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// placeholder adds the signature that a client made with placeholder keys.
func placeholder(r *http.Request, service, region, stamp string, signed ...string) {
	r.Header.Set("X-Amz-Date", stamp)
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=PLACEHOLDER/%s/%s/%s/aws4_request, SignedHeaders=%s, Signature=%s",
		stamp[:8], region, service, strings.Join(append([]string{"host"}, signed...), ";"), strings.Repeat("0", 64)))
}

func signatureOf(r *http.Request) string {
	authorization := r.Header.Get("Authorization")
	return authorization[strings.LastIndex(authorization, "=")+1:]
}

// The keys and the time of the examples in the Amazon S3 API Reference.
func s3Keys() sigv4.Keys {
	return sigv4.NewKeys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "")
}

var s3Time = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

const s3Stamp = "20130524T000000Z"

func TestExamplesOfTheS3Reference(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, url, want string
		headers         []string
	}{
		{"object", "/test.txt", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41", []string{"Range", "bytes=0-9"}},
		{"lifecycle", "/?lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543", nil},
		{"list", "/?max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := request(t, http.MethodGet, "https://examplebucket.s3.amazonaws.com"+test.url, http.NoBody, test.headers...)
			r.Header.Set("X-Amz-Content-Sha256", emptyHash)
			placeholder(r, "s3", "us-east-1", s3Stamp, "range", "x-amz-content-sha256", "x-amz-date")
			err := resign(signer(t, s3Keys(), s3Time), r)
			require.NoError(t, err)
			assert.Equal(t, test.want, signatureOf(r))
		})
	}
	r := request(t, http.MethodPut, "https://examplebucket.s3.amazonaws.com/test$file.text", http.NoBody, "Date", "Fri, 24 May 2013 00:00:00 GMT",
		"X-Amz-Storage-Class", "REDUCED_REDUNDANCY", "X-Amz-Date", s3Stamp, "X-Amz-Content-Sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072")
	require.NoError(t, signer(t, s3Keys(), s3Time).SignAsIs(r, "us-east-1", "s3", r.Header.Get("X-Amz-Content-Sha256"), s3Time, "date"))
	assert.Equal(t, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd", signatureOf(r))
}

func TestExamplesOfTheGeneralReference(t *testing.T) {
	t.Parallel()
	keys := sigv4.NewKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "")
	now := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	for _, test := range []struct {
		name, url, service, want string
		headers                  []string
	}{
		{"list users", "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", "iam", "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7", []string{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}},
		{"get-vanilla", "https://example.amazonaws.com/", "service", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", nil},
		{"get-vanilla-query-order-key-case", "https://example.amazonaws.com/?Param2=value2&Param1=value1", "service", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500", nil},
		{"get-unreserved", "https://example.amazonaws.com/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "service", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f", nil},
		{"get-slash", "https://example.amazonaws.com//", "service", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", nil},
		{"get-slashes", "https://example.amazonaws.com//example//", "service", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84", nil},
		{"get-relative", "https://example.amazonaws.com/example/..", "service", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", nil},
		{"get-slash-dot-slash", "https://example.amazonaws.com/./", "service", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", nil},
		{"get-header-value-multiline", "https://example.amazonaws.com/", "service", "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd", []string{"My-Header1", "value1 value2 value3"}},
		{"get-header-value-order", "https://example.amazonaws.com/", "service", "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01", []string{"My-Header1", "value4", "My-Header1", "value1", "My-Header1", "value3", "My-Header1", "value2"}},
		{"get-header-value-trim", "https://example.amazonaws.com/", "service", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736", []string{"My-Header1", " value1", "My-Header2", ` "a   b   c"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := request(t, http.MethodGet, test.url, http.NoBody, test.headers...)
			placeholder(r, test.service, "us-east-1", "20150830T123600Z", "content-type", "my-header1", "my-header2", "x-amz-date")
			err := resign(signer(t, keys, now), r)
			require.NoError(t, err)
			assert.Equal(t, test.want, signatureOf(r))
		})
	}
}

// framed frames chunks as a client does, with its own signatures, which do not matter.
func framed(trailer string, chunks ...[]byte) string {
	var b strings.Builder
	for _, chunk := range chunks {
		fmt.Fprintf(&b, "%x;chunk-signature=%s\r\n%s\r\n", len(chunk), strings.Repeat("a", 64), chunk)
	}
	fmt.Fprintf(&b, "0;chunk-signature=%s\r\n", strings.Repeat("b", 64))
	if trailer == "" {
		b.WriteString("\r\n")
	} else {
		b.WriteString(trailer)
	}
	return b.String()
}

// chunkedRequest is the request of AWS's chunk examples.
func chunkedRequest(t testing.TB, word, body string, headers ...string) *http.Request {
	t.Helper()
	r := request(t, http.MethodPut, "https://s3.amazonaws.com/examplebucket/chunkObject.txt", strings.NewReader(body), headers...)
	r.Header.Set("X-Amz-Storage-Class", "REDUCED_REDUNDANCY")
	r.Header.Set("X-Amz-Content-Sha256", word)
	r.Header.Set("Content-Encoding", "aws-chunked")
	r.Header.Set("X-Amz-Decoded-Content-Length", "66560")
	return r
}

func TestChunkExamplesOfTheS3Reference(t *testing.T) {
	t.Parallel()
	a := bytes.Repeat([]byte("a"), 66560)
	body := framed("", a[:65536], a[65536:])
	r := chunkedRequest(t, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", body)
	require.EqualValues(t, 66824, r.ContentLength)
	placeholder(r, "s3", "us-east-1", s3Stamp, "content-encoding", "content-length", "x-amz-date")
	err := resign(signer(t, s3Keys(), s3Time), r)
	require.NoError(t, err)
	assert.Equal(t, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9", signatureOf(r))
	got, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	assert.Equal(t, r.ContentLength, int64(len(got)))
	assert.Equal(t, []string{
		"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
		"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
		"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
	}, chunkSignatures(string(got)))
}

func chunkSignatures(body string) (signatures []string) {
	for _, part := range strings.Split(body, ";chunk-signature=")[1:] {
		signatures = append(signatures, part[:64])
	}
	return signatures
}

func TestTrailerExampleOfTheS3Reference(t *testing.T) {
	t.Parallel()
	a := bytes.Repeat([]byte("a"), 66560)
	for _, trailer := range []string{ // as AWS writes it, as minio-go does, with a space
		"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:%s\r\n\r\n",
		"x-amz-checksum-crc32c:sOO8/Q==\n\r\nx-amz-trailer-signature:%s\r\n\r\n",
		"x-amz-checksum-crc32c:sOO8/Q==\nx-amz-trailer-signature:%s\r\n\r\n",
		"X-Amz-Checksum-Crc32c: sOO8/Q==\r\nx-amz-trailer-signature: %s\r\n",
	} {
		body := framed(fmt.Sprintf(trailer, strings.Repeat("c", 64)), a[:65536], a[65536:])
		r := chunkedRequest(t, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", body, "X-Amz-Trailer", "x-amz-checksum-crc32c")
		placeholder(r, "s3", "us-east-1", s3Stamp, "content-encoding", "x-amz-date")
		err := resign(signer(t, s3Keys(), s3Time), r)
		require.NoError(t, err)
		assert.Equal(t, "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e", signatureOf(r))
		got, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		assert.Len(t, got, len(body))
		assert.Equal(t, []string{
			"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
			"1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
			"2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
		}, chunkSignatures(string(got)))
		assert.Contains(t, string(got), fmt.Sprintf(trailer, "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"))
	}
}

// TestAgreesWithAWSsOwnSigner signs with AWS's SDK and placeholder keys, signs anew
// here, and compares with what the SDK makes of the request with the real keys.
func TestAgreesWithAWSsOwnSigner(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	paths := []string{"/", "/a", "/a/b%20c", "/a%2Bb~c%3Bd", "/%E2%82%AC/%C3%BC", "/%40%3D%26%24%21%2A%27%28%29", "/a%25b", "/trailing/", "/.hidden/..two"}
	others := []string{"/a+b", "/a;b,c:d@e=f&g$h!i*j'k(l)", "/x%2Fy"} // the SDK does not send such to S3
	queries := []string{"", "acl", "acl=", "b=2&a=1&a=0", "prefix=a%2Fb%20c", "x=%2B&y=%E2%82%AC", "Action=ListUsers&Version=2010-05-08", "A=1&a=2&_=3&-=4", "k=a%3Bb&list-type=2"}
	services := map[string]string{"s3": "eu-west-1", "dynamodb": "us-east-2", "execute-api": "cn-north-1"}
	for _, token := range []string{"", "session/token+=="} {
		keys := sigv4.NewKeys("ASIAREAL", "real/secret+key", token)
		real := aws.Credentials{AccessKeyID: "ASIAREAL", SecretAccessKey: "real/secret+key", SessionToken: token}
		fake := aws.Credentials{AccessKeyID: "PLACEHOLDER", SecretAccessKey: "placeholder", SessionToken: "placeholder-token"}
		s := signer(t, keys, now)
		for service, region := range services {
			own := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
			for _, path := range slices.Concat(paths, others) {
				if service == "s3" && slices.Contains(others, path) {
					continue
				}
				for _, query := range queries {
					url := "https://bucket.example.amazonaws.com" + path + "?" + query
					build := func() *http.Request {
						return request(t, http.MethodGet, url, http.NoBody, "Content-Type", "text/plain;  charset=utf-8", "X-Amz-Meta-A", "  two   spaces ",
							"X-Amz-Content-Sha256", emptyHash, "Accept-Encoding", "identity", "Expect", "100-continue", "User-Agent", "x")
					}
					want, got := build(), build()
					require.NoError(t, own.SignHTTP(t.Context(), real, want, emptyHash, service, region, now))
					require.NoError(t, own.SignHTTP(t.Context(), fake, got, emptyHash, service, region, now.Add(-time.Hour)))
					err := resign(s, got)
					require.NoError(t, err)
					require.Equal(t, want.Header.Get("Authorization"), got.Header.Get("Authorization"), "%s %s", service, url)
					require.Equal(t, want.Header.Get("X-Amz-Security-Token"), got.Header.Get("X-Amz-Security-Token"))
				}
			}
		}
	}
}
