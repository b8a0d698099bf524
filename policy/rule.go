package policy

import (
	"fmt"

	"sallyport/internal/host"
)

// matcher is the question that a rule asks of a request. Kinds of rules differ
// in nothing else.
type matcher interface {
	// patterns returns the hosts at which the matcher can match; none means any.
	patterns() []host.Pattern
	// explain says why [rule.match] did not say Matched, in the words of the file.
	explain(q Query) string
}

// rule is one compiled rule.
type rule struct {
	name        string
	description string
	line        int
	effect      Effect
	matcher     matcher

	credential     string
	credentialLine int
	scope          Scope // nil for none
	agentAuth      bool
	cookies        bool
	unnamed        bool // what has no name at its service may take the credential
	record         *Record
	recordLine     int

	// Decisions are made at load, so that deciding formats nothing.
	decision Decision
	refusal  Decision // for a request that is unreadable to the matcher
}

// match asks the rule. It names both kinds of matchers, because what is passed to an
// interface by its address is allocated.
func (r *rule) match(q *Query) Verdict {
	switch m := r.matcher.(type) {
	case *request:
		return m.match(q)
	case *serviceRule:
		return m.match(q)
	}
	return Doubtful // there is no other kind, and one would allow nothing
}

// bind completes the scope of a rule about a service by what the rule says.
func (r *rule) bind() {
	if m, ok := r.matcher.(*serviceRule); ok && r.credential != "" {
		r.scope = m.scope(r.scope)
	}
}

func (r *rule) decide() {
	r.decision = Decision{
		Effect: r.effect, Rule: r.name, Credential: r.credential,
		Scope: r.scope, AgentAuth: r.agentAuth, Cookies: r.cookies, Record: r.record, Reason: r.reason(),
	}
	r.refusal = Decision{
		Rule:   r.name,
		Reason: fmt.Sprintf("rule %s reads the query, and this query has no single reading: it has a ; or an invalid percent-escape", r.name),
	}
}

func (r *rule) reason() string {
	var text string
	switch r.effect {
	case Allow:
		text = fmt.Sprintf("rule %s allows this request", r.name)
	case Ask:
		text = fmt.Sprintf("rule %s asks a person for approval of this request, and an approval is needed before it may go out", r.name)
	case Deny:
		text = fmt.Sprintf("rule %s denies this request", r.name)
	}
	if r.description != "" {
		text += ": " + r.description
	}
	return text
}
