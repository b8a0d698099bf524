package session_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials"
	"sallyport/services/aws/session"
	"sallyport/services/aws/sigv4"
)

const accountsFile = `
credentials:
  one: {kind: aws_keys, access_key_id: AKIA, secret: {env: KEY}, accounts: ["111111111111"], hosts: ["*.amazonaws.com"]}
  two: {kind: aws_keys, access_key_id: AKIA, secret: {env: KEY}, accounts: [111111111111, 222222222222], hosts: ["*.amazonaws.com"]}
  role: {kind: aws_role, role_arn: "arn:aws:iam::111111111111:role/agents", region: eu-west-1, base: one, accounts: [111111111111]}
  roles: {kind: aws_role, role_arn: "arn:aws:iam::111111111111:role/agents", region: eu-west-1, base: one, accounts: [111111111111, 222222222222]}
  arns: {kind: aws_role, role_arn: "arn:aws:iam::111111111111:role/agents", region: eu-west-1, base: one, accounts: [111111111111], policy_arns: ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}
  given: {kind: aws_role, role_arn: "arn:aws:iam::111111111111:role/agents", region: eu-west-1, base: one, accounts: [111111111111], session_policy: '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'}
`

const (
	mine, theirs = "111111111111", "999999999999"
	owner        = "X-Amz-Expected-Bucket-Owner"
	fromOwner    = "X-Amz-Source-Expected-Bucket-Owner"
)

