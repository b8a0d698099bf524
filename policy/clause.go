package policy

import (
	"slices"

	"sallyport/internal/host"
	"sallyport/internal/yamldoc"
)

// Clause is what a rule says in a service's own words. It is immutable once the policy is
// parsed, and deciding by it allocates nothing.
//
// What only some clauses have are interfaces of one method, found by assertion: [Placed],
// [Scoped], [Warner], [Bare].
type Clause interface {
	// Match reports whether the rule means the call. If bound is not nil ([Relation]), an
	// allow may answer Matched only if it names the operation exactly. Doubtful is enough to
	// deny or to ask, and never to allow.
	Match(c *Call, bound Bound) Verdict
	// Why says why Match does not say Matched, in the words of the file.
	Why(c *Call, bound Bound) string
	// Outlook is asked before the body is read. It returns the weakest and the strongest
	// verdict that Match may give once the call is known, whatever its bound.
	Outlook(outline *Call) (surely, possibly Verdict)
	// Meets reports whether some call can match both. The other is a clause of the same
	// language.
	Meets(other Clause) bool
}

// Placed is a Clause that can be about some of its service's servers only.
type Placed interface{ Place() *Place }

// Scoped is a Clause that says something of a credential that is made for its requests.
type Scoped interface{ Scope() Scope }

// Warner is a Clause that can say what in it is legal and likely a mistake.
type Warner interface {
	// Warnings is called after [Relater].Relate.
	Warnings() []Warning
}

// Warning is what is likely a mistake, and below which key of the clause; "" for all of it.
type Warning struct{ Key, Msg string }

// Bare is a Clause that reports whether all the requests that it means go out without a
// credential, even if their rule names one.
type Bare interface{ Bare() bool }

// Scope is what a rule says of a credential that is made for its requests, in the words of
// the service whose kind it is. It is a pointer, by which each rule's is told from the
// others'.
type Scope interface {
	// Equal reports whether both bound a credential alike.
	Equal(other Scope) bool
	// Serves reports whether what is made for another rule's call serves this rule too, and
	// the other way round.
	Serves(c *Call) bool
}

// unscoped is the Scope of a rule about a service that says nothing of its credential.
type unscoped struct{}

func (unscoped) Equal(o Scope) bool { return o == unscoped{} }
func (unscoped) Serves(*Call) bool  { return true }

// SameScope reports whether both bound a credential alike; nil is that of a rule that is
// about no service.
func SameScope(a, b Scope) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Equal(b)
}

// serviceRule is the matcher of rules that speak of a service's operations.
type serviceRule struct {
	key, title string // of the language
	clause     Clause
	place      *Place
}

// service compiles the clause of a rule.
func (c *compiler) service(above, n *yamldoc.Node, l Language, r *rule) matcher {
	words := l.Words()
	if len(above.Below) > 1 {
		above.Fail("%s stands alone: it names hosts and paths by itself; make it two rules", words.Key)
	}
	unknown := func(f *yamldoc.Node) bool { return !slices.Contains(words.Keys, f.Label) }
	if !n.Mapping(words.Keys...) || slices.ContainsFunc(n.Below, unknown) {
		return nil
	}
	if len(n.Below) == 0 {
		n.Fail("says nothing and would match every request to %s; write %s", words.Title, words.Example)
		return nil
	}
	if r.unnamed {
		above.Fail("a rule about operations allows only what it names, so that unnamed does nothing here; remove it, or give it a rule about a host")
	}
	if words.Signed && r.effect != Deny && r.credential == "" {
		above.Fail("nothing goes to %s unsigned; give the rule a credential", words.Title)
	}
	m := &serviceRule{key: words.Key, title: words.Title, place: &Place{}}
	m.clause = l.Clause(n, Header{Effect: r.effect, Credential: r.credential, Pinned: r.scope})
	if placed, ok := m.clause.(Placed); ok {
		m.place = placed.Place()
	}
	c.serve(words.Key, m.place.servers()...)
	return m
}

// scope completes what the rule says of a credential by what its clause does.
func (m *serviceRule) scope(pinned Scope) Scope {
	if s, ok := m.clause.(Scoped); ok {
		return s.Scope()
	}
	if pinned != nil {
		return pinned
	}
	return unscoped{}
}

func (m *serviceRule) patterns() []host.Pattern { return nil }

func (m *serviceRule) means(q *Query) bool {
	is := q.Meaning
	return is != nil && is.Service == m.key && m.place.has(is.Server, q.Authority)
}

// match is in doubt about whatever has no name.
func (m *serviceRule) match(q *Query) Verdict {
	switch {
	case !m.means(q):
		return Mismatch
	case q.call == nil:
		return Doubtful
	}
	return m.clause.Match(q.call, q.bound)
}

func (m *serviceRule) explain(q Query) string {
	is := q.Meaning
	switch {
	case is == nil || is.Service != m.key:
		return "the request does not go to " + m.title
	case !m.place.has(is.Server, q.Authority):
		return m.place.why(is.Server, q.Authority)
	case q.call == nil:
		return "the request has no name at " + m.title + ": " + is.Unclassified
	}
	return m.clause.Why(q.call, q.bound)
}

func (m *serviceRule) sees(q Query, o *Outline) (surely, possibly Verdict) {
	if !m.means(&q) {
		return Mismatch, Mismatch
	}
	return m.clause.Outlook(&o.Call)
}

func (m *serviceRule) overlaps(o *serviceRule) bool {
	return m.key == o.key && m.place.Meets(o.place) && m.clause.Meets(o.clause)
}

// isBare reports whether a rule is only about requests that carry no credential anyway.
func isBare(m matcher) bool {
	s, ok := m.(*serviceRule)
	if !ok {
		return false
	}
	b, ok := s.clause.(Bare)
	return ok && b.Bare()
}
