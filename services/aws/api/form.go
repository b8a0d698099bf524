package api

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

const formType = "application/x-www-form-urlencoded"

// readForm reads the body as a form. It is taken in the one form that every reader
// divides alike: what clients encode is encoded, and names are written as they are.
func (q *signals) readForm() *Unresolved {
	body, err := q.readBody()
	if err != nil || q.form != nil {
		return err
	}
	text := string(body)
	odd := unresolved(ReasonBody, "the body is not a form that every server reads alike; percent-encode values, and nothing in names")
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || r == ';' }) {
		return odd
	}
	for part := range strings.SplitSeq(text, "&") {
		if part == "" {
			continue
		}
		key, value, _ := strings.Cut(part, "=")
		value, bad := url.QueryUnescape(value)
		if bad != nil || key == "" || strings.ContainsFunc(key, oddInName) || !utf8.ValidString(value) || len(q.form) == maxParameters {
			return odd
		}
		q.form = append(q.form, pair{key, value})
	}
	return nil
}

// oddInName: members are called "Filter.1.Name".
func oddInName(r rune) bool {
	return !('a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' || r == '.' || r == '_' || r == '-')
}

// repeated returns a name that comes twice in query and form together, in whatever case:
// which of its values counts, each server says for itself.
func (q *signals) repeated() (name string, found bool) {
	seen := make(map[string]struct{}, len(q.parameters)+len(q.form))
	for _, pairs := range [][]pair{q.parameters, q.form} {
		for _, p := range pairs {
			key := strings.ToLower(p.key)
			if _, again := seen[key]; again {
				return p.key, true
			}
			seen[key] = struct{}{}
		}
	}
	return "", false
}