func TestRequestsSayWhoseBucketTheyAreFor(t *testing.T) {
	t.Parallel()
	set := parse(t, accountsFile, options(t, "KEY", canary))
	for _, c := range []struct {
		credential, request string
		header              http.Header
		want                http.Header // nil: refused
	}{
		{"one", "GET https://bucket.s3.eu-west-1.amazonaws.com/key", nil, http.Header{owner: {mine}}},
		{"one", "GET https://bucket.s3.eu-west-1.amazonaws.com/a{b}", nil, http.Header{owner: {mine}}},
		{"one", "GET https://s3.eu-west-1.amazonaws.com/bucket/key", nil, http.Header{owner: {mine}}},
		{"one", "GET https://s3.eu-west-1.amazonaws.com/bucket?list-type=2", nil, http.Header{owner: {mine}}},
		{"one", "PUT https://bucket.s3.eu-west-1.amazonaws.com/?versioning", nil, http.Header{owner: {mine}}},
		{"one", "GET https://ap-999999999999.s3-accesspoint.eu-west-1.amazonaws.com/key", nil, http.Header{owner: {mine}}},
		{"one", "PUT https://bucket.s3.eu-west-1.amazonaws.com/key", http.Header{"X-Amz-Copy-Source": {"other/key"}}, http.Header{owner: {mine}, fromOwner: {mine}}},
		{"one", "GET https://bucket.s3.eu-west-1.amazonaws.com/key", http.Header{owner: {mine}}, http.Header{owner: {mine}}},
		{"one", "GET https://s3.eu-west-1.amazonaws.com/", nil, http.Header{}},                          // ListBuckets
		{"one", "PUT https://bucket.s3.eu-west-1.amazonaws.com/?x-id=CreateBucket", nil, http.Header{}}, // is the caller's own then
		{"one", "PUT https://s3.eu-west-1.amazonaws.com/bucket/", nil, http.Header{}},

		// A key may be made of slashes alone.
		{"one", "PUT https://bucket.s3.eu-west-1.amazonaws.com//", nil, http.Header{owner: {mine}}},
		{"one", "PUT https://bucket.s3.eu-west-1.amazonaws.com/%2F", nil, http.Header{owner: {mine}}},
		{"one", "PUT https://s3.eu-west-1.amazonaws.com/bucket//", nil, http.Header{owner: {mine}}},
		{"one", "PUT https://s3.eu-west-1.amazonaws.com/bucket/%2F", nil, http.Header{owner: {mine}}},
		{"one", "PUT https://s3.eu-west-1.amazonaws.com/bucket%2F%2F", nil, http.Header{owner: {mine}}},
		{"one", "PUT https://s3.eu-west-1.amazonaws.com//", nil, http.Header{owner: {mine}}},
		{"one", "PUT https://bucket.s3.eu-west-1.amazonaws.com//", http.Header{"X-Amz-Copy-Source": {"other/key"}}, http.Header{owner: {mine}, fromOwner: {mine}}},
		{"one", "PUT https://s3.eu-west-1.amazonaws.com/bucket//", http.Header{"X-Amz-Copy-Source": {"other/key"}}, http.Header{owner: {mine}, fromOwner: {mine}}},
		{"one", "PUT https://s3.eu-west-1.amazonaws.com/bucket/", http.Header{"X-Amz-Copy-Source": {"other/key"}}, http.Header{fromOwner: {mine}}},
		{"two", "PUT https://bucket.s3.eu-west-1.amazonaws.com//", nil, nil},
		{"two", "PUT https://s3.eu-west-1.amazonaws.com/bucket//", nil, nil},
		{"two", "PUT https://s3.eu-west-1.amazonaws.com/bucket/", http.Header{"X-Amz-Copy-Source": {"other/key"}}, nil},
		{"two", "PUT https://s3.eu-west-1.amazonaws.com/bucket/", nil, http.Header{}},

		{"one", "GET https://bucket.s3.eu-west-1.amazonaws.com/key", http.Header{owner: {theirs}}, nil},
		{"one", "GET https://bucket.s3.eu-west-1.amazonaws.com/key", http.Header{owner: {mine, theirs}}, nil},
		{"one", "GET https://bucket.s3.eu-west-1.amazonaws.com/key", http.Header{owner: {""}}, nil},
		{"one", "PUT https://bucket.s3.eu-west-1.amazonaws.com/key", http.Header{"X-Amz-Copy-Source": {"other/key"}, fromOwner: {theirs}}, nil},
		{"one", "GET https://999999999999.s3-control.eu-west-1.amazonaws.com/v20180820/jobs", http.Header{"X-Amz-Account-Id": {theirs}}, nil},
		{"one", "GET https://s3-control.eu-west-1.amazonaws.com/v20180820/jobs", nil, nil},
		{"one", "GET https://999999999999.s3-control.eu-west-1.amazonaws.com/v20180820/jobs", nil, nil},
		{"one", "GET https://111111111111.s3-control.eu-west-1.amazonaws.com/v20180820/jobs", http.Header{"X-Amz-Account-Id": {mine}}, http.Header{}},

		{"two", "GET https://bucket.s3.eu-west-1.amazonaws.com/key", nil, nil}, // either's
		{"two", "GET https://bucket.s3.eu-west-1.amazonaws.com/key", http.Header{owner: {"222222222222"}}, http.Header{owner: {"222222222222"}}},
		{"two", "PUT https://bucket.s3.eu-west-1.amazonaws.com/key", http.Header{owner: {mine}, "X-Amz-Copy-Source": {"other/key"}}, nil},
		{"two", "PUT https://bucket.s3.eu-west-1.amazonaws.com/key", http.Header{owner: {mine}, "X-Amz-Copy-Source": {"other/key"}, fromOwner: {mine}}, http.Header{owner: {mine}, fromOwner: {mine}}},
		{"two", "GET https://s3.eu-west-1.amazonaws.com/", nil, http.Header{}},
		{"role", "GET https://bucket.s3.eu-west-1.amazonaws.com/key", nil, http.Header{owner: {mine}}},
		{"roles", "GET https://bucket.s3.eu-west-1.amazonaws.com/key", nil, http.Header{}}, // the session policy says it
		{"roles", "GET https://bucket.s3.eu-west-1.amazonaws.com/key", http.Header{owner: {theirs}}, nil},
	} {
		method, url, _ := strings.Cut(c.request, " ")
		r := fromAgent(t, url, "s3", "eu-west-1")
		r.Method = method
		maps.Copy(r.Header, c.header)
		use := purpose(t, &fakeSTS{now: time.Now, life: time.Hour}, "a")
		use.Request = r
		i, err := set.Lookup(c.credential).Retrieve(t.Context(), use)
		if c.want == nil {
			var refusal *sigv4.Refusal
			require.ErrorAs(t, err, &refusal, "%s: %s", c.credential, c.request)
			assert.Equal(t, sigv4.AccountMismatch, refusal.Reason)
			assert.Contains(t, refusal.Detail, "credential "+c.credential+" is for "+mine)
			continue
		}
		require.NoError(t, err, "%s: %s", c.credential, c.request)
		require.NoError(t, i.Apply(r))
		for _, name := range []string{owner, fromOwner} {
			assert.Equal(t, c.want[name], r.Header[name], "%s: %s: %s", c.credential, c.request, name)
			assert.Equal(t, len(c.want[name]) > 0, strings.Contains(r.Header.Get("Authorization"), ";"+strings.ToLower(name)), "signed")
		}
	}
}

