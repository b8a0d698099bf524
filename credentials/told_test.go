package credentials_test

import (
	"encoding/base32"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials"
)

// answerer answers what it is asked.
type answerer func(r *http.Request) (*http.Response, error)

func (f answerer) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// forms are some in which a server may give back what it was sent, in a sentence.
func forms(secret string) []string {
	return []string{secret, strings.ToUpper(secret), fmt.Sprintf("%x", secret), base32.StdEncoding.EncodeToString([]byte(secret))}
}

func TestGitHubsWordsBringNoToken(t *testing.T) {
	t.Parallel()
	for n := range forms("") {
		a := newApp(t, time.Now, "installation: 17")
		sent := ""
		_, err := a.Check(t.Context(), answerer(func(r *http.Request) (*http.Response, error) {
			_, sent, _ = strings.Cut(r.Header.Get("Authorization"), " ")
			text, err := json.Marshal(map[string]any{
				"message": "Bad token " + forms(sent)[n] + " here", "errors": []map[string]string{{"resource": "App", "message": forms(sent)[n]}},
			})
			return &http.Response{StatusCode: 422, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(string(text)))}, err
		}))
		require.ErrorContains(t, err, "GET /app/installations/17: 422 Bad token ")
		for part := range strings.SplitSeq(sent, ".") {
			for _, form := range forms(part) {
				assert.NotContains(t, err.Error(), form[:20])
			}
		}
	}
}

// What STS says of a signature that it does not take has what it was sent in it, the
// session's token too.
func TestSTSWordsBringNoKeys(t *testing.T) {
	t.Parallel()
	const file = `
credentials:
  keys: {kind: aws_keys, access_key_id: ASIABASE, secret: {env: KEY}, session_token: {env: TOKEN}, region: eu-west-1, hosts: ["*.amazonaws.com"]}
  role: {kind: aws_role, role_arn: "arn:aws:iam::123456789012:role/agents", region: eu-west-1, base: keys}
`
	token := canary + "-token"
	set := parse(t, file, options(t, "KEY", canary, "TOKEN", token))
	for _, form := range append(forms(token), forms(canary)...) {
		sts := &fakeSTS{now: time.Now, life: time.Hour, refuse: "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>It was " + form +
			"\nx-amz-security-token:" + form + "</Message></Error></ErrorResponse>"}
		for _, name := range []string{"role", "keys"} {
			_, err := set.Lookup(name).Check(t.Context(), sts)
			require.ErrorContains(t, err, "STS: SignatureDoesNotMatch: It was [redacted]")
			requireSilent(t, err.Error())
			assert.NotContains(t, strings.ToLower(err.Error()), strings.ToLower(canary))
			assert.NotContains(t, err.Error(), "x-amz-security-token")
		}
		_, err := set.Lookup("role").Retrieve(t.Context(), session(t, sts, "a"))
		require.ErrorContains(t, err, "SignatureDoesNotMatch")
		requireSilent(t, err.Error())
		var refused *credentials.RefusedError
		require.ErrorAs(t, err, &refused, "what it is told apart by stays")
	}
}

// What a request is authenticated by is found in the text of an error about it.
func TestRequestScrubberKnowsEveryValue(t *testing.T) {
	t.Parallel()
	r := request(t, "https://sts.test/")
	r.Header.Set("Authorization", "Bearer "+canary)
	assert.Equal(t, 1, credentials.RequestScrubber(r)(http.Header{"": {"sent " + canary}}))
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=ASIA/1/2/3/aws4_request, SignedHeaders=host, Signature=00")
	assert.Zero(t, credentials.RequestScrubber(r)(http.Header{"": {"sent " + canary}}))
	for _, name := range []string{"X-Amz-Security-Token", "X-Amz-Sso_bearer_token"} {
		r := request(t, "https://sts.test/")
		r.Header.Set(name, canary)
		assert.Equal(t, 1, credentials.RequestScrubber(r)(http.Header{"": {"sent " + canary}}), name)
	}
}
