package proxy

import (
	"net/http"

	"sallyport/policy"
)

// question is what the policy is asked about one request. It does not change, and may be
// asked again under another configuration while the exchange is under way.
type question struct {
	policy  string // the name of the agent's
	agent   string
	r       *http.Request
	target  *target
	meaning *policy.Meaning // nil if nobody knows what the request does
}

func (q *question) query() policy.Query {
	asked := q.target.query()
	asked.Meaning = q.meaning
	return asked
}

// judge asks the agent's policy about the request as it came, about where it copies or
// moves to and, where it leaves in another form, about what will be sent: an allow means
// all of these, and what is asked about one is asked about all.
func (q *question) judge(g *Generation) policy.Decision {
	p := g.Policies[q.policy]
	decision := p.Decide(q.query())
	if decision.Effect == policy.Deny {
		return decision
	}
	for _, second := range q.target.second {
		to := q.query()
		to.Path = second.path
		if decision = also(decision, p.Decide(to), "the "+second.field+" header names "+shown(to)); decision.Effect == policy.Deny {
			return decision
		}
	}
	sent, err := q.sent(g, decision)
	switch {
	case err != nil:
		return policy.Decision{Rule: decision.Rule, Reason: "what would be sent cannot be read: " + err.Error()}
	case sent.RawQuery == q.target.rawQuery && sent.Path == q.target.path:
		return decision
	}
	return also(decision, p.Decide(sent), "what would be sent is "+shown(sent))
}

// also is the decision about a request that is another one too, for which one injection
// has to serve.
func also(one, other policy.Decision, as string) policy.Decision {
	differ := other.Credential != one.Credential || other.AgentAuth != one.AgentAuth || !policy.SameScope(other.Scope, one.Scope)
	switch {
	case other.Effect != policy.Deny && differ:
		return policy.Decision{Rule: other.Rule, Reason: "rules " + one.Rule + " and " + other.Rule + " give different credentials; " + as}
	case other.Effect < one.Effect:
		other.Reason += "; " + as
		return other
	}
	return one
}

// shown is path and query for a sentence. The query may hold secrets, so that only its
// presence is told.
func shown(q policy.Query) string {
	text := q.Path.String()
	if len(text) > 200 {
		text = text[:200] + "..."
	}
	if q.RawQuery != "" {
		text += " with a query"
	}
	return text
}

// sent is the request as it leaves under a decision: without the agent's own
// authentication, and in the form that is signed.
func (q *question) sent(g *Generation, d policy.Decision) (policy.Query, error) {
	asked := q.query()
	if q.target.scheme != "https" && d.Credential != "" {
		return asked, nil // refused later, for no credential is applied in clear text
	}
	credential := g.Credentials.Lookup(d.Credential)
	if asked.RawQuery != "" {
		asked.RawQuery = withoutOwnParameters(g, d.AgentAuth, asked.Authority.Name.String(), asked.RawQuery, q.agent, credential.Signs())
	}
	path, query, err := credential.Sent(q.r, q.target.rawPath, asked.RawQuery)
	if err != nil {
		return asked, err
	}
	asked.RawQuery = query
	if path != q.target.rawPath {
		asked.Path, err = policy.ParsePath(path)
	}
	return asked, err
}
