package sigv4_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/services/aws/sigv4"
)

var (
	now   = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	stamp = now.Format("20060102T150405Z")
)

func session() sigv4.Keys { return sigv4.NewKeys("ASIAREAL", "real-secret", "real-token") }

func at(t time.Time) *sigv4.Clock { return &sigv4.Clock{Now: func() time.Time { return t }} }

// resign signs a request anew, as it comes from a client.
func resign(s *sigv4.Signer, r *http.Request) error {
	in, err := sigv4.Read(r)
	if err != nil {
		return err
	}
	return s.Resign(r, in)
}

// awsSigner is a Signer that knows AWS's hosts.
func awsSigner(t testing.TB) *sigv4.Signer {
	t.Helper()
	s, err := sigv4.NewSigner(session(), sigv4.Options{Clock: at(now), Spool: &sigv4.Spool{Dir: t.TempDir(), Limit: 4 << 20}})
	require.NoError(t, err)
	return s
}

const s3Host = "https://bucket.s3.eu-west-1.amazonaws.com"

func TestNothingOfTheInboundSignatureSurvives(t *testing.T) {
	t.Parallel()
	r := request(t, http.MethodGet, s3Host+"/key?X-Amz-Security-Token=PLACEHOLDER-TOKEN&list-type=2", http.NoBody,
		"X-Amz-Security-Token", "PLACEHOLDER-TOKEN", "X-Amz-Content-Sha256", emptyHash, "Date", "Mon, 01 Jan 2001 00:00:00 GMT",
		"X-Amz-Region-Set", "PLACEHOLDER", "X-Amz-Signature", "PLACEHOLDER", "X-Amz-Meta-A", "kept")
	placeholder(r, "s3", "eu-west-1", now.Add(-8*time.Hour).Format("20060102T150405Z"), "date", "x-amz-security-token", "x-api-key")
	old := r.Header.Get("X-Amz-Date")
	in, err := sigv4.Read(r)
	require.NoError(t, err)
	assert.Equal(t, "PLACEHOLDER", in.AccessKeyID)
	assert.Equal(t, "sha256", in.Payload)
	require.NoError(t, awsSigner(t).Resign(r, in))
	sent, err := httputil.DumpRequestOut(r, false)
	require.NoError(t, err)
	for _, gone := range []string{"PLACEHOLDER", old, "2001", strings.Repeat("0", 64), "X-Amz-Region-Set"} {
		assert.NotContains(t, string(sent), gone)
	}
	assert.Equal(t, "list-type=2", r.URL.RawQuery)
	assert.Equal(t, []string{"real-token"}, r.Header["X-Amz-Security-Token"])
	assert.Contains(t, r.Header.Get("Authorization"), "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-meta-a;x-amz-security-token,")
}

