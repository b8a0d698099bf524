package api_test

import (
	"encoding/json"
	"slices"
	"strings"
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
		assert.Less(t, len(text), 1500, pattern)
		for _, action := range []string{"iam:P", "lambda:U", "dynamodb:P*", "ssm:S*", "s3:PutB*", "s3:PutO*"} {
			assert.NotContains(t, text, `"`+action+`*"`, pattern)
		}
	}
	_, err = aws.SessionPolicy([]aws.Grant{{Rule: "all", Patterns: patterns(t, "*/Get*")}})
	require.ErrorContains(t, err, "rule all allows operations of every service")
}

// iamPolicy is a document as AWS evaluates it ("Policy evaluation logic", IAM User Guide): a
// denial wins, what no statement allows is denied.
type iamPolicy struct {
	Statement []struct {
		Effect           string
		Action, Resource []string
		Condition        map[string]map[string][]string
	}
}

// like compares with IAM's stars and question marks.
func like(pattern, text string) bool {
	if text == "" {
		return strings.Trim(pattern, "*") == ""
	}
	if pattern == "" {
		return false
	}
	switch pattern[0] {
	case '*':
		return like(pattern[1:], text) || like(pattern, text[1:])
	case '?', text[0]:
		return like(pattern[1:], text[1:])
	}
	return false
}

func (p iamPolicy) allows(action, resource string, keys map[string]string) bool {
	allowed := false
	for _, s := range p.Statement {
		one := func(list []string, text string) bool {
			return slices.ContainsFunc(list, func(pattern string) bool { return like(pattern, text) })
		}
		applies := one(s.Action, action) && one(s.Resource, resource)
		for key, patterns := range s.Condition["StringLike"] {
			applies = applies && one(patterns, keys[key])
		}
		if applies && s.Effect == "Deny" {
			return false
		}
		allowed = allowed || applies
	}
	return allowed
}

// AWS itself then refuses what no rule says: every request that the rules allow is allowed by
// the session, and one that is beside them in its operation, resource, prefix or region is not.
func TestSessionPoliciesAllowWhatTheRulesDo(t *testing.T) {
	t.Parallel()
	rules := []aws.Grant{
		{Rule: "work", Patterns: patterns(t, "s3/GetObject", "s3/PutObject", "s3/ListObjectsV2", "s3/DeleteObjects"), Resources: []string{"arn:aws:s3:::acme/agents/*"}, Regions: []string{"eu-*"}},
		{Rule: "bucket", Patterns: patterns(t, "s3/ListObjectsV2", "s3/GetBucketLocation"), Resources: []string{"arn:aws:s3:::logs", "arn:aws:s3:::logs/*"}},
		{Rule: "point", Patterns: patterns(t, "s3/ListObjectsV2", "s3/GetObject"), Resources: []string{"arn:aws:s3:eu-west-1:1:accesspoint/p", "arn:aws:s3:eu-west-1:1:accesspoint/p/object/*"}},
		{Rule: "table", Patterns: patterns(t, "dynamodb/Get*", "dynamodb/Query"), Resources: []string{"arn:aws:dynamodb:*:*:table/t"}},
		{Rule: "no", Deny: true, Patterns: patterns(t, "dynamodb/Query"), Resources: []string{"arn:aws:dynamodb:*:*:table/t"}, Regions: []string{"us-*"}},
	}
	text, err := aws.SessionPolicy(rules)
	require.NoError(t, err)
	var p iamPolicy
	require.NoError(t, json.Unmarshal([]byte(text), &p))
	const eu, us = "eu-west-1", "us-east-1"
	for _, c := range []struct {
		action, resource, region, prefix string
		want                             bool
	}{
		{"s3:GetObject", "arn:aws:s3:::acme/agents/k", eu, "", true},
		{"s3:GetObjectVersion", "arn:aws:s3:::acme/agents/k", eu, "", true}, // the same request, about a version
		{"s3:PutObject", "arn:aws:s3:::acme/agents/a/b", eu, "", true},
		{"s3:DeleteObject", "arn:aws:s3:::acme/agents/k", eu, "", true},
		{"s3:GetObject", "arn:aws:s3:::acme/agents/k", us, "", false},
		{"s3:GetObject", "arn:aws:s3:::acme/other/k", eu, "", false},
		{"s3:PutObjectAcl", "arn:aws:s3:::acme/agents/k", eu, "", false},
		{"s3:ListBucket", "arn:aws:s3:::acme", eu, "agents/", true},
		{"s3:ListBucket", "arn:aws:s3:::acme", eu, "agents/a/", true},
		{"s3:ListBucket", "arn:aws:s3:::acme", eu, "", false},
		{"s3:ListBucket", "arn:aws:s3:::acme", eu, "other/", false},
		{"s3:ListBucket", "arn:aws:s3:::logs", us, "", true},
		{"s3:GetBucketLocation", "arn:aws:s3:::logs", eu, "", true},
		{"s3:GetBucketLocation", "arn:aws:s3:::acme", eu, "", false},
		{"s3:ListBucket", "arn:aws:s3:eu-west-1:1:accesspoint/p", eu, "anything", true},
		{"s3:GetObject", "arn:aws:s3:eu-west-1:1:accesspoint/p/object/k", eu, "", true},
		{"dynamodb:GetItem", "arn:aws:dynamodb:eu-west-1:1:table/t", eu, "", true},
		{"dynamodb:GetItem", "arn:aws:dynamodb:us-east-1:1:table/t", us, "", true},
		{"dynamodb:Query", "arn:aws:dynamodb:us-east-1:1:table/t", us, "", false},
		{"dynamodb:Query", "arn:aws:dynamodb:eu-west-1:1:table/t", eu, "", true},
		{"dynamodb:GetItem", "arn:aws:dynamodb:eu-west-1:1:table/other", eu, "", false},
		{"dynamodb:PutItem", "arn:aws:dynamodb:eu-west-1:1:table/t", eu, "", false},
		{"sts:AssumeRole", "*", eu, "", false},
	} {
		keys := map[string]string{"aws:RequestedRegion": c.region, "s3:prefix": c.prefix}
		assert.Equal(t, c.want, p.allows(c.action, c.resource, keys), "%s %s in %s with %q by %s", c.action, c.resource, c.region, c.prefix, text)
	}
}

