package proxy_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A credential that is bound to accounts has S3 told whose bucket it must be, under the
// signature; an agent that says otherwise is refused before anything leaves.
func TestWhoseBucketItMustBeLeavesWithTheRequest(t *testing.T) {
	t.Parallel()
	const owner = "X-Amz-Expected-Bucket-Owner"
	r := newRig(t, func(r *rig) {
		r.credentials = "credentials:\n  keys: {kind: aws_keys, access_key_id: AKIAREAL, secret: {env: SECRET}, accounts: [111111111111], hosts: [\"*.amazonaws.com\"]}\n"
		r.policy = "policy: operator\nrules:\n  - {name: artifacts, allow: {aws: {service: s3, operations: [GetObject, CopyObject], resources: [\"arn:aws:s3:::bucket/*\"]}}, credential: keys}\n"
		r.getenv = func(string) string { return canary }
	})
	var upstream recorder
	r.upstream(upstream.serve, true, "bucket.s3.eu-west-1.amazonaws.com")
	client := r.client(r.agent("a"), true)
	ask := func(method string, header ...string) (int, string) {
		request := signedFor(t, "s3", "eu-west-1", method, "https://bucket.s3.eu-west-1.amazonaws.com/key", "", header...)
		response, err := client.Do(request)
		require.NoError(t, err)
		return response.StatusCode, body(t, response)
	}
	status, text := ask(http.MethodGet)
	require.Equal(t, http.StatusOK, status, text)
	got := upstream.request().Header
	assert.Equal(t, "111111111111", got.Get(owner))
	assert.Contains(t, got.Get("Authorization"), strings.ToLower(";"+owner), "signed")

	status, text = ask(http.MethodPut, "X-Amz-Copy-Source: /bucket/other")
	require.Equal(t, http.StatusOK, status, text)
	assert.Equal(t, "111111111111", upstream.request().Header.Get("X-Amz-Source-Expected-Bucket-Owner"))

	before := upstream.request()
	status, text = ask(http.MethodGet, owner+": 999999999999")
	assert.Equal(t, http.StatusForbidden, status)
	assert.Contains(t, text, "<Code>AccessDenied</Code>")
	assert.Contains(t, text, "credential keys is for 111111111111")
	assert.Same(t, before, upstream.request(), "nothing of it left")
	row := r.rows()[0]
	assert.Equal(t, "credential", row.Refusal)
	assert.Equal(t, "artifacts", row.Rule)
}
