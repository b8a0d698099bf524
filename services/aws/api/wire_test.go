package api_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	aws "sallyport/services/aws/api"
)

const jsonBody11 = "Content-Type: application/x-amz-json-1.1"

// Requests as clients of AWS's send them, in each of the forms that its services speak. The
// names are botocore's; IAM's actions are those of the Service Authorization Reference.
func TestEachProtocolNamesItsOperation(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		request aws.Request
		want    string
		actions []string
	}{
		// JSON, by target.
		"json 1.0":                  {request("dynamodb", "dynamodb", "POST /", target("DynamoDB_20120810.ListTables"), jsonBody, "{}"), "dynamodb/ListTables", []string{"dynamodb:ListTables"}},
		"json 1.1":                  {request("ecs", "ecs", "POST /", target("AmazonEC2ContainerServiceV20141113.ListClusters"), jsonBody11, "{}"), "ecs/ListClusters", []string{"ecs:ListClusters"}},
		"json with a charset":       {request("kms", "kms", "POST /", target("TrentService.ListKeys"), jsonBody11+"; charset=utf-8", "{}"), "kms/ListKeys", []string{"kms:ListKeys"}},
		"json, plain type":          {request("logs", "logs", "POST /", target("Logs_20140328.DescribeLogGroups"), "Content-Type: application/json", "{}"), "logs/DescribeLogGroups", []string{"logs:DescribeLogGroups"}},
		"json, a dotted target":     {request("ssm", "ssm", "POST /", target("AmazonSSM.DescribeParameters"), jsonBody11, "{}"), "ssm/DescribeParameters", []string{"ssm:DescribeParameters"}},
		"json, target in the query": {request("sqs", "sqs", "POST /?X-Amz-Target=AmazonSQS.ListQueues", jsonBody, "{}"), "sqs/ListQueues", []string{"sqs:ListQueues"}},
		"json, signed otherwise":    {request("ecr", "api.ecr", "POST /", target("AmazonEC2ContainerRegistry_V20150921.DescribeRegistry"), jsonBody11, "{}"), "api.ecr/DescribeRegistry", []string{"ecr:DescribeRegistry"}},

		// Query, by Action.
		"query by GET":            {request("sts", "sts", "GET /?Action=GetCallerIdentity&Version=2011-06-15"), "sts/GetCallerIdentity", []string{"sts:GetCallerIdentity"}},
		"query by form":           {request("iam", "iam", "POST /", formBody, "Action=ListUsers&Version=2010-05-08"), "iam/ListUsers", []string{"iam:ListUsers"}},
		"query, a list in it":     {request("ec2", "ec2", "POST /", formBody, "Action=DescribeInstances&Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1&Version=2016-11-15"), "ec2/DescribeInstances", []string{"ec2:DescribeInstances"}},
		"query by POST, no form":  {request("sts", "sts", "POST /?Action=GetCallerIdentity"), "sts/GetCallerIdentity", []string{"sts:GetCallerIdentity"}},
		"query of a JSON service": {request("sqs", "sqs", "GET /?Action=ListQueues&Version=2012-11-05"), "sqs/ListQueues", []string{"sqs:ListQueues"}},
		"query at a queue":        {request("sqs", "sqs", "GET /123456789012/q?Action=ReceiveMessage"), "sqs/ReceiveMessage", []string{"sqs:ReceiveMessage"}},

		// CBOR, by path.
		"cbor":                 {request("monitoring", "monitoring", "POST /service/GraniteServiceVersion20100801/operation/PutMetricData", "Smithy-Protocol: rpc-v2-cbor", "Content-Type: application/cbor"), "monitoring/PutMetricData", []string{"cloudwatch:PutMetricData"}},
		"cbor without a body":  {request("monitoring", "monitoring", "POST /service/GraniteServiceVersion20100801/operation/DescribeAlarms", "Smithy-Protocol: rpc-v2-cbor"), "monitoring/DescribeAlarms", []string{"cloudwatch:DescribeAlarms"}},
		"the same in its form": {request("monitoring", "monitoring", "POST /", formBody, "Action=DescribeAlarms&Version=2010-08-01"), "monitoring/DescribeAlarms", []string{"cloudwatch:DescribeAlarms"}},

		// REST, by method, path and query.
		"rest":                     {request("lambda", "lambda", "GET /2015-03-31/functions/"), "lambda/ListFunctions", []string{"lambda:ListFunctions"}},
		"rest, a parameter":        {request("lambda", "lambda", "GET /2015-03-31/functions/f"), "lambda/GetFunction", []string{"lambda:GetFunction"}},
		"rest, below it":           {request("lambda", "lambda", "GET /2015-03-31/functions/f/configuration"), "lambda/GetFunctionConfiguration", []string{"lambda:GetFunctionConfiguration"}},
		"rest, method alone":       {request("lambda", "lambda", "DELETE /2015-03-31/functions/f"), "lambda/DeleteFunction", []string{"lambda:DeleteFunction"}},
		"rest in XML":              {request("route53", "route53", "POST /2013-04-01/hostedzone/Z1/rrset/"), "route53/ChangeResourceRecordSets", []string{"route53:ChangeResourceRecordSets"}},
		"rest, by a query key":     {request("cloudfront", "cloudfront", "POST /2020-05-31/distribution?WithTags"), "cloudfront/CreateDistributionWithTags", []string{"cloudfront:CreateDistribution", "cloudfront:TagResource"}},
		"rest, IAM's own verbs":    {request("apigateway", "apigateway", "GET /restapis"), "apigateway/GetRestApis", []string{"apigateway:GET"}},
		"rest, signed otherwise":   {request("bedrock", "bedrock-runtime", "POST /model/amazon.nova-lite-v1%3A0/converse-stream"), "bedrock-runtime/ConverseStream", []string{"bedrock:InvokeModelWithResponseStream"}},
		"rest, one of two doors":   {request("bedrock", "bedrock", "GET /foundation-models"), "bedrock/ListFoundationModels", []string{"bedrock:ListFoundationModels"}},
		"rest, an encoded ARN":     {request("eks", "eks", "GET /tags/arn%3Aaws%3Aeks%3Aeu-west-1%3A123456789012%3Acluster%2Fc"), "eks/ListTagsForResource", []string{"eks:ListTagsForResource"}},
		"rest, account's S3":       {request("s3", "123456789012.s3-control", "GET /v20180820/jobs"), "s3-control/ListJobs", []string{"s3:ListJobs"}},
		"rest, a store of one's":   {request("s3", "", "GET /"), "s3/ListBuckets", []string{"s3:ListAllMyBuckets"}},
		"rest, express":            {request("s3express", "s3express-control", "GET /"), "s3/ListDirectoryBuckets", []string{"s3express:ListAllMyDirectoryBuckets"}},
		"rest, a Lambda's answer":  {request("s3-object-lambda", "route.s3-object-lambda", "POST /WriteGetObjectResponse"), "s3/WriteGetObjectResponse", []string{"s3-object-lambda:WriteGetObjectResponse"}},
		"rest, an old name for it": {request("IngestionService", "importexport", "GET /?Action=ListJobs"), "importexport/ListJobs", []string{"importexport:ListJobs"}},
	} {
		o, err := aws.Resolve(c.request)
		require.NoError(t, err, name)
		assert.Equal(t, c.want, o.Name, name)
		assert.Equal(t, c.want, o.Calls[0].Operation, name)
		assert.Equal(t, c.actions, o.Calls[0].Actions, name)
	}
}

