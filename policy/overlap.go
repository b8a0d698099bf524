package policy

import (
	"cmp"
	"fmt"
	"slices"

	"sallyport/internal/yamldoc"
)

// Warnings returns what is legal but likely a mistake: two rules of one effect
// that can match the same request and differ in credential, so that their order
// decides which one is used; cookies without a credential, which do nothing;
// what has no name under a credential; operations that their rule can never match; and
// ways to write a ref that refs do not bound.
func (p *Policy) Warnings() []yamldoc.Error {
	var warnings []yamldoc.Error
	for j := range p.rules {
		r := &p.rules[j]
		if r.cookies && r.credential == "" {
			warnings = append(warnings, p.warning(r, "cookies", "has no effect without a credential: only credentialed answers lose their cookies; remove it"))
		}
		if r.unnamed {
			warnings = append(warnings, p.unnamedWarning(r))
		}
		warnings = append(warnings, p.impossible(r)...)
		warnings = append(warnings, p.passing(r)...)
		for _, i := range p.rivals(j) {
			warnings = append(warnings, p.overlapWarning(&p.rules[i], r))
		}
	}
	slices.SortStableFunc(warnings, func(a, b yamldoc.Error) int { return cmp.Compare(a.Line, b.Line) })
	return warnings
}

func (p *Policy) warning(r *rule, label, msg string) yamldoc.Error {
	return yamldoc.Error{File: p.file, Line: r.line, Key: "rules[" + r.name + "]." + label, Msg: msg}
}

func (p *Policy) unnamedWarning(r *rule) yamldoc.Error {
	if r.credential == "" {
		return p.warning(r, "unnamed", "has no effect without a credential: what has no name is kept from credentials alone; remove it")
	}
	return p.warning(r, "unnamed", "lets credential "+r.credential+" onto requests of which nobody can say what they do, so that no access, operations, refs or resources bound them; give those that have a name a rule about operations")
}

func (p *Policy) overlapWarning(a, b *rule) yamldoc.Error {
	if a.line > b.line {
		a, b = b, a
	}
	return p.warning(b, "credential", fmt.Sprintf(
		"rule %s on line %d can match the same requests with %s instead of %s; the first in the file decides, narrow one of them",
		a.name, a.line, credentialText(a.credential), credentialText(b.credential)))
}

func credentialText(name string) string {
	if name == "" {
		return "no credential"
	}
	return "credential " + name
}

// rivals returns the rules that conflict with rule j, each pair once: from the
// later rule if both are for the same hosts, from the rule for fewer hosts
// otherwise.
func (p *Policy) rivals(j int) []int {
	var found []int
	for level, candidates := range p.index.covering(p.rules[j].matcher) {
		for _, i := range candidates {
			if (level > 0 || i < j) && p.conflict(i, j) {
				found = append(found, i)
			}
		}
	}
	return found
}

func (p *Policy) conflict(i, j int) bool {
	a, b := &p.rules[i], &p.rules[j]
	return a.effect == b.effect && a.effect != Deny && a.credential != b.credential && overlap(a.matcher, b.matcher) &&
		!isBare(a.matcher) && !isBare(b.matcher)
}

// isBare reports whether a rule is only about requests that carry no credential anyway.
func isBare(m matcher) bool {
	s, ok := m.(*serviceRule)
	if !ok || s.service.Bare == nil || len(s.operations) == 0 {
		return false
	}
	for _, pattern := range s.operations {
		if !s.service.Bare(pattern) {
			return false
		}
	}
	return true
}

// covering returns the rules for the very hosts of a matcher, then those for
// ever more hosts.
func (x *index) covering(m matcher) [][]int {
	if _, ok := m.(*serviceRule); ok {
		return [][]int{x.services}
	}
	var levels [][]int
	for _, p := range m.patterns() {
		name, exact := p.Exact()
		if exact {
			levels = append(levels, x.exact[name.String()])
		} else if below, ok := p.Below(); ok {
			name = below
			levels = append(levels, x.below[name.String()])
		} else {
			continue
		}
		for up, ok := name.Parent(); ok; up, ok = up.Parent() {
			levels = append(levels, x.below[up.String()])
		}
	}
	return append(levels, x.anywhere)
}

// overlap reports whether some request can match both.
func overlap(a, b matcher) bool {
	if x, ok := a.(*serviceRule); ok {
		y, ok := b.(*serviceRule)
		return ok && x.overlaps(y)
	}
	x, ok1 := a.(*request)
	y, ok2 := b.(*request)
	return ok1 && ok2 && x.scheme == y.scheme && x.sharesHost(y) && sharesMethod(x.methods, y.methods) &&
		sharesPath(x.path, y.path) && sharesQuery(x.query, y.query)
}

func (m *request) sharesHost(o *request) bool {
	if m.anyHost || o.anyHost {
		return true
	}
	return m.host.Reduce(m.defaultPort).Overlaps(o.host.Reduce(o.defaultPort))
}

func sharesMethod(a, b []string) bool {
	for _, method := range a {
		if slices.Contains(b, method) {
			return true
		}
	}
	return len(a) == 0 || len(b) == 0
}

func sharesQuery(a, b []parameter) bool {
	for _, p := range a {
		for _, q := range b {
			if p.name == q.name && !sharesMethod(p.values, q.values) {
				return false
			}
		}
	}
	return true
}

func sharesPath(a, b *pathPattern) bool {
	if a == nil || b == nil {
		return true
	}
	return intersect(a.segments, b.segments, func(s segment) bool { return s.deep }, sharesSegment)
}

func sharesSegment(a, b segment) bool {
	same := func(x, y rune) bool { return x == y }
	return intersect(a.runes(), b.runes(), func(c rune) bool { return c == star }, same)
}

const star rune = -1

func (s segment) runes() []rune {
	var out []rune
	for i, part := range s.parts {
		if i > 0 {
			out = append(out, star)
		}
		out = append(out, []rune(part)...)
	}
	return out
}

// intersect reports whether some sequence matches both patterns, in which a wild
// element matches any number of elements and others those that they meet.
func intersect[T any](a, b []T, wild func(T) bool, meet func(T, T) bool) bool {
	// reach[j] says whether a[:i] and b[:j] can end at the same place.
	reach := make([]bool, len(b)+1)
	next := make([]bool, len(b)+1)
	for i := 0; i <= len(a); i++ {
		for j := range next {
			next[j] = i == 0 && j == 0 ||
				j > 0 && next[j-1] && (wild(b[j-1]) || i > 0 && wild(a[i-1])) ||
				i > 0 && reach[j] && (wild(a[i-1]) || j > 0 && wild(b[j-1])) ||
				i > 0 && j > 0 && reach[j-1] && meet(a[i-1], b[j-1])
		}
		reach, next = next, reach
	}
	return reach[len(b)]
}
