package proxy

import "sallyport/policy"

// judge asks the agent's policy about the request as it came, about where it copies or
// moves to and, where it leaves in another form, about what will be sent: an allow means
// all of these, and what is asked about one is asked about all.
func (x *exchange) judge(g *Generation) policy.Decision {
	p := g.Policies[x.record.Policy]
	decision := p.Decide(x.query())
	if decision.Effect == policy.Deny {
		return decision
	}
	for _, second := range x.target.second {
		to := x.query()
		to.Path = second.path
		if decision = also(decision, p.Decide(to), "the "+second.field+" header names "+shown(to)); decision.Effect == policy.Deny {
			return decision
		}
	}
	sent, err := x.sentQuery(g, decision)
	switch {
	case err != nil:
		return policy.Decision{Rule: decision.Rule, Reason: "what would be sent cannot be read: " + err.Error()}
	case sent.RawQuery == x.target.rawQuery && sent.Path == x.target.path:
		return decision
	}
	return also(decision, p.Decide(sent), "what would be sent is "+shown(sent))
}

// also is the decision about a request that is another one too, for which one injection
// has to serve.
func also(one, other policy.Decision, as string) policy.Decision {
	differ := other.Credential != one.Credential || other.AgentAuth != one.AgentAuth || !other.Scope.Equal(one.Scope)
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

// sentQuery is the request as it leaves under a decision: without the agent's own
// authentication, and in the form that is signed.
func (x *exchange) sentQuery(g *Generation, d policy.Decision) (policy.Query, error) {
	q := x.query()
	if x.target.scheme != "https" && d.Credential != "" {
		return q, nil // refused later, for no credential is applied in clear text
	}
	credential := g.Credentials.Lookup(d.Credential)
	if q.RawQuery != "" && !d.AgentAuth {
		q.RawQuery = x.withoutOwnParameters(g, q.RawQuery, credential.Signs())
	}
	path, query, err := credential.Sent(x.r, x.target.rawPath, q.RawQuery)
	if err != nil {
		return q, err
	}
	q.RawQuery = query
	if path != x.target.rawPath {
		q.Path, err = policy.ParsePath(path)
	}
	return q, err
}