// CloudTrail calls some operations otherwise, and a row is to be found by its name.
func TestEventsAreCalledAsCloudTrailCallsThem(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]aws.Request{
		"ListObjects":           request("s3", "b.s3", "GET /?list-type=2"),
		"":                      request("s3", "b.s3", "GET /k"),
		"ListFunctions20150331": request("lambda", "lambda", "GET /2015-03-31/functions/"),
	} {
		o, err := aws.Resolve(r)
		require.NoError(t, err, want)
		assert.Equal(t, want, o.Event, o.Name)
	}
}

// What a body says is in doubt where the body is not known, and so is then what needs it; what
// needs none has its name all the same.
func TestBodiesThatAreNotKnown(t *testing.T) {
	t.Parallel()
	bodies := map[string]struct {
		body   func() ([]byte, bool, error)
		reason aws.Reason
		detail string
	}{
		"not there": {nil, aws.ReasonBody, "what it does is in its body, which is not known here"},
		"too long":  {func() ([]byte, bool, error) { return nil, true, nil }, aws.ReasonTooLarge, "the body is longer than is read to name a request (1 MiB)"},
		"broken":    {func() ([]byte, bool, error) { return nil, false, errors.New("secret of the transport") }, aws.ReasonBody, "the body could not be read"},
	}
	for name, b := range bodies {
		form := request("sts", "sts", "POST /", formBody)
		form.Body = b.body
		_, err := aws.Resolve(form)
		var u *aws.Unresolved
		require.ErrorAs(t, err, &u, name)
		assert.Equal(t, b.reason, u.Reason, name)
		assert.Equal(t, b.detail, u.Detail, name)

		for _, r := range []aws.Request{
			request("dynamodb", "dynamodb", "POST /", target("DynamoDB_20120810.GetItem"), jsonBody),
			request("s3", "acme.s3", "POST /?delete"),
		} {
			r.Body = b.body
			o, err := aws.Resolve(r)
			require.NoError(t, err, "%s: the name is elsewhere", name)
			assert.Equal(t, b.detail, o.Calls[0].Unknown, name)
			assert.Empty(t, o.Calls[0].Resource, name)
		}
		for _, r := range []aws.Request{
			request("s3", "acme.s3", "PUT /k"),
			request("lambda", "lambda", "POST /2015-03-31/functions/f/invocations"),
			request("sts", "sts", "GET /?Action=GetCallerIdentity"),
		} {
			if r.Method == http.MethodGet && b.body != nil {
				continue // a GET with a body is not one
			}
			r.Body = b.body
			o, err := aws.Resolve(r)
			require.NoError(t, err, name)
			assert.Empty(t, o.Calls[0].Unknown, "%s: %s", name, o.Name)
		}
	}
}

