package policy

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/host"
)

// serviceRule is the matcher of rules that speak of a service's operations. Its
// zero fields match anything.
type serviceRule struct {
	service    *Service
	server     string // "" for every one
	effect     Effect
	repos      []repoPattern
	operations []Operations
	access     Access
	refs       []refPattern
	updates    []string
	resources  []Resources
	regions    []string
	hosts      []host.Pattern // that the rule's credential is bound to; none for any
	// bounded: the rule has a credential, and its repos are such that a token can
	// be narrowed to just them.
	bounded bool
	meets   *refBound // a bound on refs of a repository that it may reach; nil for none
}

func (m *serviceRule) patterns() []host.Pattern { return nil }

// match is in doubt about whatever has no name, and where what a call touches is
// not known: such doubt denies and asks, and never allows.
func (m *serviceRule) match(q Query) verdict {
	is := q.Meaning
	switch {
	case is == nil || is.Service != m.service.Key || m.server != "" && m.server != is.Server || !m.servedBy(q.Authority):
		return mismatch
	case q.call == nil:
		return doubtful
	}
	c := q.call
	result := m.matchUpdate(c)
	if !m.includesAccess(c) || result == mismatch {
		return mismatch
	}
	result = min(result, m.matchOperation(q), m.matchRegion(c))
	if result == mismatch {
		return mismatch
	}
	return min(result, m.matchRepo(c), m.matchResource(c))
}

// includesAccess: an allow says how much at most, an ask or a deny from where on.
// A push is more than writing, so that it has to be named in some way.
func (m *serviceRule) includesAccess(c *Call) bool {
	switch {
	case m.access == 0:
		return true
	case m.effect != Allow:
		return c.Access >= m.access
	}
	return c.Access != 0 && c.Access <= m.access && (!c.isPush() || m.namesPushes())
}

func (m *serviceRule) namesPushes() bool {
	return len(m.operations) > 0 || len(m.refs) > 0 || len(m.updates) > 0
}

// matchUpdate: refs and updates speak of pushes. A rule that says nothing else is about
// pushes only, but what writes a ref in another way may be what it denies or asks about.
func (m *serviceRule) matchUpdate(c *Call) verdict {
	switch {
	case len(m.refs) == 0 && len(m.updates) == 0:
		return matched
	case !c.isPush():
		return m.matchOtherWay(c)
	case c.Probe:
		// Whoever may push at all may ask; what is denied or asked about comes later.
		return verdictOf(m.effect == Allow)
	}
	return verdictOf((len(m.updates) == 0 || contains(m.updates, c.Update)) && (len(m.refs) == 0 || m.matchesRef(c.Ref)))
}

func (m *serviceRule) matchOtherWay(c *Call) verdict {
	if len(m.operations) == 0 && m.access == 0 && c.WritesRef && m.effect != Allow {
		return doubtful
	}
	return verdictOf(len(m.operations) > 0 || m.access != 0)
}

func verdictOf(matches bool) verdict {
	if matches {
		return matched
	}
	return mismatch
}

func contains(list []string, s string) bool {
	return slices.Contains(list, s)
}

func (m *serviceRule) matchesRef(ref string) bool {
	for i := range m.refs {
		if m.refs[i].matches(ref) {
			return true
		}
	}
	return false
}

func (m *serviceRule) matchOperation(q Query) verdict {
	c, result := q.call, mismatch
	if len(m.operations) == 0 {
		result = matched
	}
	exact := false
	for _, pattern := range m.operations {
		switch {
		case pattern.Matches(c.Operation):
			result, exact = matched, exact || pattern.Exact()
		case result == mismatch && pattern.Catches(c.Operation):
			result = doubtful
		}
	}
	if !exact && (c.Credential || m.unbounded(q) != nil) {
		return min(result, doubtful)
	}
	return result
}

