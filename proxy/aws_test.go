package proxy_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/credentials"
)

const awsPolicy = `
policy: operator
rules:
  - {name: anything, allow: {host: "*.amazonaws.com"}}
  - {name: kept, deny: {aws: {service: s3, operations: [DeleteObject, DeleteObjects], resources: ["arn:aws:s3:::acme/kept/*"]}}}
  - {name: no-queues, deny: {aws: {operations: ["sqs/Delete*"]}}}
  - {name: not-there, deny: {aws: {regions: [us-east-1]}}}
`

// signedFor is a request that says it is signed for a service in a region.
func signedFor(t *testing.T, service, region, method, url, body string, header ...string) *http.Request {
	t.Helper()
	fields := []string{"X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		fields = append(fields, name, value)
	}
	r := signed(t, method, url, service, strings.NewReader(body), fields...)
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/eu-west-1/", "/"+region+"/", 1))
	return r
}

const (
	sqsHost   = "https://sqs.eu-west-1.amazonaws.com/"
	awsJSON10 = "Content-Type: application/x-amz-json-1.0"
	awsForm   = "Content-Type: application/x-www-form-urlencoded"
)

func TestAWSRequestsAreNamedAndJudged(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var got []byte
	r.upstream(func(_ http.ResponseWriter, req *http.Request) {
		got, _ = io.ReadAll(req.Body)
	}, true, "acme.s3.eu-west-1.amazonaws.com", "s3.eu-west-1.amazonaws.com", "sqs.eu-west-1.amazonaws.com", "x.elb.eu-west-1.amazonaws.com")
	r.configure(awsPolicy)
	client := r.client(r.agent("a"), true)
	const deleted = `<Delete><Object><Key>other</Key></Object><Object><Key>kept/a</Key></Object></Delete>`
	for name, c := range map[string]struct {
		request             *http.Request
		rule                string
		operation, resource string
		unclassified        string
	}{
		"virtual host":   {signedFor(t, "s3", "eu-west-1", "GET", "https://acme.s3.eu-west-1.amazonaws.com/kept/a", ""), "anything", "aws:s3/GetObject", "arn:aws:s3:::acme/kept/a", ""},
		"path style":     {signedFor(t, "s3", "eu-west-1", "DELETE", "https://s3.eu-west-1.amazonaws.com/acme/kept/a", ""), "kept", "aws:s3/DeleteObject", "arn:aws:s3:::acme/kept/a", ""},
		"in a body":      {signedFor(t, "s3", "eu-west-1", "POST", "https://acme.s3.eu-west-1.amazonaws.com/?delete", deleted), "kept", "aws:s3/DeleteObjects", "arn:aws:s3:::acme/other", ""},
		"by target":      {signedFor(t, "sqs", "eu-west-1", "POST", sqsHost, `{"QueueUrl":"https://q/123456789012/q"}`, awsJSON10, "X-Amz-Target: AmazonSQS.ReceiveMessage"), "anything", "aws:sqs/ReceiveMessage", "arn:aws:sqs:eu-west-1:123456789012:q", ""},
		"denied":         {signedFor(t, "sqs", "eu-west-1", "POST", sqsHost, `{"QueueUrl":"https://q/123456789012/q"}`, awsJSON10, "X-Amz-Target: AmazonSQS.DeleteQueue"), "no-queues", "aws:sqs/DeleteQueue", "arn:aws:sqs:eu-west-1:123456789012:q", ""},
		"by form":        {signedFor(t, "sqs", "eu-west-1", "POST", sqsHost, "Action=ListQueues", awsForm), "anything", "aws:sqs/ListQueues", "", ""},
		"conflict":       {signedFor(t, "sqs", "eu-west-1", "POST", sqsHost, "Action=DeleteQueue", awsForm, "X-Amz-Target: AmazonSQS.ListQueues"), "kept", "", "", "names its operation in two ways"},
		"other region":   {signedFor(t, "s3", "us-east-1", "GET", "https://acme.s3.eu-west-1.amazonaws.com/a", ""), "kept", "", "", "is not in that region"},
		"other service":  {signedFor(t, "iam", "eu-west-1", "POST", sqsHost, "Action=ListUsers", awsForm), "kept", "", "", "signed for iam"},
		"two signatures": {signedFor(t, "s3", "eu-west-1", "GET", "https://acme.s3.eu-west-1.amazonaws.com/a?X-Amz-Signature=0", ""), "kept", "", "", "signed more than once"},
		"anybody's host": {signedFor(t, "s3", "eu-west-1", "GET", "https://x.elb.eu-west-1.amazonaws.com/a", ""), "kept", "", "", "none of its services'"},
	} {
		response, err := client.Do(c.request)
		require.NoError(t, err, name)
		text := body(t, response)
		row := r.rows()[0]
		assert.Equal(t, c.rule, row.Rule, "%s: %s", name, text)
		assert.Equal(t, c.rule == "anything", response.StatusCode == http.StatusOK, name)
		assert.Equal(t, c.operation, row.Operation, name)
		assert.Equal(t, c.resource, row.Resource, name)
		why, _ := row.Details["unclassified"].(string)
		assert.Contains(t, why, c.unclassified, name)
		assert.Equal(t, c.unclassified != "", why != "", name)
	}
	request := signedFor(t, "sqs", "eu-west-1", "POST", sqsHost, "Action=SendMessage&QueueUrl=https://q/1/q&MessageBody="+strings.Repeat("x", 200_000), awsForm)
	response, err := client.Do(request)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, body(t, response))
	assert.True(t, bytes.HasSuffix(got, []byte("xxx")) && bytes.HasPrefix(got, []byte("Action=SendMessage")), "what was read to name it must arrive")
}

