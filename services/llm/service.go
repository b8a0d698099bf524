package llm

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/credentials"
	"sallyport/internal/host"
	"sallyport/policy"
	"sallyport/services"
)

// Key is what policies and the trail call language models.
const Key = "llm"

// Service is every provider. It keeps nothing.
type Service struct{ providers []*provider }

// New returns the service.
func New() *Service { return &Service{providers: []*provider{anthropic(), openai(), gemini()}} }

// Key implements [services.Service].
func (*Service) Key() string { return Key }

// Kinds implements [services.Service]: any kind serves that writes a key where the provider
// reads it.
func (*Service) Kinds() []credentials.Kind { return nil }

// RequestIDs implements [services.Namer].
func (*Service) RequestIDs() []string { return []string{"Request-Id", "X-Request-Id"} }

// lookup returns the provider of a name; nil if there is none.
func (s *Service) lookup(name string) *provider {
	i := slices.IndexFunc(s.providers, func(p *provider) bool { return p.name == name })
	if i < 0 {
		return nil
	}
	return s.providers[i]
}

// Sites implements [services.Service].
func (*Service) Sites(f services.Files) services.Sites {
	all := sites{}
	for _, p := range f.Policies {
		if list := sitesOf(p); len(list) > 0 {
			all[p] = list
		}
	}
	return all
}

// sites are where each policy says that models are asked: other policies' agents ask a host
// like any.
type sites map[*policy.Policy][]site

func sitesOf(p *policy.Policy) (list []site) {
	for _, r := range p.Clauses(Key) {
		if c, ok := r.Clause.(*clause); ok && c.site.provider != nil {
			list = append(list, c.site)
		}
	}
	return list
}

// Find implements [services.Sites]. Where rules have two protocols spoken at one host, the
// first that knows the request by its line says what it is.
func (s sites) Find(line *services.Line) services.Visit {
	var found *visit
	for i := range s[line.Policy] {
		at := &s[line.Policy][i]
		if !at.has(line.Authority) {
			continue
		}
		v := &visit{line: line, provider: at.provider}
		v.operation, v.model = at.find(line.Method, line.Path.String())
		if v.operation != nil {
			return v
		}
		if found == nil {
			found = v
		}
	}
	if found == nil {
		return nil
	}
	return found
}

func (s *site) has(a host.Authority) bool {
	return slices.ContainsFunc(s.hosts, func(p host.Pattern) bool { return p.Matches(a, 443) })
}

// find returns the operation that a request's line is, and the model that it names.
func (s *site) find(method, path string) (o *operation, model string) {
	for _, base := range s.bases {
		if rest, below := strings.CutPrefix(path, base+"/"); below {
			if o, model = s.provider.find(method, rest); o != nil {
				return o, model
			}
		}
	}
	return nil, ""
}

// CheckUse implements [services.UseChecker]: a key must be bound to every host that its rule
// speaks of.
func (*Service) CheckUse(c *credentials.Credential, _ *policy.Policy, use policy.CredentialUse) (what, hint string) {
	m, ok := use.Clause.(*clause)
	if !ok {
		return "", ""
	}
	hosts := m.site.hosts
	if m.site.own {
		hosts = hosts[:1] // a key for the first is what most have
	}
	for _, h := range hosts {
		if !c.Covers(h) {
			return fmt.Sprintf("credential %q must not go to %s, which the rule speaks of", use.Credential, h),
				"add the host to the credential's hosts, or name other hosts in the rule"
		}
	}
	return "", ""
}
