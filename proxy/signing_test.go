package proxy_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/test/s3sink"
)

const (
	storeHost  = "bucket.store.test"
	dynamoHost = "dynamodb.eu-west-1.amazonaws.com"

	signingCredentials = `
credentials:
  store: {kind: aws_keys, access_key_id: AKIAREAL, secret: {env: SECRET}, session_token: {env: TOKEN}, region: eu-west-1, hosts: ["*.store.test", "*.amazonaws.com"]}
  key: {kind: bearer, secret: {env: SECRET}, hosts: [api.test]}
`
	signingPolicy = `
policy: operator
rules:
  - {name: store, allow: {host: "*.store.test"}, credential: store, unnamed: allow}
  - {name: aws, allow: {host: "*.amazonaws.com"}, credential: store, unnamed: allow}
  - {name: plain, allow: {host: api.test}, credential: key}
`
	realSecret = "canary-secret-of-aws/4f1d9c"
	realToken  = "canary-token-of-aws-77e0a1"
)

// signingRig is a proxy with keys, and an upstream that verifies what they sign.
func signingRig(t testing.TB, protocols []string) (*rig, *s3sink.Sink) {
	t.Helper()
	r := newRig(t, func(r *rig) {
		r.policy, r.credentials = signingPolicy, signingCredentials
		r.getenv = func(name string) string { return map[string]string{"SECRET": realSecret, "TOKEN": realToken}[name] }
	})
	sink := &s3sink.Sink{AccessKeyID: "AKIAREAL", Secret: realSecret, Token: realToken}
	r.upstreamSpeaking(protocols, sink.ServeHTTP, storeHost, dynamoHost)
	return r, sink
}

// signed is a request as a client with placeholder keys sends it. Its signature is none:
// nobody verifies it.
func signed(t testing.TB, method, url, service string, body io.Reader, headers ...string) *http.Request {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	stamp := time.Now().UTC().Format("20060102T150405Z")
	q.Header.Set("X-Amz-Date", stamp)
	q.Header.Set("X-Amz-Security-Token", "placeholder-token")
	names := "host;x-amz-date"
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	q.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=placeholder/"+stamp[:8]+"/eu-west-1/"+service+
		"/aws4_request, SignedHeaders="+names+", Signature="+strings.Repeat("0", 64))
	return q
}