// A body that is judged leaves byte for byte, or not at all.
func TestAWSBodiesWithTwoReadingsDoNotLeave(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var got []string
	r.upstream(func(_ http.ResponseWriter, req *http.Request) {
		text, _ := io.ReadAll(req.Body)
		got = append(got, string(text))
	}, true, "dynamodb.eu-west-1.amazonaws.com", "sns.eu-west-1.amazonaws.com")
	r.configure(`
policy: operator
rules:
  - {name: anything, allow: {host: "*.amazonaws.com"}}
  - {name: not-that, deny: {aws: {operations: [dynamodb/GetItem], resources: ["arn:aws:dynamodb:*:*:table/other"]}}}
  - {name: nor-that, deny: {aws: {operations: [sns/Publish], resources: ["arn:aws:sns:*:*:other"]}}}
`)
	client := r.client(r.agent("a"), true)
	for _, c := range []struct {
		body   string
		leaves bool
	}{
		{` { "TableName" : "m\u0069ne",  "Key":{"id":{"S":"\ud83d\ude00","N":1.50}} } `, true},
		{`{"TableName":"mine","TableName":"other"}`, false},
		{`{"TableName":"mine","tableName":"other"}`, false},
		{`{"TableName":"mine","Key":{"id":1,"id":2}}`, false},
		{`{"TableName":"mine"}{"TableName":"other"}`, false},
		{`{"TableName":"mine","x":"\ud83d"}`, false},
		{`Action=Publish&Message=a+%C3%BC&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A1%3Amine`, true},
		{`Action=Publish&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A1%3Amine&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A1%3Aother`, false},
		{`Action=Publish&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A1%3Amine&topicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A1%3Aother`, false},
	} {
		request := signedFor(t, "sns", "eu-west-1", "POST", "https://sns.eu-west-1.amazonaws.com/", c.body, awsForm)
		if !strings.HasPrefix(c.body, "Action") {
			request = signedFor(t, "dynamodb", "eu-west-1", "POST", "https://dynamodb.eu-west-1.amazonaws.com/", c.body, awsJSON10, "X-Amz-Target: DynamoDB_20120810.GetItem")
		}
		got = nil
		response, err := client.Do(request)
		require.NoError(t, err)
		text := body(t, response)
		if c.leaves {
			assert.Equal(t, http.StatusOK, response.StatusCode, text)
			assert.Equal(t, []string{c.body}, got)
			continue
		}
		assert.GreaterOrEqual(t, response.StatusCode, 400, c.body)
		assert.Empty(t, got, c.body)
	}
}

func TestIAMActionsAreListedWhereTheyDiffer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.upstream(func(http.ResponseWriter, *http.Request) {}, true, "acme.s3.eu-west-1.amazonaws.com")
	r.configure(awsPolicy)
	client := r.client(r.agent("a"), true)
	do := func(request *http.Request) audit.Exchange {
		response, err := client.Do(request)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, response.StatusCode, body(t, response))
		return r.rows()[0]
	}
	row := do(signedFor(t, "s3", "eu-west-1", "GET", "https://acme.s3.eu-west-1.amazonaws.com/?list-type=2&prefix=a", ""))
	assert.Equal(t, "aws:s3/ListObjectsV2", row.Operation)
	assert.Equal(t, "arn:aws:s3:::acme/a*", row.Resource)
	assert.Equal(t, []any{"s3:ListBucket"}, row.Details["iam_actions"])
	assert.Equal(t, "ListObjects", row.Details["event_name"])
	assert.Equal(t, "eu-west-1", row.Details["region"])
	row = do(signedFor(t, "s3", "eu-west-1", "PUT", "https://acme.s3.eu-west-1.amazonaws.com/a", "", "X-Amz-Copy-Source: other/b"))
	assert.Equal(t, []any{"aws:s3/CopyObject", "aws:s3/GetObject"}, row.Details["operations"])
	assert.Equal(t, []any{"arn:aws:s3:::acme/a", "arn:aws:s3:::other/b"}, row.Details["resources"])
	row = do(signedFor(t, "s3", "eu-west-1", "GET", "https://acme.s3.eu-west-1.amazonaws.com/a", ""))
	assert.NotContains(t, row.Details, "iam_actions")
}