func TestKeysWithoutATokenRemoveTheClients(t *testing.T) {
	t.Parallel()
	s := signer(t, sigv4.NewKeys("AKIA", "secret", ""), now)
	r := request(t, http.MethodGet, "https://minio.internal:9000/b/k", http.NoBody, "X-Amz-Security-Token", "theirs", "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	placeholder(r, "s3", "eu-west-1", stamp)
	err := resign(s, r)
	require.NoError(t, err)
	assert.NotContains(t, r.Header, "X-Amz-Security-Token")
	assert.Equal(t, "minio.internal:9000", r.Host)
}

func TestHostIsSignedAsItIsSent(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{"S3.Eu-West-1.amazonaws.com:443": "s3.eu-west-1.amazonaws.com", "": "h.example", "h.example:8443": "h.example:8443", "[::1]:443": "[::1]", "[::1]": "[::1]"} {
		r := request(t, http.MethodGet, "https://h.example/", http.NoBody, "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
		r.Host = host
		placeholder(r, "s3", "eu-west-1", stamp)
		err := resign(signer(t, session(), now), r)
		require.NoError(t, err)
		assert.Equal(t, want, r.Host)
	}
}

func TestPresignedBecomesHeader(t *testing.T) {
	t.Parallel()
	own := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	presign := func(at time.Time, expires, extra string) *http.Request {
		r := request(t, http.MethodGet, s3Host+"/a%20key?x-id=GetObject&X-Amz-Expires="+expires+extra, http.NoBody)
		url, _, err := own.PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: "PLACEHOLDER", SecretAccessKey: "x", SessionToken: "PLACEHOLDER-TOKEN"}, r, "UNSIGNED-PAYLOAD", "s3", "eu-west-1", at)
		require.NoError(t, err)
		return request(t, http.MethodGet, url, http.NoBody)
	}
	r := presign(now.Add(-time.Minute), "900", "&x-amz-checksum-mode=ENABLED&X-Amz-Meta-A=b%20c")
	in, err := sigv4.Read(r)
	require.NoError(t, err)
	assert.True(t, in.Presigned)
	require.NoError(t, awsSigner(t).Resign(r, in))
	assert.Equal(t, "x-id=GetObject", r.URL.RawQuery)
	assert.Equal(t, "UNSIGNED-PAYLOAD", r.Header.Get("X-Amz-Content-Sha256"))
	assert.Equal(t, "ENABLED", r.Header.Get("X-Amz-Checksum-Mode"))
	assert.Equal(t, "b c", r.Header.Get("X-Amz-Meta-A"))

	want := request(t, http.MethodGet, s3Host+"/a%20key?x-id=GetObject", http.NoBody, "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD", "X-Amz-Checksum-Mode", "ENABLED", "X-Amz-Meta-A", "b c")
	require.NoError(t, own.SignHTTP(t.Context(), aws.Credentials{AccessKeyID: "ASIAREAL", SecretAccessKey: "real-secret", SessionToken: "real-token"}, want, "UNSIGNED-PAYLOAD", "s3", "eu-west-1", now))
	assert.Equal(t, want.Header, r.Header)

	err = resign(awsSigner(t), presign(now.Add(-time.Hour), "900", ""))
	requireRefusal(t, sigv4.Expired, err)
	err = resign(awsSigner(t), presign(now, "9999999", ""))
	requireRefusal(t, sigv4.Malformed, err)
	err = resign(awsSigner(t), presign(now, "900", "&x-amz-meta-a=%0Ab"))
	requireRefusal(t, sigv4.Malformed, err)
}

