package api_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	aws "sallyport/services/aws/api"
)

// posted is a request of a JSON service.
func posted(service, host, operation, body string) aws.Request {
	return request(service, host, "POST /", target(operation), jsonBody11, body)
}

// How each service's requests name what they touch, and the ARN that this is ("Resource types
// defined by", Service Authorization Reference). The account is empty where only the caller's
// can be meant.
func TestTheARNOfWhatIsNamed(t *testing.T) {
	t.Parallel()
	const at = "eu-west-1:"
	for name, c := range map[string]struct {
		request aws.Request
		want    string
	}{
		"a table to make":            {posted("dynamodb", "dynamodb", "DynamoDB_20120810.CreateTable", `{"AttributeDefinitions":[],"TableName":"t"}`), "dynamodb:" + at + ":table/t"},
		"a scan of an index":         {posted("dynamodb", "dynamodb", "DynamoDB_20120810.Scan", `{"TableName":"t","IndexName":"i"}`), "dynamodb:" + at + ":table/t/index/i"},
		"an index of a table's ARN":  {posted("dynamodb", "dynamodb", "DynamoDB_20120810.Query", `{"TableName":"arn:aws:dynamodb:eu-west-1:1:table/t","IndexName":"i"}`), "dynamodb:" + at + "1:table/t/index/i"},
		"a table's tags":             {posted("dynamodb", "dynamodb", "DynamoDB_20120810.ListTagsOfResource", `{"ResourceArn":"arn:aws:dynamodb:eu-west-1:1:table/t"}`), "dynamodb:" + at + "1:table/t"},
		"a queue to make":            {posted("sqs", "sqs", "AmazonSQS.CreateQueue", `{"QueueName":"q"}`), "sqs:" + at + ":q"},
		"a FIFO queue":               {posted("sqs", "sqs", "AmazonSQS.PurgeQueue", `{"QueueUrl":"https://sqs.eu-west-1.amazonaws.com/123456789012/q.fifo"}`), "sqs:" + at + "123456789012:q.fifo"},
		"a queue of a local server":  {posted("sqs", "sqs", "AmazonSQS.ReceiveMessage", `{"QueueUrl":"http://localhost:4566/000000000000/q"}`), "sqs:" + at + "000000000000:q"},
		"a queue of an IPv6 address": {posted("sqs", "sqs", "AmazonSQS.DeleteQueue", `{"QueueUrl":"http://[::1]:4566/1/q"}`), "sqs:" + at + "1:q"},
		"a topic to make":            {request("sns", "sns", "POST /", formBody, "Action=CreateTopic&Name=t"), "sns:" + at + ":t"},
		"a topic's endpoint":         {request("sns", "sns", "POST /", formBody, "Action=Publish&TargetArn=arn%3Aaws%3Asns%3Aeu-west-1%3A1%3Aendpoint%2FAPNS%2Fa%2Fb&Message=m"), "sns:" + at + "1:endpoint/APNS/a/b"},
		"a subscription's topic":     {request("sns", "sns", "GET /?Action=ListSubscriptionsByTopic&TopicArn=arn:aws:sns:eu-west-1:1:t"), "sns:" + at + "1:t"},
		"a function to make":         {request("lambda", "lambda", "POST /2015-03-31/functions", "Content-Type: application/json", `{"FunctionName":"f"}`), "lambda:" + at + ":function:f"},
		"a function's version":       {request("lambda", "lambda", "POST /2015-03-31/functions/f%3A7/invocations"), "lambda:" + at + ":function:f:7"},
		"a function's whole ARN":     {request("lambda", "lambda", "DELETE /2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A1%3Afunction%3Af"), "lambda:" + at + "1:function:f"},
		"a function of 12 digits":    {request("lambda", "lambda", "GET /2015-03-31/functions/123456789012"), "lambda:" + at + ":function:123456789012"},
		"a version and a qualifier":  {request("lambda", "lambda", "POST /2015-03-31/functions/f%3A7/invocations?Qualifier=7"), "lambda:" + at + ":function:f:7"},
		"a stream of a function":     {request("lambda", "lambda", "POST /2021-11-15/functions/f/response-streaming-invocations"), "lambda:" + at + ":function:f"},
		"a secret to make":           {posted("secretsmanager", "secretsmanager", "secretsmanager.CreateSecret", `{"Name":"a/b","SecretString":"x"}`), "secretsmanager:" + at + ":secret:a/b"},
		"a secret's ARN":             {posted("secretsmanager", "secretsmanager", "secretsmanager.DescribeSecret", `{"SecretId":"arn:aws:secretsmanager:eu-west-1:1:secret:a-AbCdEf"}`), "secretsmanager:" + at + "1:secret:a-AbCdEf"},
		"a parameter":                {posted("ssm", "ssm", "AmazonSSM.PutParameter", `{"Name":"/a/b","Value":"x"}`), "ssm:" + at + ":parameter/a/b"},
		"a parameter without folder": {posted("ssm", "ssm", "AmazonSSM.GetParameter", `{"Name":"b"}`), "ssm:" + at + ":parameter/b"},
		"a parameter's label":        {posted("ssm", "ssm", "AmazonSSM.GetParameter", `{"Name":"/a/b:live"}`), "ssm:" + at + ":parameter/a/b"},
		"a folder of parameters":     {posted("ssm", "ssm", "AmazonSSM.GetParametersByPath", `{"Path":"/a/b/","Recursive":true}`), "ssm:" + at + ":parameter/a/b/*"},
		"every parameter":            {posted("ssm", "ssm", "AmazonSSM.GetParametersByPath", `{"Path":"/"}`), "ssm:" + at + ":parameter/*"},
		"a key's id":                 {posted("kms", "kms", "TrentService.Decrypt", `{"KeyId":"1234abcd-12ab","CiphertextBlob":""}`), "kms:" + at + ":key/1234abcd-12ab"},
		"a key's alias":              {posted("kms", "kms", "TrentService.GenerateDataKey", `{"KeyId":"alias/acme"}`), "kms:" + at + ":alias/acme"},
		"an alias' ARN":              {posted("kms", "kms", "TrentService.Sign", `{"KeyId":"arn:aws:kms:eu-west-1:1:alias/acme"}`), "kms:" + at + "1:alias/acme"},
		"an image's repository":      {posted("ecr", "api.ecr", "AmazonEC2ContainerRegistry_V20150921.BatchGetImage", `{"repositoryName":"team/app"}`), "ecr:" + at + ":repository/team/app"},
		"a log stream's group":       {posted("logs", "logs", "Logs_20140328.CreateLogStream", `{"logGroupName":"/aws/lambda/f","logStreamName":"s"}`), "logs:" + at + ":log-group:/aws/lambda/f"},
		"a group by its ARN":         {posted("logs", "logs", "Logs_20140328.GetLogEvents", `{"logGroupIdentifier":"arn:aws:logs:eu-west-1:1:log-group:g"}`), "logs:" + at + "1:log-group:g"},
		"a role to take":             {request("sts", "sts", "POST /", formBody, "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&WebIdentityToken=x"), "iam::1:role/r"},
		"a model":                    {request("bedrock", "bedrock-runtime", "POST /model/meta.llama3-8b-instruct-v1%3A0/invoke-with-response-stream"), "bedrock:" + at + ":foundation-model/meta.llama3-8b-instruct-v1:0"},
		"a profile of many regions":  {request("bedrock", "bedrock-runtime", "POST /model/global.anthropic.claude/converse"), "bedrock:" + at + ":inference-profile/global.anthropic.claude"},
		"a profile of one's own":     {request("bedrock", "bedrock-runtime", "POST /model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Aapplication-inference-profile%2Fx/converse"), "bedrock:" + at + "1:application-inference-profile/x"},
		"a model's description":      {request("bedrock", "bedrock", "GET /foundation-models/amazon.nova-lite-v1%3A0"), "bedrock:" + at + ":foundation-model/amazon.nova-lite-v1:0"},
	} {
		o, err := aws.Resolve(c.request)
		require.NoError(t, err, name)
		require.Len(t, o.Calls, 1, name)
		assert.Equal(t, "arn:aws:"+c.want, o.Calls[0].Resource, "%s: %s", name, o.Calls[0].Unknown)
		assert.True(t, aws.HasResources(o.Name), "%s: a rule may bound it", name)

		elsewhere := c.request
		elsewhere.Partition, elsewhere.Region = "aws-us-gov", "us-gov-west-1"
		o, err = aws.Resolve(elsewhere)
		require.NoError(t, err, name)
		if got := o.Calls[0].Resource; !strings.HasPrefix(got, "arn:aws:") { // by its own ARN it stays where it is
			assert.Equal(t, "arn:aws-us-gov:"+strings.Replace(c.want, "eu-west-1", "us-gov-west-1", 1), got, name)
		}
	}
}

