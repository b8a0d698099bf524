package api_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	aws "sallyport/services/aws/api"
)

func ask(service, host, name, body string) aws.Request {
	return request(service, host, "POST /", target(name), jsonBody, body)
}

func invoke(path string) aws.Request {
	return request("lambda", "lambda", "POST /2015-03-31/functions/"+path)
}

// TestOneThingHasOneNameForWhoDenies: what a rule that denies has in the form that IAM's
// policies have is denied by every other name of it, and no allow is wider for it.
func TestOneThingHasOneNameForWhoDenies(t *testing.T) {
	t.Parallel()
	secret := func(id string) aws.Request {
		return ask("secretsmanager", "secretsmanager", "secretsmanager.GetSecretValue", `{"SecretId":"`+id+`"}`)
	}
	group := func(member, name string) aws.Request {
		return ask("logs", "logs", "Logs_20140328.FilterLogEvents", `{"`+member+`":"`+name+`"}`)
	}
	parameter := func(name string) aws.Request {
		return ask("ssm", "ssm", "AmazonSSM.GetParameter", `{"Name":"`+name+`"}`)
	}
	below := func(path string) aws.Request {
		return ask("ssm", "ssm", "AmazonSSM.GetParametersByPath", `{"Path":"`+path+`"}`)
	}
	key := func(id string) aws.Request {
		return ask("kms", "kms", "TrentService.Encrypt", `{"KeyId":"`+id+`"}`)
	}
	query := func(more string) aws.Request {
		return ask("dynamodb", "dynamodb", "DynamoDB_20120810.Query", `{"TableName":"secret"`+more+`}`)
	}
	model := func(id string) aws.Request {
		return request("bedrock", "bedrock-runtime", "POST /model/"+id+"/converse")
	}
	const alone, doubt, whole = 0, 1, 2 // untouched; only touched, which denies and allows nothing; matched
	for _, c := range []struct {
		pattern string
		request aws.Request
		want    int
	}{
		{"secretsmanager:*:*:secret:prod-db-??????", secret("prod-db"), doubt},
		{"secretsmanager:*:*:secret:prod-db-??????", secret("prod-db2"), alone},
		{"secretsmanager:*:*:secret:prod-db-AbCdEf", secret("prod-db"), doubt},
		{"secretsmanager:*:*:secret:prod-db-??????", secret("arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod-db"), doubt},
		{"secretsmanager:*:*:secret:prod-db-??????", secret("arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod-db-AbCdEf"), whole},
		{"secretsmanager:*:*:secret:other-db", secret("arn:aws:secretsmanager:eu-west-1:123456789012:secret:other-db-AbCdEf"), doubt},
		{"secretsmanager:*:*:secret:prod-db-??????", parameter("/aws/reference/secretsmanager/prod-db"), doubt},

		{"logs:*:*:log-group:/acme/secret:*", group("logGroupName", "/acme/secret"), whole},
		{"logs:*:*:log-group:/acme/secret:log-stream:x", group("logGroupName", "/acme/secret"), doubt},
		{"logs:*:*:log-group:/acme/secret:*", group("logGroupName", "/acme/secrets"), alone},
		{"logs:*:*:log-group:/acme/other", group("logGroupIdentifier", "arn:aws:logs:eu-west-1:123456789012:log-group:/acme/other:*"), whole},
		{"logs:*:*:log-group:/acme/other", group("logGroupIdentifier", "arn:aws:logs:eu-west-1:123456789012:log-group:/acme/other"), whole},
		{"logs:*:*:log-group:/acme/other", group("logGroupIdentifier", "arn:aws:logs:eu-west-1:123456789012:log-group:/acme/others:*"), alone},

		{"ssm:*:*:parameter/acme/prod/key", parameter("arn:aws:ssm:eu-west-1:123456789012:parameter/acme/prod/key:3"), whole},
		{"ssm:*:*:parameter/acme/prod/key", parameter("/acme/prod/key:3"), whole},
		{"ssm:*:*:parameter/acme/prod/*", below("/acme/prod"), whole},
		{"ssm:*:*:parameter/acme/prod/*", below("/acme/prod/"), whole},
		{"ssm:*:*:parameter/acme/prod/*", below("/acme"), doubt},
		{"ssm:*:*:parameter/acme/prod/*", below("/"), doubt},
		{"ssm:*:*:parameter/acme/prod/key", below("/acme/prod"), doubt},
		{"ssm:*:*:parameter/acme/prod", below("/acme/prod"), doubt},
		{"ssm:*:*:parameter/acme/prod/*", below("/acme/test"), alone},
		{"ssm:*:*:parameter/acme/prod/*", below("/acme/production"), alone},

		{"kms:*:*:key/1234", key("alias/acme"), doubt},
		{"kms:*:*:key/1234", key("arn:aws:kms:eu-west-1:123456789012:alias/acme"), doubt},
		{"kms:*:*:alias/acme", key("1234"), doubt},

		{"dynamodb:*:*:table/secret", query(`,"IndexName":"i"`), doubt},
		{"dynamodb:*:*:table/secret", query(""), whole},
		{"dynamodb:*:*:table/secrets", query(`,"IndexName":"i"`), alone},

		{"lambda:*:*:function:secret", invoke("secret:$LATEST/invocations"), doubt},
		{"lambda:*:*:function:secret", invoke("secret/invocations?Qualifier=$LATEST"), doubt},
		{"lambda:*:*:function:secret", invoke("secret/invocations"), whole},
		{"lambda:*:*:function:secret:*", invoke("secret/invocations"), doubt},
		{"lambda:*:*:function:secret", invoke("secrets:live/invocations"), alone},

		{"s3:::acme/*", request("s3", "s3", "GET /ap-abc123-s3alias/x"), doubt},
		{"s3:::acme/y*", request("s3", "s3", "GET /ap-abc123-s3alias/x"), alone},
		{"s3:::acme/x", request("s3", "ol-abc123--ol-s3.s3", "GET /x"), doubt},
		{"s3:::acme", request("s3", "ap-abc123-s3alias.s3", "GET /?list-type=2"), doubt},
		{"s3:::acme/kept/*", request("s3", "ap-abc123-s3alias.s3", "GET /?list-type=2&prefix=ke"), doubt},
		{"s3:::acme/kept/*", request("s3", "ap-abc123-s3alias.s3", "GET /?list-type=2&prefix=other/"), alone},
		{"s3:::acme", request("s3", "ap-abc123-s3alias.s3", "GET /?location"), doubt},
		{"s3:::acme/x", request("s3", "ap-abc123-s3alias.s3", "GET /?location"), alone},
		{"s3:::acme/*", request("s3", "name-123456789012.s3-accesspoint", "GET /x"), doubt},
		{"s3:eu-west-1:123456789012:accesspoint/name/*", request("s3", "ap-abc123-s3alias.s3", "GET /x"), doubt},
		{"s3:::acme/*", request("s3", "s3", "GET /other/x"), alone},
		{"s3:::acme/secret?x", request("s3", "s3", "GET /acme/secret*x"), whole},
		{"s3:::acme/secret*", request("s3", "s3", "GET /acme/secret*"), whole},
		{"s3:::acme/secret?", request("s3", "s3", "GET /acme/secret*"), doubt},

		{"bedrock:*::foundation-model/anthropic.*", model("eu.anthropic.claude-v2"), doubt},
		{"bedrock:us-east-1::foundation-model/anthropic.*", model("us.anthropic.claude-v2"), doubt},
		{"bedrock:*::foundation-model/anthropic.*", model("eu.amazon.nova"), alone},
		{"bedrock:*::foundation-model/anthropic.*", model("arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Aapplication-inference-profile%2Fx"), doubt},
	} {
		o, err := aws.Resolve(c.request)
		require.NoError(t, err, "%s %s", c.pattern, c.request.Path)
		arn := o.Calls[0].Resource
		require.NotEmpty(t, arn, "%s: %s", c.pattern, o.Calls[0].Unknown)
		p, err := aws.ParseResource("arn:aws:" + c.pattern)
		require.NoError(t, err)
		assert.Equal(t, c.want == whole, p.Matches(arn), "%s matches %s", p, arn)
		assert.Equal(t, c.want != alone, p.Touches(arn), "%s touches %s", p, arn)
	}
}