// A denial says nothing of an action that other operations need too: the session is wider then,
// and the rule denies by itself.
func TestADenialLeavesOthersTheirActions(t *testing.T) {
	t.Parallel()
	text, err := aws.SessionPolicy([]aws.Grant{{Patterns: patterns(t, "dynamodb/TransactGetItems")}, {Deny: true, Patterns: patterns(t, "dynamodb/GetItem")}})
	require.NoError(t, err)
	var p iamPolicy
	require.NoError(t, json.Unmarshal([]byte(text), &p))
	assert.True(t, p.allows("dynamodb:GetItem", "*", nil), text)
}

// However a pattern is said in short, the session has every action of the operations that it
// names, and none of one that has to be named exactly and was not.
func TestStarsGiveNoCredentials(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"s3/*", "s3/Put*", "lambda/*", "lambda/Get*", "iam/*", "iam/*Role*", "secretsmanager/*", "ssm/Get*", "ec2/*", "kms/*", "sts/*", "api.ecr/*", "ecs/*", "dynamodb/*Item*"} {
		named := patterns(t, pattern)
		text, err := aws.SessionPolicy([]aws.Grant{{Rule: "r", Patterns: named}})
		require.NoError(t, err, pattern)
		var p iamPolicy
		require.NoError(t, json.Unmarshal([]byte(text), &p), pattern)
		plain := map[string]bool{}
		for _, operation := range named[0].Operations() {
			call, _ := aws.Find(operation)
			if call.Secret {
				continue
			}
			for _, action := range call.Actions {
				plain[action] = true
				assert.True(t, p.allows(action, "*", nil), "%s needs %s", operation, action)
			}
		}
		secrets := 0
		for _, operation := range named[0].Operations() {
			call, _ := aws.Find(operation)
			for _, action := range call.Actions {
				if call.Secret && !plain[action] {
					secrets++
					assert.False(t, p.allows(action, "*", nil), "%s by %s", action, pattern)
				}
			}
		}
		if pattern != "dynamodb/*Item*" {
			assert.NotZero(t, secrets, "%s has some", pattern)
		}
		assert.False(t, p.allows("iam:PassRole", "*", nil), "%s: which is no operation, and gives another's role away", pattern)
		if exact := slices.IndexFunc(named[0].Operations(), func(o string) bool { c, _ := aws.Find(o); return c.Secret && len(c.Actions) > 0 }); exact >= 0 {
			operation := named[0].Operations()[exact]
			text, err := aws.SessionPolicy([]aws.Grant{{Rule: "r", Patterns: patterns(t, operation)}})
			require.NoError(t, err)
			var p iamPolicy
			require.NoError(t, json.Unmarshal([]byte(text), &p))
			call, _ := aws.Find(operation)
			assert.True(t, p.allows(call.Actions[0], "*", nil), "%s, named exactly", operation)
		}
	}
}
