package sigv4

import (
	"cmp"
	"net/textproto"
	"slices"
	"strings"
)

// parameter is one name and value of a query, canonically escaped.
type parameter struct {
	name, value string
	bare        bool // "acl" and not "acl="
}

// rawQuery is a query read for signing, in the order it was sent.
//
// Only "&" separates: ";" is a character like any other, as is "+", which is not a
// space (RFC 3986). Since servers disagree on both, what is sent has them escaped, so
// that the server reads what was signed.
type rawQuery []parameter

// parseQuery reads a query as it was sent. Empty pairs say nothing and are dropped.
func parseQuery(raw string) (rawQuery, error) {
	if raw == "" {
		return nil, nil
	}
	query := make(rawQuery, 0, strings.Count(raw, "&")+1)
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, assigned := strings.Cut(pair, "=")
		escapedName, ok := canonicalEscape(name, false)
		escapedValue, ok2 := canonicalEscape(value, false)
		if !ok || !ok2 {
			return nil, refuse(Malformed, "the query holds an invalid percent-encoding")
		}
		query = append(query, parameter{escapedName, escapedValue, !assigned})
	}
	return query, nil
}

func (q rawQuery) has(name string) bool {
	_, count := q.value(name)
	return count > 0
}

// value returns the decoded value of a parameter, and how often it is there. Names of
// the signature's own parameters are compared without regard to case, so that none
// slips through; they hold no byte that is escaped.
func (q rawQuery) value(name string) (value string, count int) {
	for _, p := range q {
		if strings.EqualFold(p.name, name) {
			value = p.decodedValue()
			count++
		}
	}
	return value, count
}

func (p parameter) decoded() string      { return unescape(p.name) }
func (p parameter) decodedValue() string { return unescape(p.value) }

// header returns the name of a parameter that belongs in a header and is not removed with
// the signature; empty if there is none.
func (q rawQuery) header() string {
	for _, p := range q {
		name := textproto.CanonicalMIMEHeaderKey(p.decoded())
		if strings.HasPrefix(name, "X-Amz-") && !isPresignParameter(name) {
			return name
		}
	}
	return ""
}

// wire is the query as it is sent: in the client's order, with nothing ambiguous.
func (q rawQuery) wire() string {
	var b strings.Builder
	for i, p := range q {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.name)
		if !p.bare {
			b.WriteByte('=')
			b.WriteString(p.value)
		}
	}
	return b.String()
}

// appendCanonical appends the query as it is signed: sorted by escaped name, then by
// escaped value.
func (q rawQuery) appendCanonical(b []byte) []byte {
	order := func(x, y parameter) int {
		return cmp.Or(strings.Compare(x.name, y.name), strings.Compare(x.value, y.value))
	}
	if !slices.IsSortedFunc(q, order) {
		q = slices.SortedFunc(slices.Values(q), order)
	}
	for i, p := range q {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(b, p.name...)
		b = append(b, '=')
		b = append(b, p.value...)
	}
	return b
}
