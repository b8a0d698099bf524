package api_test

import (
	"net/http"
	"strings"
	"testing"

	aws "sallyport/services/aws/api"
)

// Whatever a request holds, it has one name or none, always the same, and every call is
// of a known operation; a resource is an ARN or everything.
func FuzzResolve(f *testing.F) {
	f.Add("GET", "s3", "b.s3", "/a/b", "list-type=2&prefix=a", "", "", "")
	f.Add("POST", "sts", "sts", "/", "", "", formBody[14:], "Action=AssumeRole&RoleArn=arn:aws:iam::1:role/r")
	f.Add("POST", "dynamodb", "dynamodb", "/", "", "DynamoDB_20120810.BatchGetItem", jsonBody[14:], `{"RequestItems":{"a":{}}}`)
	f.Add("POST", "lambda", "", "/2015-03-31/functions/f%2Fg/invocations", "Qualifier=x", "", "", "{}")
	f.Add("POST", "s3", "s3", "/b", "delete", "", "", "<Delete><Object><Key>k</Key></Object></Delete>")
	f.Fuzz(func(t *testing.T, method, service, host, path, query, target, contentType, body string) {
		read := 0
		r := aws.Request{Method: method, Service: service, Host: host, Path: path, Query: query, Region: "eu-west-1", Header: http.Header{}}
		if target != "" {
			r.Header.Set("X-Amz-Target", target)
		}
		r.Header.Set("Content-Type", contentType)
		r.Body = func() ([]byte, bool, error) { read++; return []byte(body), false, nil }
		o, err := aws.Resolve(r)
		if read > 1 {
			t.Fatal("the body is read twice")
		}
		if err != nil {
			if len(o.Calls) > 0 || o.Name != "" || err.Error() == "" {
				t.Fatal("an error with a name, or without a reason")
			}
			return
		}
		if len(o.Calls) == 0 || o.Calls[0].Operation != o.Name || aws.SigningName(o.Name) == "" {
			t.Fatalf("%+v", o)
		}
		if target != "" && strings.Contains(query, "Action=") {
			t.Fatal("two signals and a name")
		}
		for _, c := range o.Calls {
			if c.Resource != "" && c.Resource != "*" && !strings.HasPrefix(c.Resource, "arn:") || c.Resource != "" && c.Unknown != "" {
				t.Fatalf("%+v", c)
			}
		}
		again, err := aws.Resolve(r)
		if err != nil || again.Name != o.Name || len(again.Calls) != len(o.Calls) {
			t.Fatal("a second look sees something else")
		}
	})
}

func FuzzResourcePattern(f *testing.F) {
	f.Add("arn:aws:s3:::b/*", "arn:aws:s3:::b/k")
	f.Fuzz(func(t *testing.T, pattern, arn string) {
		p, err := aws.ParseResource(pattern)
		if err == nil && !strings.ContainsAny(pattern, "*?") && strings.Count(arn, ":") >= 5 &&
			strings.SplitN(arn, ":", 6)[4] != "" && p.Matches(arn) != (pattern == arn) {
			t.Fatalf("%q %q", pattern, arn)
		}
	})
}

func BenchmarkResolve(b *testing.B) {
	for name, r := range map[string]aws.Request{
		"rest":   request("s3", "acme.s3", "PUT /agents/1/report.json"),
		"target": request("dynamodb", "dynamodb", "POST /", target("DynamoDB_20120810.DescribeLimits"), jsonBody, `{}`),
		"lambda": request("lambda", "lambda", "POST /2015-03-31/functions/f/invocations"),
		"form":   request("sts", "sts", "POST /", formBody, "Action=GetCallerIdentity&Version=2011-06-15"),
		"table":  request("dynamodb", "dynamodb", "POST /", target("DynamoDB_20120810.GetItem"), jsonBody, `{"TableName":"t","Key":{"id":{"S":"1"}}}`),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := aws.Resolve(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
