package api_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	aws "sallyport/services/aws/api"
)

// Bodies leave as they are, for their signature covers them. What two servers may read
// differently in one has no resource.
func TestJSONWithTwoReadingsTouchesNothingKnown(t *testing.T) {
	t.Parallel()
	item := func(body string, more ...string) aws.Request {
		return request("dynamodb", "dynamodb", "POST /", append([]string{target("DynamoDB_20120810.GetItem"), jsonBody, body}, more...)...)
	}
	write := func(items string) aws.Request {
		return request("dynamodb", "dynamodb", "POST /", target("DynamoDB_20120810.TransactWriteItems"), jsonBody, `{"TransactItems":`+items+`}`)
	}
	logs := func(body string) aws.Request {
		return request("logs", "logs", "POST /", target("Logs_20140328.StartQuery"), jsonBody, body)
	}
	queue := func(url string) aws.Request {
		return request("sqs", "sqs", "POST /", target("AmazonSQS.SendMessage"), jsonBody, `{"QueueUrl":"`+url+`"}`)
	}
	registry := func(more string) aws.Request {
		return request("ecr", "api.ecr", "POST /", target("AmazonEC2ContainerRegistry_V20150921.PutImage"), jsonBody, `{"repositoryName":"a",`+more+`}`)
	}
	function := func(media, body string) aws.Request {
		return request("lambda", "lambda", "POST /2015-03-31/functions", "Content-Type: "+media, body)
	}
	for name, r := range map[string]aws.Request{
		"key twice":                     item(`{"TableName":"a","TableName":"b"}`),
		"key twice, escaped":            item(`{"TableName":"a","Table\u004eame":"b"}`),
		"key twice, below":              item(`{"TableName":"a","Key":{"id":{"S":"1","S":"2"}}}`),
		"key in another case":           item(`{"TableName":"a","tableName":"b"}`),
		"key with a long s":             item(`{"TableName":"a","IndexName":"i","tableſame":1,"tablename":"b"}`),
		"key ended by NUL":              item(`{"TableName":"a","TableName\u0000":"b"}`),
		"data after":                    item(`{"TableName":"a"}{"TableName":"b"}`),
		"comment":                       item(`{"TableName":"a"/*,"TableName":"b"*/}`),
		"not UTF-8":                     item("{\"TableName\":\"a\",\"x\":\"\xff\"}"),
		"mark":                          item("{" + "\ufeff" + `"TableName":"a"}`),
		"half a pair":                   item(`{"TableName":"a","x":"\ud83d","y":1}`),
		"number without end":            item(`{"TableName":"a","Limit":1e999}`),
		"number that is nothing":        item(`{"TableName":"a","Limit":1e-999}`),
		"integer of 65 bits":            item(`{"TableName":"a","Limit":18446744073709551616}`),
		"very deep":                     item(`{"TableName":"a","x":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`),
		"part in another case":          write(`[{"Put":{"TableName":"a","tablename":"b"}}]`),
		"part with two kinds":           write(`[{"Put":{"TableName":"a"},"Delete":{"TableName":"b"}}]`),
		"part of no kind":               write(`[{"put":{"TableName":"a"}}]`),
		"index that is no text":         request("dynamodb", "dynamodb", "POST /", target("DynamoDB_20120810.Query"), jsonBody, `{"TableName":"a","IndexName":1}`),
		"index in another case":         request("dynamodb", "dynamodb", "POST /", target("DynamoDB_20120810.Query"), jsonBody, `{"TableName":"a","indexName":"i"}`),
		"one group of two unreadable":   logs(`{"logGroupName":"a","logGroupNames":"b"}`),
		"one group in another case":     logs(`{"logGroupName":"a","LogGroupNames":["b"]}`),
		"account in another case":       registry(`"RegistryId":"1"`),
		"account that is a number":      registry(`"registryId":1`),
		"account with more in it":       registry(`"registryId":"1:repository/b"`),
		"account twice":                 registry(`"registryId":"1","registryId":"2"`),
		"account that is none":          request("lambda", "lambda", "POST /2015-03-31/functions/1%3A2%3Afunction%3Af/invocations"),
		"queue with a fragment":         queue("https://sqs/1/q#/2/r"),
		"queue with a query":            queue("https://sqs/1/q?x"),
		"queue with a user":             queue("https://sqs@other/1/q"),
		"queue with an escape":          queue("https://sqs/1/q%2Fr"),
		"queue with slashes":            queue("https://sqs//1/q"),
		"queue with a slash at the end": queue("https://sqs/1/q/"),
		"queue with a backslash":        queue(`https://sqs\\/1/q`),
		"text":                          function("text/plain", `{"FunctionName":"f"}`),
		"another charset":               function("application/json; charset=utf-16", `{"FunctionName":"f"}`),
	} {
		o, err := aws.Resolve(r)
		require.NoError(t, err, name)
		for _, c := range o.Calls {
			assert.NotEmpty(t, c.Unknown, name)
			assert.Empty(t, c.Resource, name)
		}
	}
	for _, media := range []string{"application/json", "application/json; charset=UTF-8", "application/x-amz-json-1.1"} {
		o, err := aws.Resolve(function(media, `{ "FunctionName" : "f" , "Timeout":3 } `))
		require.NoError(t, err)
		assert.Equal(t, []string{"lambda/CreateFunction arn:aws:lambda:eu-west-1::function:f"}, calls(o))
	}
}

