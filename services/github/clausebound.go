package github

import (
	"fmt"
	"slices"

	"sallyport/internal/glob"
	"sallyport/policy"
	"sallyport/services/github/api"
)

// refBound is a rule with refs or updates. Whoever wrote it cares which refs of its
// repositories are written. The rule itself bounds pushes. Other operations write refs too,
// without saying which, so that in these repositories another rule allows one of them only if
// it names the operation exactly.
type refBound struct {
	rule   string
	line   int
	effect policy.Effect
	server string // "" for every one
	repos  repos
}

// bounds are all of one policy.
type bounds []refBound

// Relate implements [policy.Relater]. It tells each clause the first bounds on a repository
// that its rule is about as well.
func (*language) Relate(rules []policy.Ruled) policy.Relation {
	var all bounds
	for _, r := range rules {
		if m, ok := r.Clause.(*clause); ok && !m.pushes.isAny() {
			all = append(all, refBound{rule: r.Rule, line: r.Line, effect: r.Effect, server: m.place.Server, repos: m.repos})
		}
	}
	for _, r := range rules {
		if m, ok := r.Clause.(*clause); ok {
			m.refsBoundBy = all.first(func(b *refBound) bool { return b.meets(m) })
			m.pushesBoundBy = all.first(func(b *refBound) bool { return b.effect == policy.Allow && b.meets(m) })
		}
	}
	return all
}

func (l bounds) first(is func(*refBound) bool) *refBound {
	for i := range l {
		if is(&l[i]) {
			return &l[i]
		}
	}
	return nil
}

// Bound implements [policy.Relation].
func (l bounds) Bound(server string, c *policy.Call) policy.Bound {
	f := factsOf(c)
	isPush := f.Ref != ""
	if !isPush && !f.WritesRef {
		return nil
	}
	for i := range l {
		// Which refs a push writes is known, so that rules that deny or ask match it by them
		// and are no bound on it.
		if b := &l[i]; (!isPush || b.effect == policy.Allow) && b.covers(server, c, &f) {
			return b
		}
	}
	return nil
}

// meets reports whether the bound is on a repository that the rule may reach.
func (b *refBound) meets(m *clause) bool {
	return (b.server == "" || m.place.Server == "" || b.server == m.place.Server) && b.repos.meet(m.repos)
}

// covers reports whether the call may write a ref of a repository that the bound is on.
func (b *refBound) covers(server string, c *policy.Call, f *facts) bool {
	switch {
	case b.server != "" && b.server != server:
		return false
	case len(b.repos) == 0, c.Resource == "" && f.Account == "":
		return true
	}
	return slices.ContainsFunc(b.repos, func(p repoPattern) bool {
		if c.Resource == "" {
			return glob.Match(p.owner, f.Account)
		}
		return p.matches(c.Resource)
	})
}

// Why implements [policy.Bound].
func (b *refBound) Why(c *policy.Call) string {
	if f := factsOf(c); f.isPush() {
		return fmt.Sprintf("rule %s bounds the refs that are pushed there, so that another rule has to name %s exactly, or give refs of its own", b.rule, c.Operation)
	}
	return c.Operation + " " + b.otherWay()
}

// Refusal implements [policy.Bound].
func (b *refBound) Refusal(c *policy.Call) string {
	if f := factsOf(c); f.isPush() {
		return "" // the call names its ref
	}
	return "which " + b.otherWay()
}

func (b *refBound) otherWay() string {
	return fmt.Sprintf("writes a ref other than by a push, and rule %s bounds the refs there, so that a rule has to name it exactly", b.rule)
}

// boundBy returns the bound because of which this rule has to name the operation exactly; nil
// if it need not. b is the call's.
func (m *clause) boundBy(f *facts, b policy.Bound) policy.Bound {
	switch {
	case m.effect != policy.Allow || b == nil, f.isPush() && !m.pushes.isAny():
		return nil
	case !f.Hidden:
		return b
	case m.refsBoundBy == nil:
		return nil
	}
	return m.refsBoundBy // its token reaches the rule's own repositories alone
}

// Warnings implements [policy.Warner]. It warns of a rule, or a part of one, that no request
// can match, and of operations that write any ref where some rule of the policy bounds them.
func (m *clause) Warnings() (warnings []policy.Warning) {
	if !m.pushes.isAny() && m.effect == policy.Allow && m.access == policy.Read {
		warnings = append(warnings, policy.Warning{Msg: "refs and updates speak of pushes, which access read does not include; remove them, or write access: write"})
	}
	for _, o := range m.operations {
		if why := m.neverMatches(reachOf(o)); why != "" {
			warnings = append(warnings, policy.Warning{Key: "operations", Msg: o.String() + " never matches here: " + why})
		}
	}
	if m.effect != policy.Allow || m.refsBoundBy == nil {
		return warnings
	}
	for _, o := range m.operations {
		if !o.Exact() {
			continue // a pattern allows no operation that a bound is on
		}
		reach := reachOf(o)
		if reach.WritesRefs {
			warnings = append(warnings, m.refsBoundBy.passed(o.String()+" writes any ref there", "remove it if they are meant to"))
		}
		if reach.Pushes && m.pushesBoundBy != nil && m.pushes.isAny() {
			warnings = append(warnings, m.pushesBoundBy.passed(o.String()+" pushes to any ref there", "give this rule refs too"))
		}
	}
	return warnings
}

// passed warns of an operation that writes refs which the bound does not hold.
func (b *refBound) passed(what, hint string) policy.Warning {
	return policy.Warning{Key: "operations", Msg: fmt.Sprintf("%s, which the refs and updates of rule %s on line %d do not bound; %s", what, b.rule, b.line, hint)}
}

// reachOf is what the operations of a compiled pattern have in common.
func reachOf(p policy.Pattern) api.Reach {
	if p, ok := p.(api.Pattern); ok {
		return p.Reach()
	}
	return api.Reach{Least: policy.Read, Greatest: policy.Admin, Repo: true}
}

func (m *clause) neverMatches(reach api.Reach) string {
	switch {
	case m.effect == policy.Allow && m.access != 0 && m.access < reach.Least:
		return fmt.Sprintf("it takes %s, and the rule gives access %s; leave access out, for the operations say enough", reach.Least, m.access)
	case m.effect != policy.Allow && m.access > reach.Greatest:
		return fmt.Sprintf("it takes %s, and the rule begins at access %s; leave access out", reach.Greatest, m.access)
	case m.effect != policy.Allow || len(m.repos) == 0 || reach.Repo || reach.GraphQL && m.tokenFits:
		return ""
	case reach.GraphQL:
		return fmt.Sprintf("it hides its repository, and repos [%s] can bound it only under a credential whose token is narrowed to them: name each, of one owner, or OWNER/*", policy.Listed(m.repos))
	}
	return fmt.Sprintf("it is about no repository, and repos [%s] want one; give it a rule without repos", policy.Listed(m.repos))
}