// A request that names several things is a call for each, and each has to be allowed.
func TestOneCallForEachThing(t *testing.T) {
	t.Parallel()
	const table, parameter, group = "arn:aws:dynamodb:eu-west-1::table/", "arn:aws:ssm:eu-west-1::parameter/", "arn:aws:logs:eu-west-1::log-group:"
	for name, c := range map[string]struct {
		request   aws.Request
		resources []string
		actions   []string // of the last
	}{
		"tables to write":    {posted("dynamodb", "dynamodb", "DynamoDB_20120810.BatchWriteItem", `{"RequestItems":{"a":[],"b":[]}}`), []string{table + "a", table + "b"}, []string{"dynamodb:BatchWriteItem"}},
		"a transaction":      {posted("dynamodb", "dynamodb", "DynamoDB_20120810.TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"a"}},{"ConditionCheck":{"TableName":"b"}}]}`), []string{table + "a", table + "b"}, []string{"dynamodb:ConditionCheckItem"}},
		"a reading one":      {posted("dynamodb", "dynamodb", "DynamoDB_20120810.TransactGetItems", `{"TransactItems":[{"Get":{"TableName":"a"}}]}`), []string{table + "a"}, []string{"dynamodb:GetItem"}},
		"one table twice":    {posted("dynamodb", "dynamodb", "DynamoDB_20120810.TransactWriteItems", `{"TransactItems":[{"Update":{"TableName":"a"}},{"Delete":{"TableName":"a"}}]}`), []string{table + "a", table + "a"}, []string{"dynamodb:DeleteItem"}},
		"parameters to drop": {posted("ssm", "ssm", "AmazonSSM.DeleteParameters", `{"Names":["a","/b/c"]}`), []string{parameter + "a", parameter + "b/c"}, []string{"ssm:DeleteParameters"}},
		"groups of a query":  {posted("logs", "logs", "Logs_20140328.StartQuery", `{"logGroupName":"a","logGroupIdentifiers":["b"],"logGroupNames":["c"]}`), []string{group + "a", group + "c", group + "b"}, []string{"logs:StartQuery"}},
		"repositories":       {posted("ecr", "api.ecr", "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories", `{"repositoryNames":["a","b"]}`), []string{"arn:aws:ecr:eu-west-1::repository/a", "arn:aws:ecr:eu-west-1::repository/b"}, []string{"ecr:DescribeRepositories"}},
	} {
		o, err := aws.Resolve(c.request)
		require.NoError(t, err, name)
		var resources []string
		for _, call := range o.Calls {
			assert.Equal(t, o.Name, call.Operation, name)
			resources = append(resources, call.Resource)
		}
		assert.Equal(t, c.resources, resources, name)
		assert.Equal(t, c.actions, o.Calls[len(o.Calls)-1].Actions, name)
	}
}

// What could be one thing or another, or everything, is not known, with why. A rule about
// resources then refuses.
func TestWhatIsInDoubtIsNotKnown(t *testing.T) {
	t.Parallel()
	const nothing = "the request does not name its resource"
	const everything = "the request names nothing, which means everything"
	for name, c := range map[string]struct {
		request aws.Request
		why     string
	}{
		"no table":                      {posted("dynamodb", "dynamodb", "DynamoDB_20120810.GetItem", `{}`), nothing},
		"a table with a line feed":      {posted("dynamodb", "dynamodb", "DynamoDB_20120810.GetItem", `{"TableName":"a\nb"}`), "holds characters that no name has"},
		"a table that is a list":        {posted("dynamodb", "dynamodb", "DynamoDB_20120810.GetItem", `{"TableName":["a"]}`), "is not a string"},
		"a body that is a list":         {posted("dynamodb", "dynamodb", "DynamoDB_20120810.GetItem", `[]`), "the body "},
		"a tag of no ARN":               {posted("dynamodb", "dynamodb", "DynamoDB_20120810.TagResource", `{"ResourceArn":"t"}`), "not named by its ARN"},
		"no items":                      {posted("dynamodb", "dynamodb", "DynamoDB_20120810.BatchGetItem", `{"RequestItems":{}}`), everything},
		"items that are no object":      {posted("dynamodb", "dynamodb", "DynamoDB_20120810.BatchGetItem", `{"RequestItems":["a"]}`), "RequestItems "},
		"an empty transaction":          {posted("dynamodb", "dynamodb", "DynamoDB_20120810.TransactWriteItems", `{"TransactItems":[]}`), "has no items"},
		"no transaction":                {posted("dynamodb", "dynamodb", "DynamoDB_20120810.TransactWriteItems", `{}`), nothing},
		"a part without a table":        {posted("dynamodb", "dynamodb", "DynamoDB_20120810.TransactWriteItems", `{"TransactItems":[{"Put":{}}]}`), "cannot be read"},
		"a table that is a number":      {posted("dynamodb", "dynamodb", "DynamoDB_20120810.TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":1}}]}`), "cannot be read"},
		"names that are one":            {posted("ssm", "ssm", "AmazonSSM.GetParameters", `{"Names":"a"}`), "Names is not a list"},
		"names that are numbers":        {posted("ssm", "ssm", "AmazonSSM.GetParameters", `{"Names":[1]}`), "is not a string"},
		"no names":                      {posted("ssm", "ssm", "AmazonSSM.GetParameters", `{"Names":[]}`), everything},
		"a path that is relative":       {posted("ssm", "ssm", "AmazonSSM.GetParametersByPath", `{"Path":"a"}`), "not of the form /a/b"},
		"a path with a star":            {posted("ssm", "ssm", "AmazonSSM.GetParametersByPath", `{"Path":"/a*"}`), "not of the form /a/b"},
		"every repository":              {posted("ecr", "api.ecr", "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories", `{}`), nothing},
		"two names of a group":          {posted("logs", "logs", "Logs_20140328.GetLogEvents", `{"logGroupName":"a","logGroupIdentifier":"b"}`), "are both there"},
		"a query of no group":           {posted("logs", "logs", "Logs_20140328.StartQuery", `{"queryString":"x"}`), everything},
		"a queue by its name":           {posted("sqs", "sqs", "AmazonSQS.SendMessage", `{"QueueUrl":"q"}`), "not named by a URL"},
		"a queue owned twice":           {posted("sqs", "sqs", "AmazonSQS.GetQueueUrl", `{"QueueName":"arn:aws:sqs:eu-west-1:1:q","QueueOwnerAWSAccountId":"2"}`), "named twice"},
		"a topic by its name":           {request("sns", "sns", "POST /", formBody, "Action=Publish&TopicArn=t"), "not named by its ARN"},
		"a message to two":              {request("sns", "sns", "POST /", formBody, "Action=Publish&TopicArn=arn:aws:sns:eu-west-1:1:t&TargetArn=arn:aws:sns:eu-west-1:1:u"), "more than one target"},
		"a message to nobody":           {request("sns", "sns", "POST /", formBody, "Action=Publish&Message=m"), "more than one target"},
		"a function by half an ARN":     {request("lambda", "lambda", "GET /2015-03-31/functions/function%3Af"), "by a part of its ARN"},
		"a short ARN":                   {request("lambda", "lambda", "GET /2015-03-31/functions/arn%3Aaws%3Alambda"), "not named by its ARN"},
		"an archive to unpack":          {request("s3", "acme.s3", "PUT /a.tar", "X-Amz-Meta-Snowball-Auto-Extract: true"), "more than the key in the path"},
		"a list of no form":             {request("s3", "acme.s3", "POST /?delete", "[]"), "is not one that every server reads alike"},
		"a start of two forms":          {request("s3", "acme.s3", "GET /?list-type=2&start-after=..%2Fx"), "start-after: the key has a segment of only dots"},
		"an upload's copy, unread":      {request("s3", "acme.s3", "PUT /k?partNumber=1&uploadId=u", "X-Amz-Copy-Source: acme"), "the copy source cannot be read"},
		"a copy of an access point":     {request("s3", "acme.s3", "PUT /k", "X-Amz-Copy-Source: arn%3Aaws%3As3%3Aeu-west-1%3A1%3Aaccesspoint%2Fp%2Fobject%2Fk"), "the copy source"},
		"a copy source, once too often": {request("s3", "acme.s3", "PUT /k", "X-Amz-Copy-Source: acme/a", "X-Amz-Copy-Source: acme/b"), "the copy source cannot be read"},
	} {
		o, err := aws.Resolve(c.request)
		require.NoError(t, err, name)
		last := o.Calls[len(o.Calls)-1]
		assert.Empty(t, last.Resource, name)
		require.NotEmpty(t, last.Unknown, name)
		assert.Contains(t, last.Unknown, c.why, name)
	}
}

// What a rule's resources are held against: patterns that no operation of the rule can touch
// are slips, and so are resources for what names none.
func TestResourcesOfARule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		resource string
		patterns []string
		want     string // "" if it fits
	}{
		{"arn:aws:s3:::acme/*", []string{"s3/*"}, ""},
		{"*", []string{"s3/GetObject"}, ""},
		{"arn:aws:iam::1:role/r", []string{"sts/AssumeRole"}, ""},
		{"arn:aws:bedrock:*::foundation-model/*", []string{"bedrock-runtime/*"}, ""},
		{"arn:aws:ecr:*:*:repository/a", []string{"api.ecr/PutImage"}, ""},
		{"arn:aws:s3:::acme/*", []string{"*"}, ""},
		{"arn:aws:s3:::acme/*", []string{"sqs/*", "s3/PutObject"}, ""},
		{"arn:aws:s3:::acme/*", []string{"sqs/*"}, `resource "arn:aws:s3:::acme/*" is of s3, and the rule is about sqs`},
		{"arn:aws:s3:::acme", []string{"dynamodb/GetItem", "dynamodb/Query"}, "the rule is about dynamodb"},
		{"arn:aws:ec2:::x", []string{"ec2/RunInstances"}, "the resource of ec2/RunInstances cannot be told from a request; leave resources out"},
		{"arn:aws:s3:::acme/*", []string{"s3/RenameObject"}, "cannot be told from a request"},
		{"acme/*", []string{"s3/*"}, "write an ARN as arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE"},
		{"arn:aws:*:::acme", []string{"s3/*"}, "name the service"},
	} {
		r, err := aws.ParseResourceOf(c.resource, patterns(t, c.patterns...))
		if c.want == "" {
			require.NoError(t, err, "%s %v", c.resource, c.patterns)
			assert.Equal(t, c.resource, r.String())
			continue
		}
		require.ErrorContains(t, err, c.want)
	}
	r, err := aws.ParseResource("arn:aws:s3:::acme")
	require.NoError(t, err)
	assert.Equal(t, "s3", r.Service())
}

// Two patterns meet if some one thing lies in both: what a check for rules that exclude each
// other, or shadow one another, asks.
func TestPatternsThatMeet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"arn:aws:s3:::acme/*", "arn:aws:s3:::acme/k", true},
		{"arn:aws:s3:::acme/a*", "arn:aws:s3:::acme/*b", true},
		{"arn:aws:s3:::acme/a*", "arn:aws:s3:::acme/b*", false},
		{"arn:aws:s3:::acme/?", "arn:aws:s3:::acme/??", false},
		{"arn:aws:s3:::acme/?x", "arn:aws:s3:::acme/a?", true},
		{"arn:aws:s3:::acme", "arn:aws:s3:::acme/*", false},
		{"arn:aws:s3:::*", "arn:aws:s3:::acme/k", true},
		{"arn:aws:s3:::acme/*", "arn:aws-cn:s3:::acme/*", false},
		{"arn:aws:s3:::acme/*", "arn:aws:sqs:::acme/*", false},
		{"arn:aws:sqs:eu-*:1:q", "arn:aws:sqs:eu-west-1::q", true}, // whose it is, is not said
		{"arn:aws:sqs:eu-*:1:q", "arn:aws:sqs:us-east-1:1:q", false},
		{"arn:aws:sqs:*:1:q", "arn:aws:sqs:*:2:q", false},
		{"*", "arn:aws:sqs:*:2:q", true},
		{"arn:aws:s3:::a*b*c", "arn:aws:s3:::*x*", true},
	} {
		for _, pair := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
			r, err := aws.ParseResource(pair[0])
			require.NoError(t, err)
			assert.Equal(t, c.want, r.Meets(pair[1]), "%s and %s", pair[0], pair[1])
		}
	}
	r, err := aws.ParseResource("arn:aws:s3:::acme")
	require.NoError(t, err)
	assert.False(t, r.Meets("acme"), "what is no ARN is met by nothing")
	assert.False(t, aws.Resource{}.Meets("arn:aws:s3:::acme"))
}
