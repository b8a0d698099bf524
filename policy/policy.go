package policy

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/host"
)

// Policy is one compiled policy file. It is immutable and safe for concurrent
// use; a nil *Policy denies everything.
type Policy struct {
	file        string
	name        string
	description string
	hash        string
	rules       []rule
	tests       []test
	index       index
	bounds      []refBound
	servers     map[string][]string
	silence     Decision // when no rule matched
}

// Name returns the policy's name, which is also the file's.
func (p *Policy) Name() string { return p.name }

// Description returns what the file says the policy is for.
func (p *Policy) Description() string { return p.description }

// RuleNames returns the names of its rules, in the order of the file.
func (p *Policy) RuleNames() []string {
	names := make([]string, len(p.rules))
	for i := range p.rules {
		names[i] = p.rules[i].name
	}
	return names
}

// Hash returns the SHA-256 of the file's bytes in lower-case hex.
func (p *Policy) Hash() string { return p.hash }

// Servers lists the servers of a service that the policy speaks of: names, and where a
// rule's credential says them, patterns of hosts.
func (p *Policy) Servers(service string) []string { return slices.Clone(p.servers[service]) }

// ParseQuestion reads a question in the own words of one of the services, about the
// servers that every policy knows.
func ParseQuestion(text string, services ...Service) (q Query, ok bool, err error) {
	return parseQuestion(text, nil, services)
}

// ParseQuestion reads a question in the own words of one of the services, such as
// "git push URL REF"; ok is false if it is in none's.
func (p *Policy) ParseQuestion(text string, services ...Service) (q Query, ok bool, err error) {
	return parseQuestion(text, p.servers, services)
}

// Classify returns the query with what the first of the services that it goes to says
// of it, as far as its line tells.
func (p *Policy) Classify(q Query, services ...Service) Query {
	return classify(q, p.servers, services)
}

// CredentialUses lists the rules that name a credential.
func (p *Policy) CredentialUses() []CredentialUse {
	var uses []CredentialUse
	for i := range p.rules {
		r := &p.rules[i]
		if r.credential == "" {
			continue
		}
		use := CredentialUse{Rule: r.name, Credential: r.credential, Line: r.credentialLine, Scheme: "https", Pinned: r.scope.Pinned()}
		if use.Pinned {
			owner, _, _ := strings.Cut(r.scope.Repositories[0], "/") // all have the same
			use.Owners = []string{owner}
		}
		if m, ok := r.matcher.(*serviceRule); ok {
			use.Service, use.Server, use.Regions = m.service.Key, m.server, m.regions
			use.Owners = append(use.Owners, owners(m.repos)...)
			uses = append(uses, use)
			continue
		}
		// A credential is applied over https only, so 443 is its default port.
		var hosts []host.Pattern
		for _, pattern := range r.matcher.patterns() {
			hosts = append(hosts, pattern.Reduce(httpsPort))
		}
		use.Hosts = hosts
		uses = append(uses, use)
	}
	return uses
}

func silence(name string) Decision {
	return Decision{Reason: fmt.Sprintf("no rule of policy %s allows this request", name)}
}
