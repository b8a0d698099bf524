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

// language is AWS's key in the rules of policies.
type language struct {
	// lookup finds the credentials that rules name; nil if they are not known.
	lookup func(name string) *credentials.Credential
}

// Language implements [services.Service].
func (*Service) Language(lookup func(name string) *credentials.Credential) policy.Language {
	return &language{lookup}
}

const example = `{service: s3, operations: [GetObject], resources: ["arn:aws:s3:::BUCKET/*"]}`

// Words implements [policy.Language].
func (*language) Words() policy.Words {
	return policy.Words{
		Key: Key, Title: "AWS", Signed: true, Example: example,
		Keys:     []string{"service", "operations", "resources", "regions"},
		Limiting: []string{"operations", "resources"},
	}
}

// Signs implements [policy.Signer].
func (l *language) Signs(credential string) bool {
	return l.lookup != nil && l.lookup(credential).Signs()
}

// hosts are those that a credential is bound to: its rules mean requests to them only. If the
// credentials are not known, the rules mean every host, and the exchange refuses later to use
// a credential at a host that it is not bound to.
func (l *language) hosts(credential string) []host.Pattern {
	if l.lookup == nil {
		return nil
	}
	return l.lookup(credential).Hosts()
}

func patternsIn(operations policy.Operations) []api.Pattern {
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
	m := policy.Meaning{Service: Key, Calls: make([]policy.Call, len(o.Calls))}
	all := make([]facts, len(o.Calls)) // in one piece, for a request may delete a thousand objects
	for i := range o.Calls {
		m.Calls[i] = callOf(&o.Calls[i])
		all[i] = factsIn(&o.Calls[i], region)
		m.Calls[i].Facts = &all[i]
	}
	return m
}

// callOf is a call in the words of policies, but for its facts.
func callOf(c *api.Call) policy.Call {
	call := policy.Call{
		Operation: c.Operation, Resource: c.Resource, Credential: c.Secret, Elsewhere: c.Elsewhere, OtherHost: c.OtherHost,
	}
	if c.Path != "" {
		var err error
		call.Path, err = policy.ParsePath(c.Path)
		call.Elsewhere = call.Elsewhere || err != nil
	}
	return call
}

func factsIn(c *api.Call, region string) facts {
	return facts{Region: region, Container: c.Container, Unknown: c.Unknown}
}

func unknown(why string) policy.Meaning {
	return policy.Meaning{Service: Key, Unclassified: why}
}

// Meaning implements [policy.Language], for questions by URL, which have neither signature nor header.
func (*language) Meaning(q policy.Query, servers []string) *policy.Meaning {
	h := findSite(q.Authority, patternsOf(servers), nil)
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
		service = "s3" // the one protocol of AWS's that stores speak
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