func TestFormsWithTwoReadingsHaveNoName(t *testing.T) {
	t.Parallel()
	const publish = "Action=Publish&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A1%3At"
	form := func(body string, header ...string) aws.Request {
		return request("sns", "sns", "POST /", append(append([]string{}, header...), formBody, body)...)
	}
	o, err := aws.Resolve(form(publish + "&Message=a+b%0A%C3%BC&"))
	require.NoError(t, err)
	assert.Equal(t, []string{"sns/Publish arn:aws:sns:eu-west-1:1:t"}, calls(o))
	for name, r := range map[string]aws.Request{
		"member twice":            form(publish + "&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A1%3Ab"),
		"member in two cases":     form(publish + "&topicarn=arn%3Aaws%3Asns%3Aeu-west-1%3A1%3Ab"),
		"member, once encoded":    form(publish + "&Topic%41rn=arn%3Aaws%3Asns%3Aeu-west-1%3A1%3Ab"),
		"another member twice":    form(publish + "&Message=a&Message=b"),
		"member in query, too":    request("sns", "sns", "POST /?TopicArn=x", formBody, publish),
		"action encoded":          form("%41ction=Publish"),
		"plus in a name":          form(publish + "&a+b=c"),
		"name that is empty":      form(publish + "&=c"),
		"name with a bracket":     form(publish + "&TopicArn[]=c"),
		"semicolon":               form(publish + ";Action=CreateTopic"),
		"line feed":               form(publish + "\n"),
		"not encoded":             form(publish + "&Message=\u00fc"),
		"not UTF-8":               form(publish + "&Message=%FF"),
		"invalid escape":          form(publish + "&Message=%zz"),
		"body of a GET":           request("sns", "sns", "GET /?Action=ListTopics", formBody, "Action=CreateTopic"),
		"another charset":         request("sns", "sns", "POST /", "Content-Type: application/x-www-form-urlencoded; charset=utf-16", publish),
		"EBCDIC":                  request("sns", "sns", "POST /", "Content-Type: application/x-www-form-urlencoded;charset=cp037", publish),
		"plus in the query":       request("sns", "sns", "GET /?Action=Publish&TopicArn=arn:aws:sns:eu-west-1:1:a+b"),
		"encoded name in query":   request("sns", "sns", "GET /?Action=Publish&Topic%41rn=arn:aws:sns:eu-west-1:1:t"),
		"JSON in another charset": request("sqs", "sqs", "POST /", target("AmazonSQS.ListQueues"), "Content-Type: application/x-amz-json-1.0; charset=utf-16", "{}"),
		"CBOR that is JSON":       request("monitoring", "monitoring", "POST /service/GraniteServiceVersion20100801/operation/ListMetrics", "Smithy-Protocol: rpc-v2-cbor", "Content-Type: application/json", "{}"),
	} {
		o, err := aws.Resolve(r)
		assert.Error(t, err, "%s: %v", name, o)
	}
}

// Whoever reads a body whose table is known finds that table: the last of the keys that
// stand twice or the first, with regard for case or without.
func FuzzOneReading(f *testing.F) {
	for _, seed := range []string{
		`{"TableName":"t"}`, `{"TableName":"a","TableName":"b"}`, `{"TableName":"a","tablename":"b"}`, `{"x":{"TableName":"b"},"Table\u004eame":"a"}`,
		`{"TableName":"a"}{"TableName":"b"}`, `{"TableName":"\ud83d\ude00"}`, "\ufeff" + `{"TableName":"a"}`, `{"tableſame":1,"TableName":"K"}`, `{"TableName":"a","x":"\ud800"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := request("dynamodb", "dynamodb", "POST /", target("DynamoDB_20120810.GetItem"), jsonBody)
		r.Body = func() ([]byte, bool, error) { return []byte(body), false, nil }
		o, err := aws.Resolve(r)
		require.NoError(t, err)
		table, known := strings.CutPrefix(o.Calls[0].Resource, "arn:aws:dynamodb:eu-west-1::table/")
		if !known {
			return
		}
		var folded struct{ TableName string }
		require.NoError(t, json.Unmarshal([]byte(body), &folded))
		assert.Equal(t, folded.TableName, table)
		assert.Equal(t, firstOf(t, body, "TableName"), table)
	})
}

// firstOf reads the first of the members with a name.
func firstOf(t *testing.T, body, name string) string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader([]byte(body)))
	_, err := d.Token()
	require.NoError(t, err)
	for d.More() {
		key, err := d.Token()
		require.NoError(t, err)
		var value any
		require.NoError(t, d.Decode(&value))
		if key == name {
			text, _ := value.(string)
			return text
		}
	}
	return ""
}
