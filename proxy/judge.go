package proxy

import (
	"sallyport/credentials/sigv4"
	"sallyport/policy"
)

// judge asks the agent's policy about the request as it came and, where that leaves in
// another form, as it will be sent: an allow means both.
func (x *exchange) judge(g *Generation) policy.Decision {
	p := g.Policies[x.record.Policy]
	decision := p.Decide(x.query())
	if decision.Effect != policy.Allow {
		return decision
	}
	q, err := x.sentQuery(g, decision)
	if err != nil {
		return policy.Decision{Rule: decision.Rule, Reason: "what would be sent cannot be read: " + err.Error()}
	}
	if q.RawQuery == x.target.rawQuery && q.Path == x.target.path {
		return decision
	}
	sent := p.Decide(q)
	if sent.Effect == policy.Allow && sent.Credential == decision.Credential && sent.AgentAuth == decision.AgentAuth && sent.Scope.Equal(decision.Scope) {
		return decision
	}
	if sent.Effect == policy.Allow {
		sent = policy.Decision{Rule: sent.Rule, Reason: "rules " + decision.Rule + " and " + sent.Rule + " differ about what is sent and what was asked for"}
	}
	sent.Reason += "; what would be sent is " + shown(q)
	return sent
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
	signs := d.Credential != "" && SignsAnew(g.Credentials.Lookup(d.Credential).Kind())
	if q.RawQuery != "" && !d.AgentAuth {
		q.RawQuery = x.withoutOwnParameters(g, q.RawQuery, signs)
	}
	if !signs {
		return q, nil
	}
	in, err := sigv4.Read(x.r)
	if err != nil {
		return q, nil //nolint:nilerr // it will not be signed, and the agent is told why
	}
	path, query, err := in.Sent(x.target.rawPath, q.RawQuery)
	if err != nil {
		return q, err
	}
	q.RawQuery = query
	if path != x.target.rawPath {
		q.Path, err = policy.ParsePath(path)
	}
	return q, err
}
