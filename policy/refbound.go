package policy

import (
	"fmt"
	"slices"

	"sallyport/internal/yamldoc"
)

// refBound is what a rule with refs or updates says of the repositories that it names:
// how their refs are written matters to the policy. It bounds pushes by itself. A ref is
// written in other ways too, which do not say which one, so that where a policy bounds
// refs no rule allows those unless it names the operation exactly.
type refBound struct {
	rule   string
	line   int
	effect Effect
	server string        // "" for every one
	repos  []repoPattern // none for every repository
}

// boundsOf lists the bounds of a policy.
func boundsOf(rules []rule) []refBound {
	var bounds []refBound
	for i := range rules {
		m, ok := rules[i].matcher.(*serviceRule)
		if !ok || len(m.refs)+len(m.updates) == 0 {
			continue
		}
		bounds = append(bounds, refBound{rule: rules[i].name, line: rules[i].line, effect: m.effect, server: m.server, repos: m.repos})
	}
	return bounds
}

// meetBounds tells each rule the first bound on a repository that it may reach, for the
// calls that hide theirs.
func meetBounds(rules []rule, bounds []refBound) {
	for i := range rules {
		m, ok := rules[i].matcher.(*serviceRule)
		if !ok {
			continue
		}
		for j := range bounds {
			if bounds[j].meets(m) {
				m.meets = &bounds[j]
				break
			}
		}
	}
}

// meets reports whether the bound is on a repository that the rule may reach.
func (b *refBound) meets(m *serviceRule) bool {
	return (b.server == "" || m.server == "" || b.server == m.server) && sharesRepos(b.repos, m.repos)
}

// sharesRepos reports whether two lists of repositories have one in common, where none
// means all.
func sharesRepos(a, b []repoPattern) bool {
	return shares(a, b, func(p, q repoPattern) bool {
		return sharesSegment(starred(p.owner), starred(q.owner)) && sharesSegment(starred(p.name), starred(q.name))
	})
}

// covers reports whether the call may write a ref of a repository that the bound is on.
func (b *refBound) covers(server string, c *Call) bool {
	switch {
	case b.server != "" && b.server != server:
		return false
	case len(b.repos) == 0, c.Resource == "" && c.Account == "":
		return true
	}
	return slices.ContainsFunc(b.repos, func(p repoPattern) bool {
		if c.Resource == "" {
			return glob(p.owner, c.Account)
		}
		return p.matches(c.Resource)
	})
}

// about returns the query about one call of its meaning.
func (p *Policy) about(q Query, i int) Query {
	q.call, q.bound = &q.Meaning.Calls[i], nil
	push := q.call.Ref != ""
	if !push && !q.call.WritesRef {
		return q
	}
	for j := range p.bounds {
		// Which ref a push writes is known, so that a rule that denies it or asks does so.
		if b := &p.bounds[j]; (!push || b.effect == Allow) && b.covers(q.Meaning.Server, q.call) {
			q.bound = b
			break
		}
	}
	return q
}

// unbounded returns the bound that an allow would pass by, as long as it does not name
// the operation exactly; nil for none.
func (m *serviceRule) unbounded(q Query) *refBound {
	switch {
	case m.effect != Allow || q.bound == nil, q.call.isPush() && len(m.refs)+len(m.updates) > 0:
		return nil
	case q.call.Hidden:
		return m.meets // its token reaches the rule's own repositories alone
	}
	return q.bound
}

func (b *refBound) explain(c *Call) string {
	if c.isPush() {
		return fmt.Sprintf("rule %s bounds the refs that are pushed there, so that another rule has to name %s exactly, or give refs of its own", b.rule, c.Operation)
	}
	return fmt.Sprintf("%s writes a ref other than by a push, and rule %s bounds the refs there, so that a rule has to name it exactly", c.Operation, b.rule)
}

// passing warns of a rule that names what writes a ref past the bound of another rule, or
// past its own.
func (p *Policy) passing(r *rule) []yamldoc.Error {
	m, ok := r.matcher.(*serviceRule)
	if !ok || m.effect != Allow || m.meets == nil || m.service.Reach == nil {
		return nil
	}
	var warnings []yamldoc.Error
	for _, o := range m.operations {
		if !o.Exact() {
			continue // which allows nothing of the kind
		}
		reach := m.service.Reach(o)
		if b := m.meets; reach.WritesRefs {
			warnings = append(warnings, p.passingWarning(r, m, o.String()+" writes any ref there", b, "remove it if they are meant to"))
		}
		if b := p.pushBound(m); reach.Pushes && b != nil && len(m.refs)+len(m.updates) == 0 {
			warnings = append(warnings, p.passingWarning(r, m, o.String()+" pushes to any ref there", b, "give this rule refs too"))
		}
	}
	return warnings
}

func (p *Policy) passingWarning(r *rule, m *serviceRule, what string, b *refBound, hint string) yamldoc.Error {
	return p.warning(r, "allow."+m.service.Key+".operations", fmt.Sprintf("%s, which the refs and updates of rule %s on line %d do not bound; %s", what, b.rule, b.line, hint))
}

// pushBound is a rule that allows pushes to some refs only of what the other rule may reach.
func (p *Policy) pushBound(m *serviceRule) *refBound {
	for i := range p.bounds {
		if p.bounds[i].effect == Allow && p.bounds[i].meets(m) {
			return &p.bounds[i]
		}
	}
	return nil
}