func hashed(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// chunked frames data as SDKs do, with signatures of nothing or with none.
func chunked(data []byte, sign bool, trailer string) string {
	var b strings.Builder
	signature := ""
	if sign {
		signature = ";chunk-signature=" + strings.Repeat("0", 64)
	}
	for chunk := range slices.Chunk(data, 64<<10) {
		fmt.Fprintf(&b, "%x%s\r\n%s\r\n", len(chunk), signature, chunk)
	}
	b.WriteString("0" + signature + "\r\n" + trailer + "\r\n")
	return b.String()
}

// mode is one way to sign a body.
type mode struct {
	name, host, service, method string
	body                        func(data []byte) string
	headers                     func(data []byte) []string
	want                        string // as the trail names it
}

var modes = []mode{
	{name: "stated hash", want: "sha256", headers: func(data []byte) []string { return []string{"X-Amz-Content-Sha256", hashed(data)} }},
	{name: "unsigned", want: "UNSIGNED-PAYLOAD", headers: func([]byte) []string { return []string{"X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"} }},
	{
		name: "unsigned trailer", want: "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
		body: func(data []byte) string { return chunked(data, false, "x-amz-checksum-sha1:unverified\r\n") },
		headers: func(data []byte) []string {
			return []string{"X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Trailer", "x-amz-checksum-sha1", "Content-Encoding", "aws-chunked", "X-Amz-Decoded-Content-Length", fmt.Sprint(len(data))}
		},
	},
	{
		name: "signed chunks", want: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
		body: func(data []byte) string { return chunked(data, true, "") },
		headers: func(data []byte) []string {
			return []string{"X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "Content-Encoding", "aws-chunked", "X-Amz-Decoded-Content-Length", fmt.Sprint(len(data))}
		},
	},
	{
		name: "signed chunks and trailer", want: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
		body: func(data []byte) string {
			return chunked(data, true, "x-amz-checksum-sha1:unverified\r\nx-amz-trailer-signature:"+strings.Repeat("0", 64)+"\r\n")
		},
		headers: func(data []byte) []string {
			return []string{"X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "X-Amz-Trailer", "x-amz-checksum-sha1", "Content-Encoding", "aws-chunked", "X-Amz-Decoded-Content-Length", fmt.Sprint(len(data))}
		},
	},
	{
		name: "no stated hash", want: "sha256, read ahead", host: dynamoHost, service: "dynamodb", method: http.MethodPost,
		headers: func([]byte) []string { return []string{"X-Amz-Target", "DynamoDB_20120810.PutItem"} },
	},
}

func (m *mode) request(t testing.TB, data []byte) *http.Request {
	host, service, method := storeHost, "s3", http.MethodPut
	if m.host != "" {
		host, service, method = m.host, m.service, m.method
	}
	text := string(data)
	if m.body != nil {
		text = m.body(data)
	}
	path := "/a%20key+~;%C3%A9//b..c"
	if service != "s3" {
		path = "/"
	}
	return signed(t, method, "https://"+host+path+"?x-id=PutObject&acl", service, strings.NewReader(text), m.headers(data)...)
}

// protocols are what agent and upstream may speak.
var signingProtocols = map[string]struct {
	agent2   bool
	upstream []string
}{
	"HTTP/1.1": {false, []string{"http/1.1"}},
	"HTTP/2":   {true, []string{"h2", "http/1.1"}},
	"1.1 to 2": {false, []string{"h2"}}, // its first connection refuses HTTP/1.1
	"2 to 1.1": {true, []string{"http/1.1"}},
}

func TestRequestsAreSignedAnewInEveryMode(t *testing.T) {
	t.Parallel()
	for name, protocol := range signingProtocols {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, sink := signingRig(t, protocol.upstream)
			client := r.client(r.agent("uploader"), protocol.agent2)
			sent := 0
			for _, m := range modes {
				for _, size := range []int{0, 1, 100_000, 2 << 20} {
					data := bytes.Repeat([]byte("sallyport"), size/9+1)[:size]
					for _, unknown := range []bool{false, true} {
						q := m.request(t, data)
						if unknown { // of no stated length
							q.ContentLength = -1
						}
						answer, err := client.Do(q)
						require.NoError(t, err)
						require.Equal(t, http.StatusOK, answer.StatusCode, body(t, answer))
						assert.Equal(t, hashed(data), answer.Header.Get("Etag"), "%s of %d bytes", m.name, size)
						sent++
					}
				}
			}
			modesSeen := map[any]int{}
			for _, row := range r.rowsOf(sent) {
				assert.Equal(t, audit.OutcomeCompleted, row.Outcome.Outcome)
				assert.Equal(t, "store", row.Intent.Credential)
				assert.NotEmpty(t, row.Intent.CredentialFingerprint)
				assert.Equal(t, "eu-west-1", row.Intent.Details["region"])
				assert.Equal(t, "AKIAREAL", row.Intent.Details["access_key_id"])
				modesSeen[row.Intent.Details["payload_mode"]]++
			}
			for _, m := range modes {
				assert.Equal(t, 8, modesSeen[m.want], m.want)
			}
			for _, upload := range sink.Seen() {
				for field, values := range upload.Header {
					assert.NotContains(t, strings.Join(values, ""), "placeholder", field)
				}
			}
		})
	}
}

// TestAWrongBodyNeverArrivesWhole: what differs from the hash or framing that the agent
// stated is refused, and the upstream sees a body that breaks off.
func TestAWrongBodyNeverArrivesWhole(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte("x"), 300_000)
	for name, protocol := range signingProtocols {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, sink := signingRig(t, protocol.upstream)
			client := r.client(r.agent("uploader"), protocol.agent2)
			for n, wrong := range []struct{ word, body, length, code string }{
				{hashed([]byte("another")), string(data), "", "XAmzContentSHA256Mismatch"},
				{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", chunked(data, true, ""), "300001", "IncompleteBody"},
				{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", chunked(data, true, "")[:200_000], "300000", "IncompleteBody"},
				{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", string(data), "300000", "InvalidRequest"},
			} {
				headers := []string{"X-Amz-Content-Sha256", wrong.word}
				if wrong.length != "" {
					headers = append(headers, "X-Amz-Decoded-Content-Length", wrong.length)
				}
				answer, err := client.Do(signed(t, http.MethodPut, "https://"+storeHost+"/key", "s3", strings.NewReader(wrong.body), headers...))
				require.NoError(t, err)
				assert.Equal(t, http.StatusBadRequest, answer.StatusCode)
				assert.Contains(t, body(t, answer), "<Code>"+wrong.code+"</Code>")
				row := r.rowsOf(n + 1)[0]
				assert.Equal(t, audit.OutcomeRefused, row.Outcome.Outcome)
				assert.Equal(t, "signature", row.Outcome.Refusal)
			}
			assert.Empty(t, sink.Seen())
		})
	}
}

func TestWhatCannotBeSignedNeverLeaves(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	r, _ := signingRig(t, []string{"http/1.1"})
	r.upstream(func(http.ResponseWriter, *http.Request) { asked.Add(1) }, false, storeHost, dynamoHost, "ec2.us-east-1.amazonaws.com")
	client := r.client(r.agent("uploader"), false)
	unsigned := func(q *http.Request) { q.Header.Del("Authorization") }
	for name, test := range map[string]struct {
		host, service string
		change        func(*http.Request)
		detail        string
	}{
		"not signed":       {storeHost, "s3", unsigned, "placeholder keys"},
		"another service":  {storeHost, "dynamodb", nil, "speaks S3"},
		"another host":     {dynamoHost, "s3", nil, "is dynamodb"},
		"another region":   {"ec2.us-east-1.amazonaws.com", "ec2", nil, "not in that region"},
		"a dot segment":    {storeHost, "s3", func(q *http.Request) { q.URL.Path, q.URL.RawPath = "/a/../b", "/a/%2e%2e/b" }, ""},
		"s3 express":       {storeHost, "s3", func(q *http.Request) { q.Header.Set("X-Amz-S3session-Token", "x") }, "S3 Express"},
		"an event stream":  {dynamoHost, "dynamodb", func(q *http.Request) { q.Header.Set("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-EVENTS") }, "vent streams of dynamodb"},
		"an old signature": {storeHost, "s3", func(q *http.Request) { q.Header.Set("Authorization", "AWS AKID:c2ln") }, "Version 4"},
		"a form": {storeHost, "s3", func(q *http.Request) {
			unsigned(q)
			q.Method = "POST"
			q.Header.Set("Content-Type", "multipart/form-data")
		}, "PutObject"},
		"a connection header": {storeHost, "s3", func(q *http.Request) { q.Header.Set("Connection", "x-amz-copy-source") }, "Connection names"},
	} {
		q := signed(t, http.MethodPut, "https://"+test.host+"/key", test.service, strings.NewReader("data"), "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
		if test.change != nil {
			test.change(q)
		}
		answer, err := client.Do(q)
		require.NoError(t, err)
		text := body(t, answer)
		assert.Equal(t, http.StatusBadRequest, answer.StatusCode, "%s: %s", name, text)
		assert.Contains(t, text, test.detail, name)
	}
	assert.Zero(t, asked.Load())
}
