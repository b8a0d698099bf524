package policy

// Explain answers a query and says of every rule why it did or did not decide.
// It asks all rules rather than the index; the decision is the same.
func (p *Policy) Explain(q Query) Explanation {
	if p == nil || !q.isComplete() {
		return Explanation{Decision: p.Decide(q)}
	}
	t := newTally(len(p.rules))
	verdicts := make([]verdict, len(p.rules))
	for i := range p.rules {
		verdicts[i] = p.rules[i].matcher.match(q)
		t.add(i, p.rules[i].effect, verdicts[i])
	}
	e := Explanation{Decision: p.result(t), Rules: make([]RuleExplanation, len(p.rules))}
	for i := range p.rules {
		r := &p.rules[i]
		decides := e.Decision.Rule == r.name
		e.Rules[i] = RuleExplanation{
			Rule: r.name, Effect: r.effect, Line: r.line,
			Matched: verdicts[i] == matched || verdicts[i] == doubtful && r.effect != Allow,
			Decides: decides,
			Why:     r.why(q, verdicts[i], decides, e.Decision),
		}
	}
	return e
}

func (r *rule) why(q Query, v verdict, decides bool, d Decision) string {
	switch {
	case v == mismatch, v == unreadable, v == doubtful && r.effect == Allow:
		return r.matcher.explain(q)
	case v == doubtful && decides:
		return "decides, to be careful: " + r.matcher.explain(q)
	case v == doubtful && d.Rule == "":
		return "may match, but an ask rule in doubt grants nothing: " + r.matcher.explain(q)
	case v == doubtful:
		return "may match, but rule " + d.Rule + " decides: " + r.matcher.explain(q)
	case decides:
		return "decides"
	case d.Effect == r.effect:
		return "matches, but rule " + d.Rule + " stands before it"
	}
	return "matches, but " + d.Effect.String() + " by rule " + d.Rule + " goes before " + r.effect.String()
}