// A presigned URL may carry these fields in its query.
func TestPresignedRequestsSayWhoseBucketTheyAreFor(t *testing.T) {
	t.Parallel()
	set := parse(t, accountsFile, options(t, "KEY", canary))
	stamp := time.Now().UTC().Format("20060102T150405Z")
	for said, want := range map[string]string{"": mine, "&x-amz-expected-bucket-owner=" + mine: mine, "&X-Amz-Expected-Bucket-Owner=" + theirs: ""} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://bucket.s3.eu-west-1.amazonaws.com/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=placeholder%2F"+
			stamp[:8]+"%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Date="+stamp+"&X-Amz-Expires=600&X-Amz-SignedHeaders=host&X-Amz-Signature="+strings.Repeat("0", 64)+said, http.NoBody)
		require.NoError(t, err)
		i, err := set.Lookup("one").Retrieve(t.Context(), credentials.Use{Request: r})
		if want == "" {
			require.ErrorContains(t, err, "says that the request is about account "+`"`+theirs+`"`)
			continue
		}
		require.NoError(t, err)
		require.NoError(t, i.Apply(r))
		assert.Equal(t, []string{want}, r.Header[owner])
	}
}

func TestSessionsAreBoundToAccounts(t *testing.T) {
	t.Parallel()
	set := parse(t, accountsFile, options(t, "KEY", canary))
	for name, statements := range map[string]int{"role": 2, "roles": 2, "given": 2, "arns": 1} {
		sts := &fakeSTS{now: time.Now, life: time.Hour}
		_, err := set.Lookup(name).Retrieve(t.Context(), purpose(t, sts, "a"))
		require.NoError(t, err)
		var sent struct {
			Version   string
			Statement []struct {
				Effect    string
				Condition map[string]map[string][]string
			}
		}
		require.NoError(t, json.Unmarshal([]byte(sts.asked[0].Get("Policy")), &sent))
		assert.Equal(t, "2012-10-17", sent.Version)
		require.Len(t, sent.Statement, statements, name)
		deny := sent.Statement[statements-1]
		assert.Equal(t, "Deny", deny.Effect)
		accounts := []string{mine}
		if name == "roles" {
			accounts = append(accounts, "222222222222")
		}
		assert.Equal(t, map[string]map[string][]string{"StringNotEquals": {"aws:ResourceAccount": accounts}}, deny.Condition)
	}
	bound, err := session.DocumentFor(set.Lookup("role"), document)
	require.NoError(t, err)
	assert.Contains(t, bound, "aws:ResourceAccount", "what is measured when files are loaded is what is sent")
	same, err := session.DocumentFor(set.Lookup("one"), document)
	require.NoError(t, err)
	assert.Equal(t, document, same) //nolint:testifylint // to the letter: it is not even printed anew
}

func TestAccountsAreRead(t *testing.T) {
	t.Parallel()
	const entry = "credentials: {a: {kind: aws_keys, access_key_id: AKIA, secret: {env: KEY}, region: r, "
	for rest, want := range map[string]string{
		"accounts: [1], hosts: [s3.amazonaws.com]}}":                               "c.yaml:1: credentials.a.accounts: every value must be the 12 digits of an account's id",
		"accounts: [111111111111, 111111111111], hosts: [s3.amazonaws.com]}}":      "111111111111 is there twice",
		"accounts: [], hosts: [s3.amazonaws.com]}}":                                "must be a list with at least one value",
		"accounts: [111111111111], hosts: [s3.amazonaws.com, minio.example]}}":     "are AWS's, and a host of this credential is not",
		"accounts: [\"arn:aws:iam::111111111111:root\"], hosts: [amazonaws.com]}}": "12 digits",
	} {
		_, err := credentials.Parse("c.yaml", []byte(entry+rest), options(t, "KEY", canary))
		require.ErrorContains(t, err, want)
	}
}
