package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/glob"
	"sallyport/internal/yamldoc"
)

// Warnings returns what is legal but likely a mistake: two rules of one effect
// that can match the same request and differ in credential, so that their order
// decides which one is used; cookies without a credential, which do nothing;
// what has no name under a credential; and what a clause warns of itself.
func (p *Policy) Warnings() []yamldoc.Error {
	v := review{file: p.file, rules: p.rules, index: &p.index, limiting: p.limiting}
	for j := range p.rules {
		v.look(j)
	}
	slices.SortStableFunc(v.warnings, func(a, b yamldoc.Error) int { return cmp.Compare(a.Line, b.Line) })
	return v.warnings
}

// review looks at the rules of a policy, one after the other.
type review struct {
	file     string
	rules    []rule
	index    *index
	limiting []string
	warnings []yamldoc.Error
}

func (v *review) look(j int) {
	r := &v.rules[j]
	if r.cookies && r.credential == "" {
		v.warn(r, "cookies", "has no effect without a credential: only credentialed answers lose their cookies; remove it")
	}
	if r.unnamed {
		v.warn(r, "unnamed", v.unnamedWarning(r))
	}
	if m, ok := r.matcher.(*serviceRule); ok {
		v.lookAtClause(r, m)
	}
	for _, i := range v.rivals(j) {
		v.warnOfOverlap(&v.rules[i], r)
	}
}

func (v *review) lookAtClause(r *rule, m *serviceRule) {
	of, ok := m.clause.(Warner)
	if !ok {
		return
	}
	for _, w := range of.Warnings() {
		label := r.effect.String() + "." + m.key
		if w.Key != "" {
			label += "." + w.Key
		}
		v.warn(r, label, w.Msg)
	}
}

func (v *review) warn(r *rule, label, msg string) {
	v.warnings = append(v.warnings, yamldoc.Error{File: v.file, Line: r.line, Key: "rules[" + r.name + "]." + label, Msg: msg})
}

func (v *review) unnamedWarning(r *rule) string {
	if r.credential == "" {
		return "has no effect without a credential: what has no name is kept from credentials alone; remove it"
	}
	what := "nothing bounds"
	if len(v.limiting) > 0 {
		what = "no " + anyOf(v.limiting) + " bound"
	}
	return "lets credential " + r.credential + " onto requests of which nobody can say what they do, so that " + what + " them; give those that have a name a rule about operations"
}

// anyOf lists words, each once and one at least, as in "one, two or three".
func anyOf(words []string) string {
	var list []string
	for _, word := range words {
		if !slices.Contains(list, word) {
			list = append(list, word)
		}
	}
	last := len(list) - 1
	if last == 0 {
		return list[0]
	}
	return strings.Join(list[:last], ", ") + " or " + list[last]
}

func (v *review) warnOfOverlap(a, b *rule) {
	if a.line > b.line {
		a, b = b, a
	}
	v.warn(b, "credential", fmt.Sprintf(
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
func (v *review) rivals(j int) []int {
	var found []int
	for level, candidates := range v.index.covering(v.rules[j].matcher) {
		for _, i := range candidates {
			if (level > 0 || i < j) && v.conflict(i, j) {
				found = append(found, i)
			}
		}
	}
	return found
}

func (v *review) conflict(i, j int) bool {
	a, b := &v.rules[i], &v.rules[j]
	return a.effect == b.effect && a.effect != Deny && a.credential != b.credential && overlap(a.matcher, b.matcher) &&
		!isBare(a.matcher) && !isBare(b.matcher)
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
	return glob.Intersect(a.segments, b.segments, func(s segment) bool { return s.deep }, sharesSegment)
}

func sharesSegment(a, b segment) bool {
	same := func(x, y rune) bool { return x == y }
	return glob.Intersect(a.runes(), b.runes(), func(c rune) bool { return c == star }, same)
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
