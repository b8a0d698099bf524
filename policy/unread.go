package policy

// DecideUnread answers for a request before its body is read, if the policy denies it
// whatever the body says; then certain is true. Nothing is allowed, or asked about, unread.
//
// The rule and its reason are those that [Policy.Decide] would give, unless an earlier rule
// denies too and needs the body to say so.
func (p *Policy) DecideUnread(q Query, o *Outline) (decision Decision, certain bool) {
	switch {
	case p == nil || !q.isComplete():
		return p.Decide(q), true
	case q.Meaning == nil:
		return Decision{}, false
	}
	s := sight{deny: len(p.rules), refuse: len(p.rules)}
	see := func(candidates []int) {
		for _, i := range candidates {
			s.see(i, &p.rules[i], q, o)
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
	case r.effect == Deny && surely != Mismatch:
		s.deny = min(s.deny, i)
	case r.effect != Deny && possibly == Matched:
		s.open = true
	}
}

// sees returns the least and the greatest that the rule may say once the body is read.
func (r *rule) sees(q Query, o *Outline) (surely, possibly Verdict) {
	if m, ok := r.matcher.(*serviceRule); ok {
		return m.sees(q, o)
	}
	// A rule about hosts looks at the line, and at whether the call has to be named.
	call := o.Call
	q.call = &call
	possibly = r.match(&q)
	call.Credential = true
	return r.match(&q), possibly
}