// TestARequestSignedWithSomebodysKeyIsMarked: an agent that has keys may hold what it
// should not.
func TestARequestSignedWithSomebodysKeyIsMarked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.upstream(func(http.ResponseWriter, *http.Request) {}, true, "acme.s3.eu-west-1.amazonaws.com")
	r.configure(awsPolicy)
	a := r.agent("a")
	for key, marked := range map[string]bool{
		credentials.PlaceholderOf(a.ID.String()): false,
		credentials.Placeholder:                  false,
		credentials.PlaceholderOf("another"):     true,
		"AKIAIOSFODNN7EXAMPLE":                   true,
	} {
		request := signedFor(t, "s3", "eu-west-1", "GET", "https://acme.s3.eu-west-1.amazonaws.com/a", "")
		request.Header.Set("Authorization", strings.Replace(request.Header.Get("Authorization"), "=placeholder/", "="+key+"/", 1))
		response, err := r.client(a, true).Do(request)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, response.StatusCode, body(t, response))
		got, _ := r.rows()[0].Details["foreign_access_key_id"].(string)
		if marked {
			assert.Equal(t, key, got)
		} else {
			assert.Empty(t, got, key)
		}
	}
}

// TestAWSRefusalsAreInTheClientsProtocol: each protocol's clients find code, message and
// id where they look for them.
func TestAWSRefusalsAreInTheClientsProtocol(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.configure("policy: operator\nrules: []\n")
	client := r.client(r.agent("a"), true)
	const reason = "no rule of policy operator allows this request"
	for name, c := range map[string]struct {
		request *http.Request
		status  int
		media   string
		parts   []string
	}{
		"S3":        {signedFor(t, "s3", "eu-west-1", "GET", "https://acme.s3.eu-west-1.amazonaws.com/a", ""), 403, "application/xml", []string{"<Error><Code>AccessDenied</Code><Message>sallyport: ", reason, "<RequestId>"}},
		"dots":      {signedFor(t, "s3", "eu-west-1", "GET", "https://acme.s3.eu-west-1.amazonaws.com/a/%2e%2e/b", ""), 400, "application/xml", []string{"<Error><Code>InvalidRequest</Code>", "dot"}},
		"query":     {signedFor(t, "sts", "eu-west-1", "POST", "https://sts.eu-west-1.amazonaws.com/", "Action=GetCallerIdentity", awsForm), 403, "application/xml", []string{"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>", reason}},
		"EC2":       {signedFor(t, "ec2", "eu-west-1", "POST", "https://ec2.eu-west-1.amazonaws.com/", "Action=DescribeVpcs", awsForm), 403, "application/xml", []string{"<Response><Errors><Error><Code>AccessDenied</Code><Message>", reason, "<RequestID>"}},
		"REST XML":  {signedFor(t, "route53", "us-east-1", "GET", "https://route53.amazonaws.com/2013-04-01/hostedzone", ""), 403, "application/xml", []string{"<ErrorResponse>"}},
		"JSON":      {signedFor(t, "dynamodb", "eu-west-1", "POST", "https://dynamodb.eu-west-1.amazonaws.com/", "{}", awsJSON10, "X-Amz-Target: DynamoDB_20120810.ListTables"), 403, "application/x-amz-json-1.0", []string{`{"__type":"AccessDeniedException","message":"sallyport: `, reason}},
		"REST JSON": {signedFor(t, "lambda", "eu-west-1", "GET", "https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/", ""), 403, "application/json", []string{`"__type":"AccessDeniedException"`, reason}},
		"CBOR":      {signedFor(t, "monitoring", "eu-west-1", "POST", "https://monitoring.eu-west-1.amazonaws.com/service/GraniteServiceVersion20100801/operation/ListMetrics", "\xa0", "Smithy-Protocol: rpc-v2-cbor"), 403, "application/cbor", []string{"\xa2\x79\x00\x06__type\x79\x00\x15AccessDeniedException\x79\x00\x07message\x79", reason}},
		"unsigned":  {mustRequest(t, "https://acme.s3.eu-west-1.amazonaws.com/a"), 403, "application/xml", []string{"<Code>AccessDenied</Code>"}},
		"anybody's": {mustRequest(t, "https://x.elb.eu-west-1.amazonaws.com/"), 403, "application/json", []string{`"__type":"AccessDeniedException"`, reason}},
	} {
		response, err := client.Do(c.request)
		require.NoError(t, err, name)
		text := body(t, response)
		assert.Equal(t, c.status, response.StatusCode, name)
		assert.Equal(t, c.media, response.Header.Get("Content-Type"), name)
		assert.Contains(t, response.Header.Get("Proxy-Status"), "sallyport; error=", name)
		for _, part := range c.parts {
			assert.Contains(t, text, part, name)
		}
		row := r.rows()[0]
		assert.Contains(t, text, row.ID.String(), name)
		if c.media != "application/problem+json" {
			assert.Equal(t, row.ID.String(), response.Header.Get("X-Amzn-Requestid"), name)
		}
	}
}

func mustRequest(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	return r
}