func requireRefusal(t *testing.T, reason sigv4.Reason, err error) {
	t.Helper()
	var refusal *sigv4.Refusal
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, reason, refusal.Reason, err.Error())
	require.NotContains(t, err.Error(), "real")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	good := func(service string, headers ...string) func(*http.Request) {
		return func(r *http.Request) {
			placeholder(r, service, "eu-west-1", stamp)
			for i := 0; i < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
		}
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	authorization := func(replace ...string) func(*http.Request) {
		return func(r *http.Request) {
			good("s3")(r)
			r.Header.Set("Authorization", strings.NewReplacer(replace...).Replace(r.Header.Get("Authorization")))
		}
	}
	const dynamo = "https://dynamodb.eu-west-1.amazonaws.com/"
	cases := []struct {
		name, url string
		change    func(*http.Request)
		want      sigv4.Reason
	}{
		{"no signature", s3Host, header("X", "y"), sigv4.Unsigned},
		{"another scheme", s3Host, header("Authorization", "Bearer x"), sigv4.Unsigned},
		{"sigv2 header", s3Host, header("Authorization", "AWS AKID:c2ln"), sigv4.SigV2},
		{"sigv2 query", s3Host + "/?AWSAccessKeyId=a&Signature=b&Expires=1", header("X", "y"), sigv4.SigV2},
		{"sigv3", s3Host, header("Authorization", "AWS3-HTTPS AWSAccessKeyId=a"), sigv4.SigV2},
		{"sigv4a without regions", s3Host, authorization("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), sigv4.Malformed},
		{"half a sigv4a query", s3Host + "/?X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256", header("X", "y"), sigv4.Malformed},
		{"sigv4a chunks", s3Host, good("s3", "X-Amz-Content-Sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), sigv4.SigV4A},
		{"multi-region access point", "https://m.mrap.accesspoint.s3-global.amazonaws.com/", good("s3", "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), sigv4.SigV4A},
		{"events", "https://transcribestreaming.eu-west-1.amazonaws.com/", good("transcribe", "X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-EVENTS"), sigv4.EventStream},
		{"events of lex", "https://runtime-v2-lex.eu-west-1.amazonaws.com/", good("lex", "X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-EVENTS"), sigv4.EventStream},
		{"s3 express session", s3Host, good("s3", "X-Amz-S3session-Token", "x"), sigv4.S3Express},
		{"s3 express host", "https://b--euw1-az1--x-s3.s3express-euw1-az1.eu-west-1.amazonaws.com/", good("s3express", "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), sigv4.S3Express},
		{"post policy", s3Host, func(r *http.Request) {
			r.Method = "POST"
			r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		}, sigv4.PostPolicy},
		{"unknown word", s3Host, good("s3", "X-Amz-Content-Sha256", "STREAMING-MAGIC"), sigv4.PayloadMode},
		{"no hash for s3", s3Host, good("s3"), sigv4.PayloadMode},
		{"hash of another body", s3Host, good("s3", "X-Amz-Content-Sha256", strings.Repeat("a", 64)), sigv4.BodyMismatch},
		{"two headers", s3Host, func(r *http.Request) { good("s3")(r); r.Header.Add("Authorization", "Bearer x") }, sigv4.Ambiguous},
		{"header and query", s3Host + "/?X-Amz-Signature=x", good("s3"), sigv4.Ambiguous},
		{"header and odd query", s3Host + "/?x-amz-signature=x", good("s3"), sigv4.Ambiguous},
		{"half presigned", s3Host + "/?X-Amz-Signature=x", header("X", "y"), sigv4.Malformed},
		{"service of another host", s3Host, good("dynamodb"), sigv4.HostMismatch},
		{"s3 at another host", dynamo, good("s3", "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), sigv4.HostMismatch},
		{"region of another host", "https://dynamodb.us-east-1.amazonaws.com/", good("dynamodb"), sigv4.HostMismatch},
		{"somebody's load balancer", "https://x.eu-west-1.elb.amazonaws.com/", good("elb"), sigv4.HostMismatch},
		{"somebody's machine", "https://ec2-1-2-3-4.eu-west-1.compute.amazonaws.com/", good("compute"), sigv4.HostMismatch},
		{"not AWS", "https://s3.eu-west-1.amazonaws.com.evil.com/", good("s3", "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), sigv4.HostMismatch},
		{"clear text", "http://bucket.s3.eu-west-1.amazonaws.com/", good("s3", "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), sigv4.Malformed},
		{"user", "https://u@bucket.s3.eu-west-1.amazonaws.com/", good("s3", "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), sigv4.Malformed},
		{"bad query escape", s3Host + "/?a=%zz", good("s3"), sigv4.Malformed},
		{"dot segment", s3Host + "/a/../b", good("s3", "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), sigv4.Malformed},
		{"hidden dot segment", s3Host + "/a%2F%2e%2e%2Fb", good("s3", "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), sigv4.Malformed},
		{"no host signed", s3Host, authorization("SignedHeaders=host", "SignedHeaders=date"), sigv4.Malformed},
		{"upper-case names", s3Host, authorization("SignedHeaders=host", "SignedHeaders=Host"), sigv4.Malformed},
		{"short signature", s3Host, authorization("0000", "00"), sigv4.Malformed},
		{"no terminator", s3Host, authorization("aws4_request", "aws4_reques"), sigv4.Malformed},
		{"no key", s3Host, authorization("PLACEHOLDER", ""), sigv4.Malformed},
		{"odd region", s3Host, authorization("eu-west-1", "eu_west\n1"), sigv4.Malformed},
		{"another day", s3Host, authorization(stamp[:8], "20010101"), sigv4.Malformed},
		{"no date", s3Host, func(r *http.Request) { good("s3")(r); r.Header.Del("X-Amz-Date") }, sigv4.Malformed},
		{"field twice", s3Host, authorization("Signature=", "Credential=x, Signature="), sigv4.Malformed},
		{"field more", s3Host, authorization("Signature=", "More=x, Signature="), sigv4.Malformed},
		{"too long", s3Host, authorization("PLACEHOLDER", strings.Repeat("P", 9000)), sigv4.Malformed},
		{"a signed header of the connection", s3Host, good("s3", "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD", "Connection", "close, X-Amz-Copy-Source"), sigv4.Malformed},
		{"a signed host of the connection", s3Host, good("s3", "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD", "Connection", "Host"), sigv4.Malformed},
		{"two hashes", s3Host, func(r *http.Request) {
			good("s3")(r)
			r.Header["X-Amz-Content-Sha256"] = []string{emptyHash, emptyHash}
		}, sigv4.Malformed},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := request(t, http.MethodGet, test.url, http.NoBody)
			test.change(r)
			err := resign(awsSigner(t), r)
			requireRefusal(t, test.want, err)
		})
	}
}

func TestBodyWithoutAStatedHashIsReadAhead(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 1<<20 - 1, 1 << 20, 1<<20 + 1, 4 << 20} {
		body := bytes.Repeat([]byte("x"), size)
		r := request(t, http.MethodPost, "https://dynamodb.eu-west-1.amazonaws.com/", io.NopCloser(bytes.NewReader(body)), "X-Amz-Target", "DynamoDB_20120810.PutItem")
		r.ContentLength = -1
		placeholder(r, "dynamodb", "eu-west-1", stamp)
		dir := t.TempDir()
		s, err := sigv4.NewSigner(session(), sigv4.Options{Clock: at(now), Spool: &sigv4.Spool{Dir: dir, Limit: 4 << 20}})
		require.NoError(t, err)
		err = resign(s, r)
		require.NoError(t, err)
		assert.NotContains(t, r.Header, "X-Amz-Content-Sha256")
		assert.EqualValues(t, size, r.ContentLength)
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Empty(t, left, "the spool file has no name")
		got, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.NoError(t, r.Body.Close())
		assert.Equal(t, body, got)

		want := request(t, http.MethodPost, "https://dynamodb.eu-west-1.amazonaws.com/", http.NoBody, "X-Amz-Target", "DynamoDB_20120810.PutItem")
		require.NoError(t, v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: "ASIAREAL", SecretAccessKey: "real-secret", SessionToken: "real-token"}, want, hashOf(body), "dynamodb", "eu-west-1", now))
		assert.Equal(t, want.Header.Get("Authorization"), r.Header.Get("Authorization"))
	}
	for _, length := range []int64{-1, 4<<20 + 1} {
		r := request(t, http.MethodPost, "https://dynamodb.eu-west-1.amazonaws.com/", io.NopCloser(bytes.NewReader(make([]byte, 4<<20+1))))
		r.ContentLength = length
		placeholder(r, "dynamodb", "eu-west-1", stamp)
		err := resign(awsSigner(t), r)
		requireRefusal(t, sigv4.BodyTooLarge, err)
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	t.Parallel()
	s := awsSigner(t)
	for _, value := range []any{session(), []any{session()}, struct{ k sigv4.Keys }{session()}, s} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			text := fmt.Sprintf(format, value)
			assert.NotContains(t, text, "real-")
			assert.NotContains(t, text, fmt.Sprintf("%x", "real-"))
		}
	}
	_, err := sigv4.NewSigner(sigv4.Keys{}, sigv4.Options{})
	require.Error(t, err)
}

// TestServicesSignAtOnce: one Signer signs for S3 and others, whose rules differ, at
// the same time.
func TestServicesSignAtOnce(t *testing.T) {
	t.Parallel()
	s := awsSigner(t)
	sign := func(url, service, day string) string {
		r := request(t, http.MethodGet, url, http.NoBody, "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
		placeholder(r, service, "eu-west-1", day)
		if err := resign(s, r); err != nil {
			return err.Error()
		}
		return r.Header.Get("Authorization")
	}
	urls := map[string]string{"s3": s3Host + "/a%20b", "dynamodb": "https://dynamodb.eu-west-1.amazonaws.com/a%20b", "sqs": "https://sqs.eu-west-1.amazonaws.com/"}
	var callers sync.WaitGroup
	for service, url := range urls {
		want := sign(url, service, stamp)
		for range 8 {
			callers.Go(func() {
				for range 50 {
					assert.Equal(t, want, sign(url, service, stamp))
				}
			})
		}
	}
	callers.Wait()
}