// A part of an ARN would hide the function's name behind its account or region.
func TestFunctionsHaveTwoForms(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"123456789012%3Asecret", "function%3Asecret", "eu-west-1%3A123456789012%3Afunction%3Asecret", "eu-west-1%3A123456789012%3Asecret"} {
		o, err := aws.Resolve(invoke(name + "/invocations"))
		require.NoError(t, err, name)
		assert.NotEmpty(t, o.Calls[0].Unknown, name)
	}
}

// TestListsAreBounded: S3 takes 1,000 keys, and a list with more costs more than it says.
func TestListsAreBounded(t *testing.T) {
	t.Parallel()
	for count, known := range map[int]bool{1000: true, 1001: false} {
		o, err := aws.Resolve(request("s3", "acme.s3", "POST /?delete", "<Delete>"+strings.Repeat("<Object><Key>k</Key></Object>", count)+"</Delete>"))
		require.NoError(t, err)
		assert.Equal(t, known, o.Calls[0].Unknown == "", "%d keys", count)
		o, err = aws.Resolve(ask("ssm", "ssm", "AmazonSSM.GetParameters", `{"Names":["k"`+strings.Repeat(`,"k"`, count-1)+`]}`))
		require.NoError(t, err)
		assert.Equal(t, known, o.Calls[0].Unknown == "", "%d parameters", count)
		o, err = aws.Resolve(ask("dynamodb", "dynamodb", "DynamoDB_20120810.TransactGetItems",
			`{"TransactItems":[`+strings.TrimSuffix(strings.Repeat(`{"Get":{"TableName":"t"}},`, count), ",")+`]}`))
		require.NoError(t, err)
		assert.Equal(t, known, o.Calls[0].Unknown == "", "%d tables", count)
	}
}

// TestKeysWithStarsCostNoMoreThanOthers: a key that ends in a star is compared in one go, and
// not by a table of both, which would be allocated.
func TestKeysWithStarsCostNoMoreThanOthers(t *testing.T) {
	p, err := aws.ParseResource("arn:aws:s3:::acme-production-archive/kept/by/*/order/*")
	require.NoError(t, err)
	long := "arn:aws:s3:::acme-production-archive/kept/" + strings.Repeat("a", 1000) + "*"
	assert.False(t, p.Touches(long))
	assert.Zero(t, testing.AllocsPerRun(100, func() { p.Touches(long) }))
	assert.True(t, p.Touches("arn:aws:s3:::acme-production-archive/kept/by/me*"))
	assert.True(t, p.Touches("arn:aws:s3:::acme-production-archive/*"))
	assert.False(t, p.Touches("arn:aws:s3:::acme-production-archive/lost/*"))
}
