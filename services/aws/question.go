package aws

import (
	"fmt"
	"net/http"
	"strings"

	"sallyport/policy"
	"sallyport/services/aws/api"
	"sallyport/services/aws/sigv4"
)

// Question implements [policy.Language]: it reads "aws:s3/GetObject [ARN]... [REGION] [HOST]".
func (*language) Question(text string, _ []string) (policy.Query, bool, error) {
	words := strings.Fields(text)
	if len(words) == 0 || !strings.HasPrefix(words[0], Key+":") {
		return policy.Query{}, false, nil
	}
	q, err := operationQuestion(strings.TrimPrefix(words[0], Key+":"), words[1:])
	return q, true, err
}

func operationQuestion(name string, words []string) (policy.Query, error) {
	call, known := api.Find(name)
	if !known {
		_, err := api.ParsePattern(name)
		if err == nil {
			err = fmt.Errorf("%q is not the name of one operation", name)
		}
		return policy.Query{}, fmt.Errorf("%w; write aws:SERVICE/OPERATION, then ARNs, a region and a host as they matter", err)
	}
	partition, region, authority := "aws", "", ""
	var resources []string
	for _, word := range words {
		parts := strings.SplitN(word, ":", 6)
		switch {
		case len(parts) == 6 && parts[0] == "arn":
			resources = append(resources, word)
			partition = parts[1]
			if region == "" {
				region = parts[3]
			}
		case strings.Contains(word, "."):
			authority = strings.TrimPrefix(word, "https://")
		default:
			region = word
		}
	}
	o := api.Operation{}
	for _, resource := range resources {
		one := call
		one.Resource = resource
		if bucket, _, key := strings.Cut(resource, "/"); key && strings.HasPrefix(name, "s3/List") {
			one.Container = bucket
		}
		o.Calls = append(o.Calls, one)
	}
	if len(resources) == 0 {
		if api.HasResources(name) {
			call.Unknown = "the question names no ARN"
		}
		o.Calls = append(o.Calls, call)
	}
	if authority == "" {
		prefix, _, _ := strings.Cut(name, "/")
		authority, _ = sigv4.EndpointOf(partition, prefix, region)
	}
	q, err := policy.ParseRequest(http.MethodPost, "https://"+authority+"/")
	m := meaningOf(&o, region)
	q.Meaning = &m
	return q, err
}
