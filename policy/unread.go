package policy

import (
	"slices"
	"strings"
)

// Outline is as much of a Call as can be told of a request before its body is read.
type Outline struct {
	// Call is what is known. A star in its Operation stands for any run of characters
	// ("graphql/*"), and an Access of 0 for any; its resource counts as known only if the
	// service tells resources by the line.
	Call Call
	// Pushes: the refs are in the body.
	Pushes bool
}

// DecideUnread answers for a request whose body would tell the rest of what it does, if it
// can be answered whatever that is: certain is true, and the decision denies. Nothing is
// allowed or asked about unread.
//
// The rule and its reason are those of [Policy.Decide], unless a rule that looks at the
// body would have denied as well and stands before.
func (p *Policy) DecideUnread(q Query, o Outline) (decision Decision, certain bool) {
	switch {
	case p == nil || !q.isComplete():
		return p.Decide(q), true
	case q.Meaning == nil:
		return Decision{}, false
	}
	if o.Pushes {
		o.Call.Probe = true // to be a push is all that can be told of it
	}
	s := sight{deny: len(p.rules), refuse: len(p.rules)}
	see := func(candidates []int) {
		for _, i := range candidates {
			s.see(i, &p.rules[i], q, &o)
		}
	}
	see(p.index.services)
	see(p.index.anywhere)
	see(p.index.exact[q.Authority.Name.String()])
	for name, ok := q.Authority.Name.Parent(); ok; name, ok = name.Parent() {
		see(p.index.below[name.String()])
	}
	switch {
	case s.deny < len(p.rules):
		decision = p.rules[s.deny].decision
	case s.refuse < len(p.rules):
		decision = p.rules[s.refuse].refusal
	case s.open:
		return Decision{}, false
	default:
		decision = p.silence
	}
	o.Call.Probe = false
	decision.Reason += ": " + o.Call.String()
	return decision, true
}

// sight is what rules say of a request whose body is not read.
type sight struct {
	deny, refuse int  // the first that denies, or cannot read the line, whatever is in the body
	open         bool // some rule may allow, or ask
}

func (s *sight) see(i int, r *rule, q Query, o *Outline) {
	surely, possibly := r.sees(q, o)
	switch {
	case surely == unreadable:
		s.refuse = min(s.refuse, i)
	case r.effect == Deny && surely != mismatch:
		s.deny = min(s.deny, i)
	case r.effect != Deny && possibly == matched:
		s.open = true
	}
}

// sees returns the least and the greatest that the rule may say once the body is read.
func (r *rule) sees(q Query, o *Outline) (surely, possibly verdict) {
	if m, ok := r.matcher.(*serviceRule); ok {
		return m.sees(q, o)
	}
	// A rule about hosts looks at the line, and at whether the call has to be named.
	call := o.Call
	q.call = &call
	possibly = r.matcher.match(q)
	call.Credential = true
	return r.matcher.match(q), possibly
}

func (m *serviceRule) sees(q Query, o *Outline) (surely, possibly verdict) {
	is, c := q.Meaning, &o.Call
	if is.Service != m.service.Key || m.server != "" && m.server != is.Server || !m.servedBy(q.Authority) {
		return mismatch, mismatch
	}
	surely, possibly = matched, matched
	both := func(s, p verdict) { surely, possibly = min(surely, s), min(possibly, p) }
	switch {
	case c.Access != 0:
		both(verdictOf(m.includesAccess(c)), verdictOf(m.includesAccess(c)))
	case m.access != 0:
		surely = mismatch
	}
	switch {
	case len(m.refs)+len(m.updates) == 0:
	case o.Pushes:
		surely = mismatch
	default:
		both(m.matchUpdate(c), m.matchUpdate(c))
	}
	q.call = c // without the bounds of other rules' refs, which only take away what is allowed
	both(m.seesOperation(q))
	both(m.matchRegion(c), m.matchRegion(c))
	both(m.matchRepo(c), m.matchRepo(c))
	if len(m.resources) > 0 {
		both(mismatch, matched)
	}
	return surely, possibly
}

func (m *serviceRule) seesOperation(q Query) (surely, possibly verdict) {
	c := q.call
	switch {
	case !strings.Contains(c.Operation, "*"):
		v := m.matchOperation(q)
		return v, v
	case len(m.operations) == 0:
		return doubtful, matched // sure of no operation that has to be named
	}
	// A pattern that takes in the star takes in whatever it stands for.
	covers := func(o Operations) bool { return o.Matches(c.Operation) }
	meets := func(o Operations) bool {
		return o.String() == "*" || sharesSegment(starred(o.String()), starred(c.Operation))
	}
	switch {
	case slices.ContainsFunc(m.operations, covers):
		return doubtful, matched
	case slices.ContainsFunc(m.operations, meets):
		return mismatch, matched
	}
	return mismatch, mismatch
}
