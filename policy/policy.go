package policy

import (
	"fmt"
	"slices"

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
	said        []map[string]any
	tests       []test
	index       index
	related     []related
	servers     map[string][]string
	limiting    []string // keys of clauses ([Words])
	silence     Decision // when no rule matched
}

// Name returns the policy's name, which is also the file's.
func (p *Policy) Name() string { return p.name }

// Rules returns the rules as the file says them, without comments, for whoever is under them.
// What it returns is shared, and must not be changed.
func (p *Policy) Rules() []map[string]any { return p.said }

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

// Ports are those that rules name which let something out.
func (p *Policy) Ports() []uint16 {
	var ports []uint16
	for _, r := range p.rules {
		if r.effect == Deny {
			continue
		}
		for _, pattern := range r.matcher.patterns() {
			if port, written := pattern.Port(); written {
				ports = append(ports, port)
			}
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// Servers lists the servers of a service that the policy speaks of: names, and where a
// rule's credential says them, patterns of hosts.
func (p *Policy) Servers(service string) []string { return slices.Clone(p.servers[service]) }

// ParseQuestion reads a question in the own words of one of the services, about the
// servers that every policy knows.
func ParseQuestion(text string, languages ...Language) (q Query, ok bool, err error) {
	return parseQuestion(text, nil, languages)
}

// ParseQuestion reads a question in the own words of one of the services; ok is false if
// it is in none's.
func (p *Policy) ParseQuestion(text string, languages ...Language) (q Query, ok bool, err error) {
	return parseQuestion(text, p.servers, languages)
}

// Classify returns the query with what the first of the services that it goes to says
// of it, as far as its line tells.
func (p *Policy) Classify(q Query, languages ...Language) Query {
	return classify(q, p.servers, languages)
}

// CredentialUses lists the rules that name a credential.
func (p *Policy) CredentialUses() []CredentialUse {
	var uses []CredentialUse
	for i := range p.rules {
		r := &p.rules[i]
		if r.credential == "" {
			continue
		}
		use := CredentialUse{Rule: r.name, Credential: r.credential, Line: r.credentialLine, Scheme: "https", Scope: r.scope}
		if m, ok := r.matcher.(*serviceRule); ok {
			use.Service, use.Clause = m.key, m.clause
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
