package session_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials"
	"sallyport/services/aws/sigv4"
)

const awsFile = `
credentials:
  store: {kind: aws_keys, access_key_id: minioadmin, secret: {file: key}, session_token: {env: TOKEN}, region: auto, hosts: ["minio.internal:9000", "*.minio.internal"]}
  user: {kind: aws_keys, access_key_id: AKIAREAL, secret: {env: KEY}, hosts: ["*.amazonaws.com"]}
  west: {kind: aws_keys, access_key_id: AKIAREAL, secret: {env: KEY}, region: eu-west-1, hosts: ["*.amazonaws.com", "*.neptune.amazonaws.com:8182", api.example],
    services: {"*.new.amazonaws.com": new-service, api.example: execute-api, "*.neptune.amazonaws.com:8182": neptune-db}}
`

// fromAgent is a request that an agent's placeholder keys have signed.
func fromAgent(t *testing.T, url, service, region string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	stamp := time.Now().UTC().Format("20060102T150405Z")
	r.Header.Set("X-Amz-Date", stamp)
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=placeholder/"+stamp[:8]+"/"+region+"/"+service+"/aws4_request, SignedHeaders=host, Signature="+strings.Repeat("0", 64))
	return r
}

func TestAWSKeysSignWhatTheyAreBoundTo(t *testing.T) {
	t.Parallel()
	o := options(t, "KEY", canary, "TOKEN", canary+"-token")
	require.NoError(t, os.WriteFile(filepath.Join(o.Home, "key"), []byte(canary+"-file\n"), 0o600))
	set := parse(t, awsFile, o)
	retrieve := func(name string, r *http.Request) (*credentials.Injection, error) {
		return set.Lookup(name).Retrieve(t.Context(), credentials.Use{Request: r})
	}
	for _, test := range []struct {
		name, url, service, region string
		refusal                    bool
	}{
		{"store", "https://minio.internal:9000/bucket/key", "s3", "auto", false},
		{"store", "https://bucket.minio.internal/key", "s3", "auto", false},
		{"store", "https://bucket.minio.internal/key", "s3", "us-east-1", true},
		{"store", "https://bucket.minio.internal/key", "dynamodb", "auto", true},
		{"user", "https://bucket.s3.eu-west-1.amazonaws.com/key", "s3", "eu-west-1", false},
		{"user", "https://dynamodb.eu-west-1.amazonaws.com/", "dynamodb", "eu-west-1", false},
		{"user", "https://dynamodb.eu-west-1.amazonaws.com/", "dynamodb", "us-east-1", true},
		{"user", "https://dynamodb.eu-west-1.amazonaws.com/", "s3", "eu-west-1", true},
		{"west", "https://iam.amazonaws.com/", "iam", "us-east-1", false}, // SDKs sign for it whatever their region
		{"west", "https://iam.amazonaws.com/", "iam", "eu-west-1", true},
		{"west", "https://iam.us-gov.amazonaws.com/", "iam", "us-east-1", true},
		{"west", "https://sqs.us-east-1.amazonaws.com/", "sqs", "us-east-1", true},
		{"west", "https://bucket.s3.amazonaws.com/key", "s3", "us-east-1", true}, // serves every region
		{"west", "https://a.new.amazonaws.com/", "new-service", "eu-west-1", false},
		{"west", "https://a.new.amazonaws.com/", "s3", "eu-west-1", true},
		{"west", "https://a.us-east-1.new.amazonaws.com/", "new-service", "eu-west-1", true},
		{"west", "https://api.example/stage", "execute-api", "eu-west-1", false},
		{"west", "https://api.example/stage", "s3", "eu-west-1", true},
		{"west", "https://c.cluster-x.eu-west-1.neptune.amazonaws.com:8182/status", "neptune-db", "eu-west-1", false},
		{"west", "https://c.cluster-x.us-east-1.neptune.amazonaws.com:8182/status", "neptune-db", "eu-west-1", true},
	} {
		r := fromAgent(t, test.url, test.service, test.region)
		i, err := retrieve(test.name, r)
		if test.refusal {
			var refusal *sigv4.Refusal
			require.ErrorAs(t, err, &refusal, test)
			assert.Equal(t, sigv4.HostMismatch, refusal.Reason)
			continue
		}
		require.NoError(t, err)
		before := r.Header.Get("Authorization")
		out := r.Clone(t.Context())
		require.NoError(t, i.Apply(out))
		assert.NotEqual(t, before, out.Header.Get("Authorization"))
		assert.Equal(t, before, r.Header.Get("Authorization"), "the agent's request is not touched")
		assert.Equal(t, test.region, i.Details()["region"])
		assert.Equal(t, "UNSIGNED-PAYLOAD", i.Details()["payload_mode"])

		stray := r.Clone(t.Context())
		stray.URL.Host, stray.Host = "evil.example", "evil.example"
		require.ErrorContains(t, i.Apply(stray), "is not bound to evil.example")
		assert.Equal(t, before, stray.Header.Get("Authorization"), "a refused injection changes nothing")
	}
	_, err := set.Lookup("user").Retrieve(t.Context(), credentials.Use{})
	require.ErrorContains(t, err, "it signs requests, and there is none")
}

func TestAWSKeysAreReadAgainWhenTheyChange(t *testing.T) {
	t.Parallel()
	clock := time.Now()
	o := options(t, "KEY", canary, "TOKEN", canary+"-token")
	o.Now = func() time.Time { return clock }
	key := filepath.Join(o.Home, "key")
	require.NoError(t, os.WriteFile(key, []byte("first-secret"), 0o600))
	c := parse(t, awsFile, o).Lookup("store")
	first, err := c.Check(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(key, []byte("second-secret!"), 0o600))
	clock = clock.Add(time.Minute)
	second, err := c.Check(t.Context(), nil)
	require.NoError(t, err)
	assert.NotEqual(t, first.Fingerprint(), second.Fingerprint())
	require.Error(t, second.Apply(fromAgent(t, "https://minio.internal:9000/", "s3", "auto")), "a check applies to nothing")
}

func TestAnAnswerIsSearchedForSecretAndToken(t *testing.T) {
	t.Parallel()
	o := options(t, "KEY", canary, "TOKEN", "the-token-of-a-session")
	require.NoError(t, os.WriteFile(filepath.Join(o.Home, "key"), []byte("the-secret-of-a-store"), 0o600))
	i, err := parse(t, awsFile, o).Lookup("store").Retrieve(t.Context(), credentials.Use{Request: fromAgent(t, "https://minio.internal:9000/", "s3", "auto")})
	require.NoError(t, err)
	h := http.Header{"A": {"x the-secret-of-a-store y"}, "B": {"the-token-of-a-session"}, "C": {"minioadmin"}}
	assert.Equal(t, 2, i.Scrub(h))
	assert.Equal(t, http.Header{"A": {"x [redacted] y"}, "B": {"[redacted]"}, "C": {"minioadmin"}}, h)
}
