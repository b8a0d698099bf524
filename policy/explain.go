package policy

// Explain answers a query and says of every rule why it did or did not decide.
// It asks all rules rather than the index; the decision is the same.
func (p *Policy) Explain(q Query) Explanation {
	if p == nil || !q.isComplete() {
		return Explanation{Decision: p.Decide(q)}
	}
	decision := p.Decide(q)
	q = p.decisive(q, decision)
	t := newTally(len(p.rules))
	verdicts := make([]Verdict, len(p.rules))
	for i := range p.rules {
		verdicts[i] = p.rules[i].match(&q)
		t.add(i, p.rules[i].effect, verdicts[i])
	}
	if q.Meaning == nil {
		decision = p.result(t)
	}
	e := Explanation{Decision: decision, Rules: make([]RuleExplanation, len(p.rules))}
	for i := range p.rules {
		r := &p.rules[i]
		decides := e.Decision.Rule == r.name
		e.Rules[i] = RuleExplanation{
			Rule: r.name, Effect: r.effect, Line: r.line,
			Matched: verdicts[i] == Matched || verdicts[i] == Doubtful && r.effect != Allow,
			Decides: decides,
			Why:     r.why(q, verdicts[i], decides, e.Decision),
		}
	}
	return e
}

// decisive is the query about the call that an explanation is about: the one that decides.
func (p *Policy) decisive(q Query, all Decision) Query {
	if q.Meaning == nil || len(q.Meaning.Calls) == 0 {
		return q
	}
	deciding := 0
	for i := range q.Meaning.Calls {
		if d := p.DecideCall(q, i); d.Effect == all.Effect && d.Rule == all.Rule {
			deciding = i
			break
		}
	}
	about(&q, deciding, p.relation(q.Meaning.Service))
	return q
}

func (r *rule) why(q Query, v Verdict, decides bool, d Decision) string {
	switch {
	case v == Mismatch, v == unreadable, v == Doubtful && r.effect == Allow:
		return r.matcher.explain(q)
	case v == Doubtful && decides:
		return "decides, to be careful: " + r.matcher.explain(q)
	case v == Doubtful && d.Rule == "":
		return "may match, but an ask rule in doubt grants nothing: " + r.matcher.explain(q)
	case v == Doubtful:
		return "may match, but rule " + d.Rule + " decides: " + r.matcher.explain(q)
	case decides:
		return "decides"
	case d.Effect == r.effect:
		return "matches, but rule " + d.Rule + " stands before it"
	}
	return "matches, but " + d.Effect.String() + " by rule " + d.Rule + " goes before " + r.effect.String()
}
