package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"sallyport/credentials/sigv4"
	"sallyport/internal/host"
	"sallyport/policy"
	aws "sallyport/services/aws/api"
)

// awsKey is what policies and the trail call AWS, and whoever speaks its protocols.
const awsKey = "aws"

func awsService() policy.Service {
	return policy.Service{
		Key: awsKey, Title: "AWS", Signed: true,
		Keys:       []string{"service", "operations", "resources", "regions"},
		Example:    `{service: s3, operations: [GetObject], resources: ["arn:aws:s3:::BUCKET/*"]}`,
		Part:       aws.ParseService,
		Operations: func(pattern string) (policy.Operations, error) { return aws.ParsePattern(pattern) },
		Resources: func(pattern string, operations []policy.Operations) (policy.Resources, error) {
			return aws.ParseResourceOf(pattern, patternsIn(operations))
		},
		Region: checkRegionPattern,
		// Whoever knows the credentials says more; the exchange makes sure.
		Hosts:    func(string) []host.Pattern { return nil },
		Meaning:  awsMeaning,
		Question: awsQuestion,
	}
}

func patternsIn(operations []policy.Operations) []aws.Pattern {
	patterns := make([]aws.Pattern, 0, len(operations))
	for _, o := range operations {
		if p, ok := o.(aws.Pattern); ok {
			patterns = append(patterns, p)
		}
	}
	return patterns
}

var regionPattern = regexp.MustCompile(`^[a-z0-9*-]+$`)

func checkRegionPattern(pattern string) error {
	if !regionPattern.MatchString(pattern) {
		return fmt.Errorf("%q is not a region; write it as in eu-west-1, with stars where any will do", pattern)
	}
	return nil
}

// awsHost is a host that speaks AWS's protocols: one of AWS's own, or of somebody
// else's that a credential with keys is bound to.
type awsHost struct {
	name     string         // as it is in the target
	own      bool           // AWS's
	endpoint sigv4.Endpoint // of AWS's own hosts
	service  string         // what the name says: "iam", "bucket.s3"; "" for the scope alone
	unknown  string         // why nothing can be told of its requests
}

// findAWS recognises a host; nil if it is none. stores are what credentials with keys
// are bound to.
func findAWS(a host.Authority, stores []host.Pattern) *awsHost {
	name := a.Name.String()
	if !sigv4.IsAWS(name) {
		return findStore(a, stores)
	}
	endpoint, known := sigv4.Locate(name)
	h := &awsHost{name: name, own: true, endpoint: endpoint, service: endpoint.Name}
	switch {
	case a.Port != 443:
		h.unknown = "AWS is spoken to on port 443 only"
	case !known:
		h.unknown = "the host is in a domain of AWS's, but is none of its services'"
	}
	return h
}

// findStore finds the bucket that a store's host may name: before a host that is listed
// itself. Where only names below one are listed, they could be buckets or not.
func findStore(a host.Authority, stores []host.Pattern) *awsHost {
	var below host.Name
	found := false
	h := &awsHost{name: a.Name.String()}
	for _, p := range stores {
		if !p.Matches(a, 443) {
			continue
		}
		name, isBelow := p.Below()
		if !isBelow {
			return h // the host itself: buckets are in paths
		}
		found, below = true, name
	}
	if !found {
		return nil
	}
	base := host.Authority{Name: below, Port: a.Port}
	for _, p := range stores {
		if name, exact := p.Exact(); exact && name == below && p.Matches(base, 443) {
			h.service = strings.TrimSuffix(h.name, "."+below.String()) + ".s3"
			return h
		}
	}
	h.unknown = "whether the bucket is in the host or in the path cannot be told; list " + below.String() +
		" itself in the credential's hosts beside *." + below.String() + ", or the hosts one by one"
	return h
}

// answersItself reports whether AWS, or the store, writes the answers. At other hosts in AWS's
// domains they are what its customers' programs say.
func (h *awsHost) answersItself() bool {
	name := h.service[strings.LastIndexByte(h.service, '.')+1:]
	return h.unknown == "" && name != "lambda-url" && name != "execute-api"
}

// request is what is known of a request by its line and by what it is signed for.
func (h *awsHost) request(method, path, query, service, region string) aws.Request {
	r := aws.Request{Method: method, Path: path, Query: query, Service: service, Region: region, Host: h.service, Store: !h.own}
	if h.own {
		r.Partition = h.endpoint.Partition
	}
	if region != "" && h.own {
		r.Partition = sigv4.Partition(region)
	}
	return r
}

