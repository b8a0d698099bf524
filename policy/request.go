package policy

import (
	"fmt"
	"strings"

	"sallyport/internal/host"
)

// request is the matcher of host rules. Its zero fields match anything.
type request struct {
	host        host.Pattern
	anyHost     bool   // no host key
	defaultPort uint16 // what a host without a port means; 0 for any port
	scheme      string
	methods     []string
	path        *pathPattern
	query       []parameter

	credential string // what the rule injects; empty for nothing
	unnamed    bool   // also into what has no name at its service
	signed     bool   // its credential signs, so that what leaves has another form
}

func (m *request) patterns() []host.Pattern {
	if m.anyHost {
		return nil
	}
	return []host.Pattern{m.host}
}

// match asks the cheapest questions first. The query comes last, so that it is
// unreadable only to a rule that would otherwise match.
func (m *request) match(q *Query) Verdict {
	if m.scheme != "" && m.scheme != q.Scheme || !m.matchesHost(q.Authority) {
		return Mismatch
	}
	result := matchMethod(m.methods, q.Method)
	if result == Mismatch {
		return Mismatch
	}
	if m.path != nil {
		if result = min(result, m.matchPath(q)); result == Mismatch {
			return Mismatch
		}
	}
	if m.exceeded(q) {
		result = min(result, Doubtful)
	}
	if len(m.query) > 0 {
		return m.matchQuery(q.RawQuery, result)
	}
	return result
}

// exceeded reports whether the request may do more than a rule about hosts can grant, since
// such a rule names no operation. That is so for
//
//   - a call whose operation has to be named exactly,
//   - a call that touches something else than what the one host of the rule belongs to,
//   - a request without a name at its service, if the rule gives it a credential and does not
//     say unnamed: allow.
func (m *request) exceeded(q *Query) bool {
	if q.call == nil {
		return q.Meaning != nil && m.credential != "" && !m.unnamed
	}
	return q.call.Credential || q.bound != nil || q.call.OtherHost && m.isExact()
}

func (m *request) matchQuery(raw string, result Verdict) Verdict {
	result = matchQuery(m.query, raw, result)
	if m.signed && result == Matched && strings.Contains(raw, "+") {
		return min(result, max(Doubtful, matchQuery(m.query, signedQuery(raw), result)))
	}
	return result
}

// signedQuery is a query as it leaves once it is signed.
func signedQuery(raw string) string { return strings.ReplaceAll(raw, "+", "%2B") }

// matchPath compares the request's path and, where its call touches another, that path too.
// An allow must match both; for a deny or an ask one is enough, so that a difference is
// doubt.
func (m *request) matchPath(q *Query) Verdict {
	own := m.path.match(q.Path)
	if m.signed && own == Matched && !m.path.matchText(q.Path.signed()) {
		own = Doubtful
	}
	if q.call == nil {
		return own
	}
	if q.call.Elsewhere {
		return Doubtful
	}
	if q.call.Path.raw == "" {
		return own
	}
	if other := m.path.match(q.call.Path); other != own {
		return Doubtful
	}
	return own
}

// isExact reports whether the rule names one host.
func (m *request) isExact() bool {
	_, exact := m.host.Exact()
	return !m.anyHost && exact
}

func (m *request) matchesHost(a host.Authority) bool {
	if m.anyHost {
		return m.defaultPort == 0 || a.Port == m.defaultPort
	}
	return m.host.Matches(a, m.defaultPort)
}

// matchMethod compares case-sensitively (RFC 9110, section 9.1). Servers exist
// that do not, so another case is doubtful rather than different. So is an
// upgrade where the method is listed that carries it: a server may ignore Upgrade and
// answer that (RFC 9110, section 7.8).
func matchMethod(methods []string, method string) Verdict {
	if len(methods) == 0 {
		return Matched
	}
	result := Mismatch
	for _, m := range methods {
		if m == method {
			return Matched
		}
		if strings.EqualFold(m, method) || m == "GET" && (method == Upgrade || method == UpgradeSPDY) || m == "POST" && method == UpgradeSPDY {
			result = Doubtful
		}
	}
	return result
}

func (m *request) explain(q Query) string {
	if m.scheme != "" && m.scheme != q.Scheme {
		return fmt.Sprintf("scheme %s does not match %s", m.scheme, q.Scheme)
	}
	if !m.matchesHost(q.Authority) {
		return m.explainHost(q.Authority)
	}
	switch matchMethod(m.methods, q.Method) {
	case Mismatch:
		return fmt.Sprintf("methods [%s] do not include %s", strings.Join(m.methods, ", "), q.Method)
	case Doubtful:
		return fmt.Sprintf("methods [%s] do not include %s, though a server may read it as one of them", strings.Join(m.methods, ", "), q.Method)
	case Matched, unreadable:
	}
	if m.path != nil && m.matchPath(&q) != Matched {
		return m.explainPath(q)
	}
	if m.exceeded(&q) {
		return m.explainExcess(q)
	}
	if m.signed && matchQuery(m.query, q.RawQuery, Matched) == Matched {
		return explainQuery(m.query, signedQuery(q.RawQuery)) // nothing if that matches too
	}
	return explainQuery(m.query, q.RawQuery)
}

func (m *request) explainExcess(q Query) string {
	if q.call == nil {
		return fmt.Sprintf("the request has no name at its service, so that what it would do with credential %s is not known: %s; give what is meant a rule about the service's operations, or write unnamed: allow",
			m.credential, q.Meaning.Unclassified)
	}
	switch {
	case q.call.Credential:
	case q.bound != nil:
		return q.bound.Why(q.call)
	default:
		return q.call.Operation + " touches what host " + m.host.String() + " does not name"
	}
	return q.call.Operation + plants
}

// explainPath says why the path does not match for certain.
func (m *request) explainPath(q Query) string {
	own := m.path.match(q.Path)
	switch {
	case m.signed && own == Matched && !m.path.matchText(q.Path.signed()):
		return fmt.Sprintf("path %s matches %s, but not what is signed and sent in its place, %s", m.path, q.Path, q.Path.signed())
	case m.matchPath(&q) == Mismatch:
		return fmt.Sprintf("path %s does not match %s", m.path, q.Path)
	case own == Doubtful:
		return fmt.Sprintf("path %s matches %s only if %s", m.path, q.Path, m.path.explainReading(q.Path))
	case q.call.Elsewhere:
		return fmt.Sprintf("path %s says nothing of what %s touches", m.path, q.call.Operation)
	case own == Matched:
		return fmt.Sprintf("path %s does not match %s, which %s touches too", m.path, q.call.Path, q.call.Operation)
	}
	return fmt.Sprintf("path %s matches %s, which %s touches", m.path, q.call.Path, q.call.Operation)
}

func (m *request) explainHost(a host.Authority) string {
	if !m.anyHost && !m.host.MatchesName(a.Name) {
		text := fmt.Sprintf("host %s does not match %s", m.host, a.Name)
		if _, exact := m.host.Exact(); a.Name.IsAddr() && !exact {
			text += ": a * stands for names, never for an address"
		}
		return text
	}
	if m.anyHost || !m.host.HasPort() {
		return fmt.Sprintf("without a port the rule means port %d, not %d", m.defaultPort, a.Port)
	}
	return fmt.Sprintf("host %s does not match port %d", m.host, a.Port)
}
