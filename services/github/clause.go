package github

import (
	"fmt"
	"strings"

	"sallyport/internal/yamldoc"
	"sallyport/policy"
	"sallyport/services/github/api"
)

// clause is what stands under github: in a rule. Its zero fields match anything.
type clause struct {
	effect     policy.Effect
	place      policy.Place
	repos      repos
	operations policy.Operations
	access     policy.Access
	pushes     pushClause
	scope      *Scope
	// tokenFits: the rule has a credential whose token can be narrowed to exactly its repos.
	tokenFits bool

	// refsBoundBy is the first rule with refs or updates for a repository that this rule is
	// about as well, and pushesBoundBy the first of those that allows pushes (clausebound.go);
	// nil for none.
	refsBoundBy, pushesBoundBy *refBound
}

// Clause implements [policy.Language].
func (l *language) Clause(n *yamldoc.Node, h policy.Header) policy.Clause {
	m := &clause{effect: h.Effect, place: policy.Place{Server: api.DotCom().Host()}}
	if h.Effect == policy.Deny {
		m.place.Server = "" // wide where nothing is written, as in rules about hosts
	}
	if f := n.Field("host"); f != nil {
		m.place.Server = readServer(f)
	}
	m.repos = policy.ReadPatterns(n.Field("repos"), "write repos: [acme/web], or [acme/*]", parseRepoPattern)
	m.operations = policy.ReadPatterns(n.Field("operations"), "as in "+example, func(pattern string) (policy.Pattern, error) {
		return api.ParsePattern(pattern)
	})
	m.access = policy.ReadAccess(n.Field("access"))
	m.pushes = readPushes(n)
	if !m.pushes.isAny() && len(m.operations) > 0 && m.operations.Match(&policy.Call{Operation: pushOperation}, false) != policy.Matched {
		n.Fail("refs and updates speak of pushes, and operations do not include git/push; add it, or remove them")
	}
	m.scope = m.scopeOf(h)
	m.tokenFits = h.Credential != "" && l.narrows(h.Credential) && m.fitsToken()
	return m
}

// pushOperation is the name of a push.
const pushOperation = "git/push"

func readServer(n *yamldoc.Node) string {
	text, ok := n.Word("write host: " + api.DotCom().Host())
	if !ok {
		return ""
	}
	s, err := serverAt(text)
	if err != nil {
		n.Fail("%q is not a GitHub server; write its web host, as in github.example.com", text)
		return ""
	}
	return s.Host()
}

// Place implements [policy.Placed].
func (m *clause) Place() *policy.Place { return &m.place }

// Scope implements [policy.Scoped].
func (m *clause) Scope() policy.Scope { return m.scope }

// Match implements [policy.Clause].
func (m *clause) Match(c *policy.Call, b policy.Bound) policy.Verdict {
	f := factsOf(c)
	result := m.matchPush(&f)
	if !m.includesAccess(c, &f) || result == policy.Mismatch {
		return policy.Mismatch
	}
	if result = min(result, m.operations.Match(c, m.boundBy(&f, b) != nil)); result == policy.Mismatch {
		return policy.Mismatch
	}
	return min(result, m.matchRepo(c, &f))
}

// includesAccess reports whether the rule's access means the call. Access alone never allows a
// push: a rule that does has operations, refs or updates.
func (m *clause) includesAccess(c *policy.Call, f *facts) bool {
	if !m.access.Includes(m.effect, c) {
		return false
	}
	return m.access == 0 || m.effect != policy.Allow || !f.isPush() || len(m.operations) > 0 || !m.pushes.isAny()
}

// matchPush compares refs and updates, which are about pushes. A rule with nothing else is
// about pushes only; if it denies or asks, it is in doubt about calls that write a ref in
// another way.
func (m *clause) matchPush(f *facts) policy.Verdict {
	switch {
	case m.pushes.isAny():
		return policy.Matched
	case !f.isPush() && !m.isOnlyPushes():
		return policy.Matched
	case !f.isPush() && f.WritesRef && m.effect != policy.Allow:
		return policy.Doubtful
	case !f.isPush():
		return policy.Mismatch
	case f.Probe:
		// Whoever may push some ref may ask whether it may push. Which refs are denied, or a
		// person is asked about, is decided when they are pushed.
		return policy.VerdictOf(m.effect == policy.Allow)
	}
	return policy.VerdictOf(m.pushes.match(f))
}

func (m *clause) isOnlyPushes() bool { return len(m.operations) == 0 && m.access == 0 }

func (m *clause) matchRepo(c *policy.Call, f *facts) policy.Verdict {
	switch {
	case len(m.repos) == 0:
		return policy.Matched
	case c.Resource != "":
		return m.repos.match(c.Resource)
	case f.General:
		return policy.VerdictOf(m.effect == policy.Allow && m.access != 0)
	case f.Hidden && m.tokenFits:
		return policy.Matched
	case f.Hidden || f.Account == "", m.repos.haveOf(f.Account):
		return policy.Doubtful // it may be about one of them
	}
	return policy.Mismatch
}

// Outlook implements [policy.Clause]. It leaves the refs of other rules out, since they can
// only make less match.
func (m *clause) Outlook(c *policy.Call) (surely, possibly policy.Verdict) {
	f := factsOf(c)
	surely, possibly = m.operations.Outlook(c)
	both := func(s, p policy.Verdict) { surely, possibly = min(surely, s), min(possibly, p) }
	switch {
	case c.Access != 0:
		v := policy.VerdictOf(m.includesAccess(c, &f))
		both(v, v)
	case m.access != 0:
		surely = policy.Mismatch
	}
	if f.Unread && !m.pushes.isAny() {
		surely = policy.Mismatch // its refs are not known
	} else {
		both(m.matchPush(&f), m.matchPush(&f))
	}
	both(m.matchRepo(c, &f), m.matchRepo(c, &f))
	return surely, possibly
}

// Meets implements [policy.Clause].
func (m *clause) Meets(other policy.Clause) bool {
	o, ok := other.(*clause)
	return ok && m.repos.meet(o.repos) && m.operations.Meet(o.operations) && m.pushes.meet(&o.pushes)
}

// Bare implements [policy.Bare]: links that are signed take no credential.
func (m *clause) Bare() bool {
	for _, p := range m.operations {
		if !strings.HasPrefix(p.String(), "download/") {
			return false
		}
	}
	return len(m.operations) > 0
}

// Why implements [policy.Clause].
func (m *clause) Why(c *policy.Call, b policy.Bound) string {
	f := factsOf(c)
	bound := m.boundBy(&f, b)
	switch {
	case !m.includesAccess(c, &f):
		if m.effect == policy.Allow && f.isPush() {
			return fmt.Sprintf("access %s does not include %s; name it, or give refs", m.access, c.Operation)
		}
		return m.access.Why(c)
	case m.matchPush(&f) != policy.Matched:
		return m.whyNotPush(c, &f)
	case m.operations.Match(c, bound != nil) != policy.Matched:
		return m.operations.Why(c, bound)
	}
	return m.repos.why(c, &f)
}

func (m *clause) whyNotPush(c *policy.Call, f *facts) string {
	switch {
	case m.matchPush(f) == policy.Doubtful:
		return fmt.Sprintf("%s writes a ref, and which one is not known; if the rule means pushes only, add operations: [git/push]", c.Operation)
	case !f.isPush():
		return "the rule is about pushes, not " + c.Operation
	case f.Probe:
		return "the rule is about refs, and no ref is pushed yet"
	}
	return m.pushes.why(f)
}