// A body is read once at most, and only by a request that says something in it.
func TestBodiesAreReadWhereTheyMatter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		request aws.Request
		reads   int
	}{
		"an upload":             {request("s3", "acme.s3", "PUT /k"), 0},
		"an invocation":         {request("lambda", "lambda", "POST /2015-03-31/functions/f/invocations"), 0},
		"a model":               {request("bedrock", "bedrock-runtime", "POST /model/amazon.nova/converse"), 0},
		"nothing to touch":      {request("ecs", "ecs", "POST /", target("AmazonEC2ContainerServiceV20141113.ListClusters"), jsonBody11, "{}"), 0},
		"cbor":                  {request("monitoring", "monitoring", "POST /service/GraniteServiceVersion20100801/operation/PutMetricData", "Smithy-Protocol: rpc-v2-cbor"), 0},
		"a copy":                {request("s3", "acme.s3", "PUT /k", "X-Amz-Copy-Source: acme/o"), 0},
		"a form":                {request("sns", "sns", "POST /", formBody, "Action=Publish&TopicArn=arn:aws:sns:eu-west-1:1:t&TargetArn=x"), 1},
		"two members of a body": {request("dynamodb", "dynamodb", "POST /", target("DynamoDB_20120810.Query"), jsonBody, `{"TableName":"t","IndexName":"i"}`), 1},
		"five members":          {request("logs", "logs", "POST /", target("Logs_20140328.StartQuery"), jsonBody11, `{"logGroupName":"a"}`), 1},
		"a list of keys":        {request("s3", "acme.s3", "POST /?delete", "<Delete><Object><Key>a</Key></Object></Delete>"), 1},
		"a restore":             {request("s3", "acme.s3", "POST /k?restore", "<RestoreRequest/>"), 1},
	} {
		reads, body := 0, c.request.Body
		c.request.Body = func() ([]byte, bool, error) {
			reads++
			return body()
		}
		_, err := aws.Resolve(c.request)
		require.NoError(t, err, name)
		assert.Equal(t, c.reads, reads, name)
	}
}

// The services that a request may be for, before anything else is known of it, are those of its
// host: a rule about one of them may then be asked.
func TestServicesAreThoseOfHostAndSignature(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		request aws.Request
		want    []string
	}{
		"one":                  {request("dynamodb", "dynamodb", "POST /"), []string{"dynamodb"}},
		"by its host":          {request("bedrock", "bedrock-runtime", "POST /"), []string{"bedrock-runtime"}},
		"the account's S3":     {request("s3", "123456789012.s3-control", "GET /"), []string{"s3-control"}},
		"a bucket":             {request("s3", "acme.s3", "GET /"), []string{"s3"}},
		"a Lambda's answer":    {request("s3-object-lambda", "route.s3-object-lambda", "POST /"), []string{"s3"}},
		"a function's own URL": {request("lambda", "abc.lambda-url", "POST /"), nil},
		"nobody's":             {request("takeover", "takeover", "POST /"), nil},
	} {
		assert.Equal(t, c.want, aws.Services(&c.request), name)
	}
	elsewhere := request("s3", "", "GET /")
	assert.ElementsMatch(t, []string{"s3", "s3-control"}, aws.Services(&elsewhere), "a store's host says nothing")
}

func TestNamesOfServices(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"s3": "s3", "monitoring": "monitoring", "api.ecr": "api.ecr", "bedrock-runtime": "bedrock-runtime"} {
		got, err := aws.ParseService(name)
		require.NoError(t, err, name)
		assert.Equal(t, want, got)
	}
	for name, want := range map[string]string{
		"cloudwatch": "cloudwatch is not the endpoint prefix of a service; write service: monitoring",
		"ecr":        "ecr is not the endpoint prefix of a service; write service: api.ecr",
		"ses":        "write service: email",
		"dynamdb":    "no service of AWS's is called dynamdb; did you mean dynamodb",
		"S3":         "did you mean s3",
	} {
		_, err := aws.ParseService(name)
		require.ErrorContains(t, err, want)
	}
	for operation, signs := range map[string]string{
		"bedrock-runtime/Converse": "bedrock", "api.ecr/PutImage": "ecr", "monitoring/ListMetrics": "monitoring", "s3-control/ListJobs": "s3", "nobody/TakeOver": "",
	} {
		assert.Equal(t, signs, aws.SigningName(operation), operation)
	}
	for signing, speaks := range map[string]bool{"sts": true, "ec2": true, "sqs": true, "monitoring": true, "dynamodb": false, "lambda": false, "s3": false, "nobody": false} {
		assert.Equal(t, speaks, aws.SpeaksQuery(signing), signing)
	}
}
