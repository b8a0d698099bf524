package policy

import (
	"fmt"
	"slices"
	"strings"
)

// decideMeaning answers for a request to a service. It may do several things at
// once, so that every one of them has to be allowed, and by rules that agree on
// what is injected. What has no name is asked about as a whole.
func (p *Policy) decideMeaning(q Query) Decision {
	m := q.Meaning
	if len(m.Calls) == 0 {
		d := p.decideOne(q)
		if d.Effect == Deny {
			d.Reason += "; the request has no name at its service: " + m.Unclassified
		}
		return d
	}
	var all Decision
	for i := range m.Calls {
		q = p.about(q, i)
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
	return a.Scope == b.Scope || !a.Scope.Pinned() && !b.Scope.Pinned() && !c.Hidden
}

func disagreement(a, b Decision) Decision {
	return Decision{Rule: b.Rule, Reason: fmt.Sprintf(
		"rules %s and %s each allow a part of this request, but with different credentials or tokens; send the parts one by one", a.Rule, b.Rule)}
}

// plants is why a call of a Credential is not allowed by any other rule.
const plants = " gives out or plants a credential, or decides who may do what, so that a rule has to name it exactly"

func reasonFor(d Decision, q Query) string {
	text := d.Reason + ": " + q.call.String()
	switch {
	case d.Rule != "":
	case q.call.Credential:
		text += ", which" + plants
	case q.bound != nil && !q.call.isPush():
		text += ", which writes a ref other than by a push, and rule " + q.bound.rule + " bounds the refs there, so that a rule has to name it exactly"
	}
	return text
}

// DecideCall answers for one call of q's Meaning alone.
func (p *Policy) DecideCall(q Query, i int) Decision {
	if p == nil || !q.isComplete() || q.Meaning == nil || i >= len(q.Meaning.Calls) {
		return p.Decide(q)
	}
	q = p.about(q, i)
	d := p.decideOne(q)
	if d.Effect != Allow {
		d.Reason = reasonFor(d, q)
	}
	return d
}

// overlaps reports whether some request can match both. It may miss two
// patterns of operations that meet in a name which neither holds.
func (m *serviceRule) overlaps(o *serviceRule) bool {
	if m.service.Key != o.service.Key || m.server != o.server {
		return false
	}
	if len(m.hosts)+len(o.hosts) > 0 && !m.sharesResources(o) {
		return false
	}
	return sharesRepos(m.repos, o.repos) && m.sharesOperations(o) && m.sharesPushes(o)
}

func starred(pattern string) segment { return segment{parts: strings.Split(pattern, "*")} }

func (m *serviceRule) sharesOperations(o *serviceRule) bool {
	if len(m.operations) == 0 || len(o.operations) == 0 {
		return true
	}
	for _, p := range m.operations {
		for _, q := range o.operations {
			if p.Matches(q.String()) || q.Matches(p.String()) || p.String() == q.String() {
				return true
			}
		}
	}
	return false
}

// sharesPushes: two rules that are about pushes alone meet in a ref and an update.
func (m *serviceRule) sharesPushes(o *serviceRule) bool {
	if len(m.updates) > 0 && len(o.updates) > 0 && !slices.ContainsFunc(m.updates, func(u string) bool { return contains(o.updates, u) }) {
		return false
	}
	if len(m.refs) == 0 || len(o.refs) == 0 {
		return true
	}
	for _, p := range m.refs {
		for _, q := range o.refs {
			meet := func(a, b string) bool { return sharesSegment(starred(a), starred(b)) }
			if intersect(p.segments, q.segments, func(s string) bool { return s == "**" }, meet) {
				return true
			}
		}
	}
	return false
}
