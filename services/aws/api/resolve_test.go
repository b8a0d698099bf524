package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	aws "sallyport/services/aws/api"
)

// request reads "METHOD HOST PATH?QUERY", then header lines, then the body.
func request(service, host, line string, rest ...string) aws.Request {
	method, target, _ := strings.Cut(line, " ")
	path, query, _ := strings.Cut(target, "?")
	r := aws.Request{Method: method, Path: path, Query: query, Service: service, Region: "eu-west-1", Host: host, Header: http.Header{}}
	body := ""
	for _, h := range rest {
		if name, value, ok := strings.Cut(h, ": "); ok && !strings.HasPrefix(h, "{") && !strings.HasPrefix(h, "<") {
			r.Header.Add(name, value)
			continue
		}
		body = h
	}
	r.Body = func() ([]byte, bool, error) { return []byte(body), false, nil }
	return r
}

const (
	jsonBody = "Content-Type: application/x-amz-json-1.0"
	formBody = "Content-Type: application/x-www-form-urlencoded; charset=utf-8"
)

func target(name string) string { return "X-Amz-Target: " + name }

func TestConflictingOrUnknownRequestsHaveNoName(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reason  aws.Reason
		request aws.Request
	}{
		"target and action":          {aws.ReasonConflict, request("monitoring", "monitoring", "POST /?Action=ListMetrics", target("GraniteServiceVersion20100801.PutMetricData"), jsonBody)},
		"target and form":            {aws.ReasonConflict, request("sqs", "sqs", "POST /", target("AmazonSQS.ListQueues"), formBody, "Action=DeleteQueue")},
		"two targets":                {aws.ReasonConflict, request("sqs", "sqs", "POST /", target("AmazonSQS.ListQueues"), target("AmazonSQS.DeleteQueue"), jsonBody)},
		"target in the query too":    {aws.ReasonConflict, request("sqs", "sqs", "POST /?X-Amz-Target=AmazonSQS.DeleteQueue", target("AmazonSQS.ListQueues"), jsonBody)},
		"cbor and target":            {aws.ReasonConflict, request("monitoring", "monitoring", "POST /service/GraniteServiceVersion20100801/operation/ListMetrics", "Smithy-Protocol: rpc-v2-cbor", target("GraniteServiceVersion20100801.PutMetricData"))},
		"cbor path, no header":       {aws.ReasonConflict, request("monitoring", "monitoring", "POST /service/GraniteServiceVersion20100801/operation/ListMetrics", jsonBody)},
		"action in query and form":   {aws.ReasonConflict, request("sts", "sts", "POST /?Action=GetCallerIdentity", formBody, "Action=AssumeRole")},
		"two actions in the form":    {aws.ReasonConflict, request("sts", "sts", "POST /", formBody, "Action=GetCallerIdentity&Action=AssumeRole")},
		"action in another case":     {aws.ReasonConflict, request("sts", "sts", "POST /", formBody, "action=GetCallerIdentity")},
		"action and another body":    {aws.ReasonConflict, request("sts", "sts", "POST /?Action=GetCallerIdentity", jsonBody, "{}")},
		"action elsewhere":           {aws.ReasonConflict, request("sts", "sts", "POST /x", formBody, "Action=GetCallerIdentity")},
		"encoded form":               {aws.ReasonBody, request("sts", "sts", "POST /", formBody, "Content-Encoding: gzip", "Action=GetCallerIdentity")},
		"semicolon in the form":      {aws.ReasonBody, request("sts", "sts", "POST /", formBody, "Action=GetCallerIdentity;Action=AssumeRole")},
		"unknown action":             {aws.ReasonUnknown, request("sts", "sts", "POST /", formBody, "Action=TakeOver")},
		"unknown target":             {aws.ReasonUnknown, request("sqs", "sqs", "POST /", target("AmazonSQS.TakeOver"), jsonBody)},
		"target of another service":  {aws.ReasonUnknown, request("sqs", "sqs", "POST /", target("DynamoDB_20120810.GetItem"), jsonBody)},
		"no target":                  {aws.ReasonUnknown, request("dynamodb", "dynamodb", "POST /", jsonBody, "{}")},
		"target by GET":              {aws.ReasonConflict, request("dynamodb", "dynamodb", "GET /", target("DynamoDB_20120810.GetItem"), jsonBody)},
		"unknown service":            {aws.ReasonService, request("takeover", "", "POST /")},
		"a function's own URL":       {aws.ReasonHost, request("lambda", "abc.lambda-url", "POST /2015-03-31/functions/f/invocations")},
		"a search domain":            {aws.ReasonHost, request("es", "search-x.es", "DELETE /2021-01-01/opensearch/domain/x")},
		"a REST API":                 {aws.ReasonHost, request("execute-api", "abc.execute-api", "GET /prod/things")},
		"two subresources":           {aws.ReasonConflict, request("s3", "b.s3", "GET /k?acl&tagging")},
		"one subresource twice":      {aws.ReasonConflict, request("s3", "b.s3", "GET /k?versionId=1&acl&acl")},
		"a part and no upload":       {aws.ReasonConflict, request("s3", "b.s3", "PUT /k?partNumber=1")},
		"an unknown key":             {aws.ReasonQuery, request("s3", "b.s3", "GET /k?takeover")},
		"x-id of another":            {aws.ReasonConflict, request("s3", "b.s3", "GET /k?x-id=DeleteObject")},
		"a copy source on a read":    {aws.ReasonConflict, request("s3", "b.s3", "GET /k", "X-Amz-Copy-Source: o/k")},
		"an encoded bucket":          {aws.ReasonPath, request("s3", "s3", "GET /%62/k")},
		"an empty bucket":            {aws.ReasonPath, request("s3", "s3", "GET //bucket/key")},
		"an empty bucket alone":      {aws.ReasonPath, request("s3", "s3", "GET //")},
		"an empty bucket, elsewhere": {aws.ReasonPath, atStore(request("s3", "", "GET //bucket/key"))},
		"a store's administration":   {aws.ReasonPath, atStore(request("s3", "", "GET /minio/admin/v3/list-users"))},
		"a rename source on a write": {aws.ReasonConflict, request("s3", "b.s3", "PUT /k", "X-Amz-Rename-Source: o")},
		"outposts":                   {aws.ReasonService, request("s3-outpost", "b.s3-outposts", "GET /k")},
		"a dot segment":              {aws.ReasonPath, request("lambda", "lambda", "GET /2015-03-31/functions/../functions/f")},
		"a needless escape":          {aws.ReasonPath, request("lambda", "lambda", "GET /2015-03-31/function%73/f")},
		"an empty segment":           {aws.ReasonPath, request("lambda", "lambda", "GET /2015-03-31//functions")},
		"a slash that divides":       {aws.ReasonPath, request("lambda", "lambda", "GET /2015-03-31/functions/f%2Fconfiguration")},
		"another operation's switch": {aws.ReasonConflict, request("chime", "chime", "POST /accounts/a?operation=take-over")},
		"an invalid escape":          {aws.ReasonQuery, request("s3", "b.s3", "GET /k?a=%zz")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, err := aws.Resolve(c.request)
			require.Error(t, err, "%+v", o)
			var u *aws.Unresolved
			require.ErrorAs(t, err, &u)
			assert.Equal(t, c.reason, u.Reason, u.Detail)
		})
	}
}

