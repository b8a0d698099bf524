package api_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	aws "sallyport/services/aws/api"
)

func patterns(t *testing.T, texts ...string) []aws.Pattern {
	t.Helper()
	var all []aws.Pattern
	for _, text := range texts {
		p, err := aws.ParsePattern(text)
		require.NoError(t, err)
		all = append(all, p)
	}
	return all
}

// TestSessionPolicies: AWS must allow what the rules do, and no credentials by a star.
func TestSessionPolicies(t *testing.T) {
	t.Parallel()
	bucket := []string{"arn:aws:s3:::acme", "arn:aws:s3:::acme/*"}
	for name, c := range map[string]struct {
		grants []aws.Grant
		want   string
	}{
		"nothing":        {nil, ""},
		"only a denial":  {[]aws.Grant{{Deny: true, Patterns: patterns(t, "s3/*")}}, ""},
		"exact":          {[]aws.Grant{{Patterns: patterns(t, "sqs/SendMessage", "dynamodb/Query")}}, `[{"Effect":"Allow","Action":["dynamodb:Query","sqs:SendMessage"],"Resource":["*"]}]`},
		"other actions":  {[]aws.Grant{{Patterns: patterns(t, "bedrock-runtime/Converse", "apigateway/GetRestApis", "monitoring/ListMetrics")}}, `[{"Effect":"Allow","Action":["apigateway:GET","bedrock:InvokeModel","cloudwatch:ListMetrics"],"Resource":["*"]}]`},
		"needs none":     {[]aws.Grant{{Patterns: patterns(t, "sqs/SendMessage")}, {Patterns: patterns(t, "cognito-idp/SignUp")}}, `[{"Effect":"Allow","Action":["cognito-idp:SignUp","sqs:SendMessage"],"Resource":["*"]}]`},
		"a listing":      {[]aws.Grant{{Patterns: patterns(t, "s3/GetObject", "s3/ListObjectsV2"), Resources: []string{"arn:aws:s3:::acme/a/*"}, Regions: []string{"eu-west-1"}}}, `[{"Effect":"Allow","Action":["s3:GetObject","s3:GetObjectVersion"],"Resource":["arn:aws:s3:::acme/a/*"],"Condition":{"StringLike":{"aws:RequestedRegion":["eu-west-1"]}}},{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":["arn:aws:s3:::acme"],"Condition":{"StringLike":{"aws:RequestedRegion":["eu-west-1"],"s3:prefix":["a/*"]}}}]`},
		"a star":         {[]aws.Grant{{Patterns: patterns(t, "s3/Get*"), Resources: bucket}}, `[{"Effect":"Allow","Action":["s3:Get*"],"Resource":["arn:aws:s3:::acme","arn:aws:s3:::acme/*"]}]`},
		"a denial":       {[]aws.Grant{{Patterns: patterns(t, "s3/PutObject"), Resources: bucket}, {Deny: true, Patterns: patterns(t, "s3/DeleteBucket")}, {Deny: true, Patterns: patterns(t, "sqs/*")}}, `[{"Effect":"Allow","Action":["s3:PutObject"],"Resource":["arn:aws:s3:::acme","arn:aws:s3:::acme/*"]},{"Effect":"Deny","Action":["s3:DeleteBucket"],"Resource":["*"]}]`},
		"denied by star": {[]aws.Grant{{Patterns: patterns(t, "sqs/*")}, {Deny: true, Patterns: patterns(t, "*/Delete*")}}, `[{"Effect":"Allow","Action":["sqs:CancelMessageMoveTask","sqs:ChangeMessageVisibility","sqs:D*","sqs:G*","sqs:L*","sqs:PurgeQueue","sqs:ReceiveMessage","sqs:SendMessage","sqs:StartMessageMoveTask","sqs:TagQueue","sqs:UntagQueue"],"Resource":["*"]}]`},
		"merged":         {[]aws.Grant{{Patterns: patterns(t, "sqs/SendMessage")}, {Patterns: patterns(t, "sqs/ReceiveMessage", "sqs/SendMessage")}}, `[{"Effect":"Allow","Action":["sqs:ReceiveMessage","sqs:SendMessage"],"Resource":["*"]}]`},
	} {
		text, err := aws.SessionPolicy(c.grants)
		require.NoError(t, err, name)
		if c.want == "" {
			assert.Empty(t, text, name)
			continue
		}
		var document struct{ Statement json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(text), &document))
		assert.JSONEq(t, c.want, string(document.Statement), "%s: %s", name, document.Statement)
	}
	text, err := aws.SessionPolicy([]aws.Grant{{Patterns: patterns(t, "secretsmanager/*", "sts/*")}})
	require.NoError(t, err)
	for _, secret := range []string{"GetSecretValue", "secretsmanager:*", "AssumeRole", "sts:*"} {
		assert.NotContains(t, text, secret)
	}
	// What a star leaves out is left out by beginnings that nothing else has, and STS takes
	// 2,048 characters.
	for _, pattern := range []string{"dynamodb/*", "lambda/*", "iam/*", "rds/*", "ecs/*", "ssm/*", "s3/*", "ec2/Describe*"} {
		text, err := aws.SessionPolicy([]aws.Grant{{Patterns: patterns(t, pattern)}})
		require.NoError(t, err)
		assert.Less(t, len(text), 1200, pattern)
		for _, action := range []string{"iam:P", "lambda:U", "dynamodb:P*", "ssm:S*", "s3:PutB*", "s3:PutO*"} {
			assert.NotContains(t, text, `"`+action+`*"`, pattern)
		}
	}
	_, err = aws.SessionPolicy([]aws.Grant{{Rule: "all", Patterns: patterns(t, "*/Get*")}})
	require.ErrorContains(t, err, "rule all allows operations of every service")
}