// scope is what a request is for that is not signed: what its host says.
func (h *awsHost) scope() (service, region string, err error) {
	if !h.own {
		return "", "", errors.New("the request is not signed; configure the client with its placeholder keys")
	}
	if len(h.endpoint.Services) != 1 {
		return "", "", fmt.Errorf("the request is not signed, and its host may be that of %s", strings.Join(h.endpoint.Services, " or "))
	}
	if len(h.endpoint.Regions) == 1 {
		region = h.endpoint.Regions[0]
	}
	return h.endpoint.Services[0], region, nil
}

// meaningAtAWS puts an operation into the words of policies.
func meaningAtAWS(o *aws.Operation, region string) policy.Meaning {
	m := policy.Meaning{Service: awsKey, Calls: make([]policy.Call, 0, len(o.Calls))}
	for i := range o.Calls {
		m.Calls = append(m.Calls, awsCall(&o.Calls[i], region))
	}
	return m
}

func awsCall(c *aws.Call, region string) policy.Call {
	call := policy.Call{
		Operation: c.Operation, Resource: c.Resource, Container: c.Container, Unknown: c.Unknown,
		Region: region, Credential: c.Secret, Elsewhere: c.Elsewhere, OtherHost: c.OtherHost,
	}
	if c.Path != "" {
		var err error
		call.Path, err = policy.ParsePath(c.Path)
		call.Elsewhere = call.Elsewhere || err != nil
	}
	return call
}

func unknownAtAWS(why string) policy.Meaning {
	return policy.Meaning{Service: awsKey, Unclassified: why}
}

// awsMeaning is for questions by URL, which have neither signature nor header.
func awsMeaning(q policy.Query, servers []string) *policy.Meaning {
	h := findAWS(q.Authority, patternsOf(servers))
	if h == nil {
		return nil
	}
	m := unknownAtAWS(h.unknown)
	switch {
	case h.unknown != "":
	case q.Scheme != "https":
		m.Unclassified = "AWS is spoken to over https only"
	default:
		o, region, err := h.byLine(q)
		if err != nil {
			m.Unclassified = err.Error() + "; ask about aws:SERVICE/OPERATION ARN instead"
			break
		}
		m = meaningAtAWS(&o, region)
	}
	return &m
}

func (h *awsHost) byLine(q policy.Query) (aws.Operation, string, error) {
	service, region, err := h.scope()
	if err != nil && h.own {
		return aws.Operation{}, "", err
	}
	if !h.own {
		service = "s3" // what stores store
	}
	r := h.request(q.Method, q.Path.String(), q.RawQuery, service, region)
	r.Header = http.Header{}
	o, err := aws.Resolve(r)
	return o, region, err
}

func patternsOf(servers []string) []host.Pattern {
	var patterns []host.Pattern
	for _, text := range servers {
		if p, err := host.ParsePattern(text); err == nil {
			patterns = append(patterns, p)
		}
	}
	return patterns
}

// awsQuestion reads "aws:s3/GetObject [ARN]... [REGION] [HOST]".
func awsQuestion(text string, _ []string) (policy.Query, bool, error) {
	words := strings.Fields(text)
	if len(words) == 0 || !strings.HasPrefix(words[0], awsKey+":") {
		return policy.Query{}, false, nil
	}
	q, err := operationQuestion(strings.TrimPrefix(words[0], awsKey+":"), words[1:])
	return q, true, err
}

func operationQuestion(name string, words []string) (policy.Query, error) {
	call, known := aws.Find(name)
	if !known {
		_, err := aws.ParsePattern(name)
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
	m := policy.Meaning{Service: awsKey}
	for _, resource := range resources {
		one := call
		one.Resource = resource
		if bucket, _, key := strings.Cut(resource, "/"); key && strings.HasPrefix(name, "s3/List") {
			one.Container = bucket
		}
		m.Calls = append(m.Calls, awsCall(&one, region))
	}
	if len(resources) == 0 {
		if aws.HasResources(name) {
			call.Unknown = "the question names no ARN"
		}
		m.Calls = append(m.Calls, awsCall(&call, region))
	}
	if authority == "" {
		prefix, _, _ := strings.Cut(name, "/")
		authority, _ = sigv4.EndpointOf(partition, prefix, region)
	}
	q, err := policy.ParseRequest(http.MethodPost, "https://"+authority+"/")
	q.Meaning = &m
	return q, err
}
