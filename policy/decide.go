package policy

// Decide answers a query. In this order:
//
//  1. A query that lacks a part is denied, and so is everything under a nil Policy.
//  2. A deny rule that matches, or may match, denies.
//  3. A rule that would match but cannot read the query denies.
//  4. An ask rule that matches asks.
//  5. An ask rule that may match asks, where an allow rule matches.
//  6. An allow rule that matches allows.
//  7. Everything else is denied.
//
// A rule "may match" a request that servers read in different ways; such doubt never grants
// anything. Of several rules in one step the first in the file gives the name and the
// credential. Decide does not allocate.
func (p *Policy) Decide(q Query) Decision {
	if p == nil {
		return Decision{Reason: "the policy of this agent is not loaded"}
	}
	if !q.isComplete() {
		return Decision{Reason: "the request lacks a method, scheme, host or path that a policy could judge"}
	}
	if q.Meaning != nil {
		return p.decideMeaning(&q)
	}
	return p.decideOne(&q)
}

// decideOne answers for a request, or for one of its calls.
func (p *Policy) decideOne(q *Query) Decision {
	t := newTally(len(p.rules))
	if q.Meaning != nil {
		t.askServices(p.rules, p.index.services, q)
	}
	t.ask(p.rules, p.index.anywhere, q)
	t.ask(p.rules, p.index.exact[q.Authority.Name.String()], q)
	if len(p.index.below) > 0 {
		for name, ok := q.Authority.Name.Parent(); ok; name, ok = name.Parent() {
			t.ask(p.rules, p.index.below[name.String()], q)
		}
	}
	return p.result(t)
}

// isComplete guards against a caller that forgot a part: rules that do not name
// the part would match it.
func (q *Query) isComplete() bool {
	return q.Method != "" && (q.Scheme == "https" || q.Scheme == "http") &&
		q.Authority.Port != 0 && q.Authority.Name.String() != "" && q.Path.raw != ""
}

// tally holds, for each step of Decide, the first rule in the file that reached
// it; the number of rules stands for none.
type tally struct {
	deny, refuse, mustAsk, mayAsk, allow int
}

func newTally(none int) tally { return tally{none, none, none, none, none} }

// ask puts the query to some rules about hosts, whose kind is asserted here because a call less
// is felt when many are asked.
func (t *tally) ask(rules []rule, candidates []int, q *Query) {
	for _, i := range candidates {
		// Most rules that cannot change the result are never asked.
		if i < t.deny && (rules[i].effect == Deny || t.deny == len(rules)) {
			verdict := Doubtful // which allows nothing; the index lists no rule of another kind
			if m, ok := rules[i].matcher.(*request); ok {
				verdict = m.match(q)
			}
			t.add(i, rules[i].effect, verdict)
		}
	}
}

// askServices is ask for rules about services, which are never unreadable: once one
// allows, the later ones that allow change nothing. One request may make ten thousand calls.
func (t *tally) askServices(rules []rule, candidates []int, q *Query) {
	for _, i := range candidates {
		if i < t.deny && (rules[i].effect == Deny || t.deny == len(rules)) && (rules[i].effect != Allow || i < t.allow) {
			verdict := Doubtful
			if m, ok := rules[i].matcher.(*serviceRule); ok {
				verdict = m.match(q)
			}
			t.add(i, rules[i].effect, verdict)
		}
	}
}

func (t *tally) add(i int, effect Effect, v Verdict) {
	switch {
	case v == Mismatch:
	case v == unreadable:
		t.refuse = min(t.refuse, i)
	case effect == Deny:
		t.deny = min(t.deny, i)
	case effect == Ask && v == Matched:
		t.mustAsk = min(t.mustAsk, i)
	case effect == Ask:
		t.mayAsk = min(t.mayAsk, i)
	case effect == Allow && v == Matched:
		t.allow = min(t.allow, i)
	}
}

// result is steps 2 to 7.
func (p *Policy) result(t tally) Decision {
	none := len(p.rules)
	switch {
	case t.deny != none:
		return p.rules[t.deny].decision
	case t.refuse != none:
		return p.rules[t.refuse].refusal
	case t.mustAsk != none:
		return p.rules[t.mustAsk].decision
	case t.mayAsk != none && t.allow != none:
		return p.rules[t.mayAsk].decision
	case t.allow != none:
		return p.rules[t.allow].decision
	}
	return p.silence
}