func (m *serviceRule) matchRepo(c *Call) verdict {
	switch {
	case len(m.repos) == 0:
		return matched
	case c.Resource != "":
		return m.matchName(c.Resource)
	case c.Hidden && m.bounded:
		return matched
	case c.Hidden || c.Account == "":
		return doubtful
	}
	for i := range m.repos {
		if glob(m.repos[i].owner, c.Account) {
			return doubtful // the account's, and perhaps one of these
		}
	}
	return mismatch
}

func (m *serviceRule) matchName(repo string) verdict {
	result := mismatch
	page, isWiki := strings.CutSuffix(repo, ".wiki")
	for i := range m.repos {
		switch {
		case m.repos[i].matches(repo):
			return matched
		case isWiki && m.repos[i].matches(page):
			result = doubtful // the wiki of a repository that is named
		}
	}
	return result
}

func (m *serviceRule) explain(q Query) string {
	is := q.Meaning
	title := m.service.Title
	switch {
	case is == nil || is.Service != m.service.Key:
		return "the request does not go to " + title
	case m.server != "" && m.server != is.Server:
		return fmt.Sprintf("the rule means %s, not %s", m.server, is.Server)
	case !m.servedBy(q.Authority):
		return fmt.Sprintf("the rule's credential is not bound to %s, so that the rule does not mean it", q.Authority)
	case q.call == nil:
		return "the request has no name at " + title + ": " + is.Unclassified
	}
	c := q.call
	switch {
	case !m.includesAccess(c):
		if m.effect == Allow && c.isPush() {
			return fmt.Sprintf("access %s does not include %s; name it, or give refs", m.access, c.Operation)
		}
		return fmt.Sprintf("access %s does not match %s, which takes %s", m.access, c.Operation, c.Access)
	case m.matchUpdate(c) != matched:
		return m.explainUpdate(c)
	case m.matchOperation(q) != matched:
		return m.explainOperation(q)
	case m.matchRegion(c) != matched:
		return m.explainRegion(c)
	case m.matchResource(c) != matched:
		return m.explainResource(c)
	}
	return m.explainRepo(c)
}

func (m *serviceRule) explainUpdate(c *Call) string {
	switch {
	case m.matchUpdate(c) == doubtful:
		return fmt.Sprintf("%s writes a ref, and which one is not known; if the rule means pushes only, add operations: [git/push]", c.Operation)
	case !c.isPush():
		return "the rule is about pushes, not " + c.Operation
	case c.Probe:
		return "the rule is about refs, and no ref is pushed yet"
	case len(m.updates) > 0 && !contains(m.updates, c.Update):
		return fmt.Sprintf("updates [%s] do not include %s", strings.Join(m.updates, ", "), c.Update)
	}
	return fmt.Sprintf("refs [%s] do not match %s", strings.Join(texts(m.refs), ", "), c.Ref)
}

func (m *serviceRule) explainOperation(q Query) string {
	c, verdict := q.call, m.matchOperation(q)
	if verdict == doubtful && c.Credential {
		return c.Operation + plants
	}
	if b := m.unbounded(q); verdict == doubtful && b != nil {
		return b.explain(c)
	}
	names := make([]string, len(m.operations))
	for i := range m.operations {
		names[i] = m.operations[i].String()
	}
	text := fmt.Sprintf("operations [%s] do not include %s", strings.Join(names, ", "), c.Operation)
	if verdict == doubtful {
		text += ", though its name comes close"
	}
	return text
}

func (m *serviceRule) explainRepo(c *Call) string {
	listed := strings.Join(texts(m.repos), ", ")
	switch {
	case c.Resource != "":
		return fmt.Sprintf("repos [%s] do not include %s", listed, c.Resource)
	case c.Hidden:
		return fmt.Sprintf("%s hides its repository; repos [%s] can allow it only under a credential whose token is narrowed to them: name each, of one owner, or OWNER/*", c.Operation, listed)
	}
	return fmt.Sprintf("repos [%s] cannot be told from %s, which names no repository", listed, c.Operation)
}

func texts[T fmt.Stringer](list []T) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = list[i].String()
	}
	return out
}
