package policy

import (
	"fmt"
)

// decideMeaning answers for a request to a service. It may make several calls at once: each
// has to be allowed, and by rules that agree on what is injected. A request without a name
// has no calls, and is asked about as a whole.
func (p *Policy) decideMeaning(q *Query) Decision {
	m := q.Meaning
	if len(m.Calls) == 0 {
		d := p.decideOne(q)
		if d.Effect == Deny {
			d.Reason += "; the request has no name at its service: " + m.Unclassified
		}
		return d
	}
	var all Decision
	relation := p.relation(m.Service)
	for i := range m.Calls {
		about(q, i, relation)
		d := p.decideOne(q)
		if d.Effect != Allow {
			d.Reason = reasonFor(d, q)
		}
		switch {
		case i == 0, d.Effect < all.Effect:
			all = d
		case d.Effect == Allow && all.Effect == Allow && !agree(all, d, q.call):
			return disagreement(all, d)
		case d.Effect == Allow && all.Effect == Allow:
			all.Cookies = all.Cookies && d.Cookies
		}
		if all.Effect == Deny {
			break
		}
	}
	return all
}

// agree reports whether one injection serves both: the same credential, and the
// same token where the rules say which.
func agree(a, b Decision, c *Call) bool {
	if a.Credential != b.Credential || a.AgentAuth != b.AgentAuth {
		return false
	}
	serves := func(s Scope) bool { return s == nil || s.Serves(c) }
	return a.Scope == b.Scope || serves(a.Scope) && serves(b.Scope)
}

// about makes the query one about a call of its meaning.
func about(q *Query, i int, relation Relation) {
	q.call, q.bound = &q.Meaning.Calls[i], nil
	if relation != nil {
		q.bound = relation.Bound(q.Meaning.Server, q.call)
	}
}

func disagreement(a, b Decision) Decision {
	return Decision{Rule: b.Rule, Reason: fmt.Sprintf(
		"rules %s and %s each allow a part of this request, but with different credentials or tokens; send the parts one by one", a.Rule, b.Rule)}
}

// plants is why a call of a Credential is not allowed by any other rule.
const plants = " gives out or plants a credential, or decides who may do what, so that a rule has to name it exactly"

func reasonFor(d Decision, q *Query) string {
	text := d.Reason + ": " + q.call.String()
	switch {
	case d.Rule != "":
	case q.call.Credential:
		text += ", which" + plants
	case q.bound != nil:
		if why := q.bound.Refusal(q.call); why != "" {
			text += ", " + why
		}
	}
	return text
}

// DecideCall answers for one call of q's Meaning alone.
func (p *Policy) DecideCall(q Query, i int) Decision {
	if p == nil || !q.isComplete() || q.Meaning == nil || i >= len(q.Meaning.Calls) {
		return p.Decide(q)
	}
	about(&q, i, p.relation(q.Meaning.Service))
	d := p.decideOne(&q)
	if d.Effect != Allow {
		d.Reason = reasonFor(d, &q)
	}
	return d
}
