package aws

import (
	"fmt"
	"net/http"
	"regexp"

	"sallyport/credentials"
	"sallyport/internal/host"
	"sallyport/policy"
	"sallyport/services/aws/api"
)

// Language implements [services.Service].
func (*Service) Language(lookup func(name string) *credentials.Credential) policy.Service {
	hosts, signs := func(string) []host.Pattern { return nil }, (func(string) bool)(nil) // the exchange makes sure
	if lookup != nil {
		hosts = func(name string) []host.Pattern { return lookup(name).Hosts() }
		signs = func(name string) bool { return lookup(name).Signs() }
	}
	return policy.Service{
		Key: Key, Title: "AWS", Signed: true,
		Keys:       []string{"service", "operations", "resources", "regions"},
		Example:    `{service: s3, operations: [GetObject], resources: ["arn:aws:s3:::BUCKET/*"]}`,
		Part:       api.ParseService,
		Operations: func(pattern string) (policy.Operations, error) { return api.ParsePattern(pattern) },
		Resources: func(pattern string, operations []policy.Operations) (policy.Resources, error) {
			return api.ParseResourceOf(pattern, patternsIn(operations))
		},
		Region:   checkRegionPattern,
		Hosts:    hosts,
		Signs:    signs,
		Meaning:  meaningByLine,
		Question: readQuestion,
	}
}

func patternsIn(operations []policy.Operations) []api.Pattern {
	patterns := make([]api.Pattern, 0, len(operations))
	for _, o := range operations {
		if p, ok := o.(api.Pattern); ok {
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

// meaningOf puts an operation into the words of policies.
func meaningOf(o *api.Operation, region string) policy.Meaning {
	m := policy.Meaning{Service: Key, Calls: make([]policy.Call, 0, len(o.Calls))}
	for i := range o.Calls {
		m.Calls = append(m.Calls, callOf(&o.Calls[i], region))
	}
	return m
}

func callOf(c *api.Call, region string) policy.Call {
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

func unknown(why string) policy.Meaning {
	return policy.Meaning{Service: Key, Unclassified: why}
}

// meaningByLine is for questions by URL, which have neither signature nor header.
func meaningByLine(q policy.Query, servers []string) *policy.Meaning {
	h := findSite(q.Authority, patternsOf(servers))
	if h == nil {
		return nil
	}
	m := unknown(h.unknown)
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
		m = meaningOf(&o, region)
	}
	return &m
}

func (h *site) byLine(q policy.Query) (api.Operation, string, error) {
	service, region, err := h.scope()
	if err != nil && h.own {
		return api.Operation{}, "", err
	}
	if !h.own {
		service = "s3" // what stores store
	}
	r := h.request(q.Method, q.Path.String(), q.RawQuery, service, region)
	r.Header = http.Header{}
	o, err := api.Resolve(r)
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