// calls are written as "operation resource", or "operation ? why".
func calls(o aws.Operation) []string {
	var all []string
	for _, c := range o.Calls {
		text := c.Operation + " " + c.Resource
		if c.Unknown != "" {
			text = c.Operation + " ? " + c.Unknown
		}
		all = append(all, strings.TrimSpace(text))
	}
	return all
}

const oddList = "the list of keys to delete is not one that every server reads alike: it holds Object with Key and, once each, " +
	"VersionId, ETag, LastModifiedTime and Size, at most 1,000 times, without comments, prefixes and CDATA"

func TestWhatARequestTouches(t *testing.T) {
	t.Parallel()
	const dynamo = "DynamoDB_20120810."
	for name, c := range map[string]struct {
		request aws.Request
		want    []string
	}{
		"an object":            {request("s3", "acme.s3", "GET /agents/a%20b%2Bc//d"), []string{"s3/GetObject arn:aws:s3:::acme/agents/a b+c//d"}},
		"an object, by path":   {request("s3", "s3", "PUT /acme/k?x-id=PutObject"), []string{"s3/PutObject arn:aws:s3:::acme/k"}},
		"an object, elsewhere": {request("s3", "", "PUT /acme/k"), []string{"s3/PutObject arn:aws:s3:::acme/k"}},
		"a bucket":             {request("s3", "acme.s3", "GET /?location"), []string{"s3/GetBucketLocation arn:aws:s3:::acme"}},
		"a listing":            {request("s3", "acme.s3", "GET /?list-type=2&prefix=agents%2F"), []string{"s3/ListObjectsV2 arn:aws:s3:::acme/agents/*"}},
		"everything":           {request("s3", "acme.s3", "GET /"), []string{"s3/ListObjects arn:aws:s3:::acme/*"}},
		"all buckets":          {request("s3", "s3", "GET /"), []string{"s3/ListBuckets *"}},
		"an access point":      {request("s3", "point-123456789012.s3-accesspoint", "GET /k"), []string{"s3/GetObject arn:aws:s3:eu-west-1:123456789012:accesspoint/point/object/k"}},
		"a copy":               {request("s3", "acme.s3", "PUT /k", "X-Amz-Copy-Source: /other/a%20b?versionId=1"), []string{"s3/CopyObject arn:aws:s3:::acme/k", "s3/GetObject arn:aws:s3:::other/a b"}},
		"a copy with a plus":   {request("s3", "acme.s3", "PUT /k", "X-Amz-Copy-Source: other/a+b"), []string{"s3/CopyObject arn:aws:s3:::acme/k", "s3/GetObject ? a + in the copy source is read as a space by some; write %2B or %20"}},
		"a presigned copy":     {request("s3", "acme.s3", "PUT /k?x-amz-copy-source=other%2Fk"), []string{"s3/CopyObject arn:aws:s3:::acme/k", "s3/GetObject arn:aws:s3:::other/k"}},
		"an ACL on the way":    {request("s3", "acme.s3", "PUT /k", "X-Amz-Acl: public-read", "X-Amz-Tagging: a=b"), []string{"s3/PutObject arn:aws:s3:::acme/k", "s3/PutObjectAcl arn:aws:s3:::acme/k", "s3/PutObjectTagging arn:aws:s3:::acme/k"}},
		"objects to delete":    {request("s3", "acme.s3", "POST /?delete", "<Delete><Object><Key>a</Key></Object><Object><Key>b/c</Key><VersionId>1</VersionId></Object></Delete>"), []string{"s3/DeleteObjects arn:aws:s3:::acme/a", "s3/DeleteObjects arn:aws:s3:::acme/b/c"}},
		"an unreadable list":   {request("s3", "acme.s3", "POST /?delete", "<Delete><Object><Key>a</Key></Object></Delete><x/>"), []string{"s3/DeleteObjects ? " + oddList}},
		"a table":              {request("dynamodb", "dynamodb", "POST /", target(dynamo+"GetItem"), jsonBody, `{"TableName":"t"}`), []string{"dynamodb/GetItem arn:aws:dynamodb:eu-west-1::table/t"}},
		"a table, by ARN":      {request("dynamodb", "dynamodb", "POST /", target(dynamo+"GetItem"), jsonBody, `{"TableName":"arn:aws:dynamodb:eu-west-1:1:table/t"}`), []string{"dynamodb/GetItem arn:aws:dynamodb:eu-west-1:1:table/t"}},
		"an account's host":    {request("dynamodb", "123456789012.ddb", "POST /", target(dynamo+"GetItem"), jsonBody, `{"TableName":"t"}`), []string{"dynamodb/GetItem arn:aws:dynamodb:eu-west-1::table/t"}},
		"an index":             {request("dynamodb", "dynamodb", "POST /", target(dynamo+"Query"), jsonBody, `{"TableName":"t","IndexName":"i"}`), []string{"dynamodb/Query arn:aws:dynamodb:eu-west-1::table/t/index/i"}},
		"two tables":           {request("dynamodb", "dynamodb", "POST /", target(dynamo+"BatchGetItem"), jsonBody, `{"RequestItems":{"a":{},"b":{}}}`), []string{"dynamodb/BatchGetItem arn:aws:dynamodb:eu-west-1::table/a", "dynamodb/BatchGetItem arn:aws:dynamodb:eu-west-1::table/b"}},
		"a transaction":        {request("dynamodb", "dynamodb", "POST /", target(dynamo+"TransactWriteItems"), jsonBody, `{"TransactItems":[{"Put":{"TableName":"a"}},{"Delete":{"TableName":"b"}}]}`), []string{"dynamodb/TransactWriteItems arn:aws:dynamodb:eu-west-1::table/a", "dynamodb/TransactWriteItems arn:aws:dynamodb:eu-west-1::table/b"}},
		"a key twice":          {request("dynamodb", "dynamodb", "POST /", target(dynamo+"GetItem"), jsonBody, `{"TableName":"a","TableName":"b"}`), []string{"dynamodb/GetItem ? the body names a key twice"}},
		"a key in two cases":   {request("dynamodb", "dynamodb", "POST /", target(dynamo+"GetItem"), jsonBody, `{"TableName":"a","tablename":"b"}`), []string{"dynamodb/GetItem ? the body has TableName in another case"}},
		"a queue":              {request("sqs", "sqs", "POST /", target("AmazonSQS.SendMessage"), jsonBody, `{"QueueUrl":"https://sqs.eu-west-1.amazonaws.com/123456789012/q"}`), []string{"sqs/SendMessage arn:aws:sqs:eu-west-1:123456789012:q"}},
		"a queue, old form":    {request("sqs", "sqs", "POST /123456789012/q", formBody, "Action=SendMessage&MessageBody=x"), []string{"sqs/SendMessage arn:aws:sqs:eu-west-1:123456789012:q"}},
		"a topic":              {request("sns", "sns", "POST /", formBody, "Action=Publish&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A1%3At"), []string{"sns/Publish arn:aws:sns:eu-west-1:1:t"}},
		"a queue, two ways":    {request("sqs", "sqs", "POST /1/q", formBody, "Action=SendMessage&QueueUrl=https%3A%2F%2Fsqs%2F2%2Fq"), []string{"sqs/SendMessage ? the queue is named twice, in the path and in QueueUrl"}},
		"a spoofed function":   {request("lambda", "lambda", "POST /2015-03-31/functions?FunctionName=mine", `{"FunctionName":"other"}`), []string{"lambda/CreateFunction arn:aws:lambda:eu-west-1::function:other"}},
		"two qualifiers":       {request("lambda", "lambda", "POST /2015-03-31/functions/f/invocations?Qualifier=a&Qualifier=b"), []string{"lambda/Invoke ? Qualifier is there more than once"}},
		"two prefixes":         {request("s3", "acme.s3", "GET /?list-type=2&prefix=agents%2F&prefix="), []string{"s3/ListObjectsV2 ? prefix is there more than once"}},
		"a telephone":          {request("sns", "sns", "POST /", formBody, "Action=Publish&PhoneNumber=1"), []string{"sns/Publish ? the message goes to a telephone number, or to more than one target"}},
		"a function":           {request("lambda", "lambda", "POST /2015-03-31/functions/f/invocations?Qualifier=live"), []string{"lambda/Invoke arn:aws:lambda:eu-west-1::function:f:live"}},
		"another's function":   {request("lambda", "lambda", "POST /2015-03-31/functions/123456789012%3Afunction%3Af/invocations"), []string{"lambda/Invoke arn:aws:lambda:eu-west-1:123456789012:function:f"}},
		"a secret":             {request("secretsmanager", "secretsmanager", "POST /", target("secretsmanager.GetSecretValue"), jsonBody, `{"SecretId":"prod/db"}`), []string{"secretsmanager/GetSecretValue arn:aws:secretsmanager:eu-west-1::secret:prod/db"}},
		"parameters":           {request("ssm", "ssm", "POST /", target("AmazonSSM.GetParameters"), jsonBody, `{"Names":["/a/b","c:2"]}`), []string{"ssm/GetParameters arn:aws:ssm:eu-west-1::parameter/a/b", "ssm/GetParameters arn:aws:ssm:eu-west-1::parameter/c"}},
		"a key":                {request("kms", "kms", "POST /", target("TrentService.Encrypt"), jsonBody, `{"KeyId":"alias/k"}`), []string{"kms/Encrypt arn:aws:kms:eu-west-1::alias/k"}},
		"a repository":         {request("ecr", "api.ecr", "POST /", target("AmazonEC2ContainerRegistry_V20150921.PutImage"), jsonBody, `{"repositoryName":"a/b"}`), []string{"api.ecr/PutImage arn:aws:ecr:eu-west-1::repository/a/b"}},
		"another's repository": {request("ecr", "api.ecr", "POST /", target("AmazonEC2ContainerRegistry_V20150921.PutImage"), jsonBody, `{"repositoryName":"a/b","registryId":"210987654321"}`), []string{"api.ecr/PutImage arn:aws:ecr:eu-west-1:210987654321:repository/a/b"}},
		"another's queue":      {request("sqs", "sqs", "POST /", target("AmazonSQS.GetQueueUrl"), jsonBody, `{"QueueName":"q","QueueOwnerAWSAccountId":"210987654321"}`), []string{"sqs/GetQueueUrl arn:aws:sqs:eu-west-1:210987654321:q"}},
		"another's, by form":   {request("sqs", "sqs", "POST /", formBody, "Action=GetQueueUrl&QueueName=q&QueueOwnerAWSAccountId=210987654321"), []string{"sqs/GetQueueUrl arn:aws:sqs:eu-west-1:210987654321:q"}},
		"a role":               {request("sts", "sts", "POST /", formBody, "Action=AssumeRole&RoleArn=arn:aws:iam::1:role/r"), []string{"sts/AssumeRole arn:aws:iam::1:role/r"}},
		"a log group":          {request("logs", "logs", "POST /", target("Logs_20140328.PutLogEvents"), jsonBody, `{"logGroupName":"/a"}`), []string{"logs/PutLogEvents arn:aws:logs:eu-west-1::log-group:/a"}},
		"a model":              {request("bedrock", "bedrock-runtime", "POST /model/anthropic.claude-v2%3A1/invoke"), []string{"bedrock-runtime/InvokeModel arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-v2:1"}},
		"a profile":            {request("bedrock", "bedrock-runtime", "POST /model/eu.anthropic.claude-v2%3A1/converse"), []string{"bedrock-runtime/Converse arn:aws:bedrock:eu-west-1::inference-profile/eu.anthropic.claude-v2:1"}},
		"a metric, by CBOR":    {request("monitoring", "monitoring", "POST /service/GraniteServiceVersion20100801/operation/ListMetrics", "Smithy-Protocol: rpc-v2-cbor"), []string{"monitoring/ListMetrics"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, err := aws.Resolve(c.request)
			require.NoError(t, err)
			assert.Equal(t, c.want, calls(o))
		})
	}
}
