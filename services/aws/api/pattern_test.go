package api_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	aws "sallyport/services/aws/api"
)

func TestPattern(t *testing.T) {
	t.Parallel()
	for pattern, c := range map[string]struct{ yes, no string }{
		"s3/GetObject":           {"s3/GetObject", "s3/GetObjectAcl"},
		"s3/Get*":                {"s3/GetObjectAcl", "s3/PutObject"},
		"s3/*":                   {"s3/PutObject", "s3-control/GetJobTagging"},
		"*":                      {"sts/AssumeRole", ""},
		"*/Delete*":              {"sqs/DeleteQueue", "sqs/ListQueues"},
		"cloudwatch/ListMetrics": {"monitoring/ListMetrics", "logs/ListMetrics"},
		"ecr/PutImage":           {"api.ecr/PutImage", "api.ecr/GetAuthorizationToken"},
		"s3/GetBucketLifecycle":  {"s3/GetBucketLifecycleConfiguration", "s3/GetBucketPolicy"},
	} {
		p, err := aws.ParsePattern(pattern)
		require.NoError(t, err, pattern)
		assert.True(t, p.Matches(c.yes), "%s %s", pattern, c.yes)
		assert.False(t, p.Matches(c.no), "%s %s", pattern, c.no)
	}
	for pattern, want := range map[string]string{
		"GetObject":      "want SERVICE/OPERATION",
		"s3/GetObjekt":   `did you mean "s3/GetObject"`,
		"s4/GetObject":   "no service of AWS's is called s4",
		"bedrock/Invoke": "did you mean",
		"lex/GetBot":     "lex may be",
	} {
		_, err := aws.ParsePattern(pattern)
		require.ErrorContains(t, err, want)
	}
	p, err := aws.ParsePattern("s3/*Bucket")
	require.NoError(t, err)
	assert.Equal(t, []string{"s3/CreateBucket", "s3/DeleteBucket", "s3/HeadBucket"}, p.Operations())
}

func TestResourcePattern(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, arn string
		want         bool
	}{
		{"arn:aws:s3:::b/agents/*", "arn:aws:s3:::b/agents/a/b", true},
		{"arn:aws:s3:::b/agents/*", "arn:aws:s3:::b/agents/*", true},
		{"arn:aws:s3:::b/agents/*", "arn:aws:s3:::b/*", false},
		{"arn:aws:s3:::b/agents/?", "arn:aws:s3:::b/agents/*", false},
		{"arn:aws:s3:::b/a?*", "arn:aws:s3:::b/a*", false},
		{"arn:aws:s3:::b/*", "arn:aws:s3:::b", false},
		{"arn:aws:s3:::*", "arn:aws:s3:::b/k", true},
		{"arn:aws:s3:::b/k", "arn:aws-cn:s3:::b/k", false},
		{"arn:aws:dynamodb:*:123456789012:table/t", "arn:aws:dynamodb:eu-west-1::table/t", true},
		{"arn:aws:dynamodb:*:123456789012:table/t", "arn:aws:dynamodb:eu-west-1:999999999999:table/t", false},
		{"arn:aws:dynamodb:us-*:*:table/t", "arn:aws:dynamodb:eu-west-1::table/t", false},
		{"arn:aws:dynamodb:*:*:table/t", "arn:aws:dynamodb:eu-west-1::table/t/index/i", false},
		{"*", "anything", true},
	} {
		p, err := aws.ParseResource(c.pattern)
		require.NoError(t, err, c.pattern)
		assert.Equal(t, c.want, p.Matches(c.arn), "%s %s", c.pattern, c.arn)
	}
	for _, bad := range []string{"", "b/k", "arn:aws:s3:::", "arn:aws:*:::b", "arn:aws::::b", "x:aws:s3:::b"} {
		_, err := aws.ParseResource(bad)
		require.Error(t, err, bad)
	}
	assert.False(t, aws.Resource{}.Matches("arn:aws:s3:::b"))
}

// Whoever edits the lists sees at once what that does to the operations that matter
// most.
func TestReviewedLists(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]aws.Request{
		"sts/AssumeRole":                     request("sts", "sts", "POST /", formBody, "Action=AssumeRole"),
		"sts/GetSessionToken":                request("sts", "sts", "GET /?Action=GetSessionToken"),
		"sts/GetFederationToken":             request("sts", "sts", "GET /?Action=GetFederationToken"),
		"iam/CreateAccessKey":                request("iam", "iam", "POST /", formBody, "Action=CreateAccessKey"),
		"s3/CreateSession":                   request("s3", "b.s3", "GET /?session"),
		"api.ecr/GetAuthorizationToken":      request("ecr", "api.ecr", "POST /", target("AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"), jsonBody, "{}"),
		"secretsmanager/GetSecretValue":      request("secretsmanager", "secretsmanager", "POST /", target("secretsmanager.GetSecretValue"), jsonBody, `{"SecretId":"s"}`),
		"codeartifact/GetAuthorizationToken": request("codeartifact", "codeartifact", "POST /v1/authorization-token?domain=d"),
	} {
		o, err := aws.Resolve(r)
		require.NoError(t, err, name)
		assert.Equal(t, name, o.Name)
		assert.True(t, o.Calls[0].Secret, name)
	}
	o, err := aws.Resolve(request("s3", "b.s3", "GET /?list-type=2"))
	require.NoError(t, err)
	assert.Equal(t, "ListObjects", o.Event)
	assert.Equal(t, []string{"s3:ListBucket"}, o.Calls[0].Actions)
	assert.Equal(t, "arn:aws:s3:::b", o.Calls[0].Container)
	assert.False(t, o.Calls[0].Secret)
	assert.True(t, aws.HasResources("s3/PutObject"))
	assert.True(t, aws.HasResources("dynamodb/GetItem"))
	assert.False(t, aws.HasResources("ec2/RunInstances"))
}
