package credentials

import (
	"iter"
	"strings"
)

// RemoveParameter returns the raw query without the pairs of the named parameter,
// however their name is spelled (percent-encoded, "+" for a space).
func RemoveParameter(rawQuery, name string) string {
	if rawQuery == "" || !mayHold(rawQuery, name) {
		return rawQuery
	}
	return removePairs(rawQuery, func(spelled, _ string) bool { return spells(spelled, name) })
}

// RemoveParameters returns the raw query without the parameters that remove says yes to.
// It is asked for each by its decoded name.
func RemoveParameters(rawQuery string, remove func(name string) bool) string {
	if rawQuery == "" {
		return ""
	}
	return removePairs(rawQuery, func(spelled, _ string) bool {
		if strings.ContainsAny(spelled, "%+") {
			spelled = decode(spelled)
		}
		return remove(spelled)
	})
}

// RemovePlaceholders returns the raw query without the parameters whose value holds the
// [Placeholder].
func RemovePlaceholders(rawQuery string) string {
	if !mayHold(rawQuery, Placeholder) {
		return rawQuery
	}
	return removePairs(rawQuery, func(_, value string) bool { return HoldsPlaceholder(decode(value)) })
}

// Parameters are the pairs of a raw query: each name decoded, each value as it stands.
func Parameters(rawQuery string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for pair := range strings.FieldsFuncSeq(rawQuery, func(r rune) bool { return strings.ContainsRune(dividers, r) }) {
			name, value, _ := strings.Cut(pair, "=")
			if strings.ContainsAny(name, "%+") {
				name = decode(name)
			}
			if !yield(name, value) {
				return
			}
		}
	}
}

// dividers separate pairs. ";" is one, for some servers still read it so, and would find the
// agent's own value behind it.
const dividers = "&;"

// decode undoes the escapes of a form. An invalid one stands for itself.
func decode(spelled string) string {
	decoded := make([]byte, 0, len(spelled))
	for i := 0; i < len(spelled); i++ {
		c := spelled[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(spelled) && isHex(spelled[i+1]) && isHex(spelled[i+2]):
			c = unhex(spelled[i+1])<<4 | unhex(spelled[i+2])
			i += 2
		}
		decoded = append(decoded, c)
	}
	return string(decoded)
}

// removePairs returns the raw query without the pairs that are to be removed. Every other byte
// stays as it is.
func removePairs(rawQuery string, remove func(spelled, value string) bool) string {
	var kept strings.Builder
	first, removed := true, false
	for start := 0; start <= len(rawQuery); {
		end := len(rawQuery)
		if n := strings.IndexAny(rawQuery[start:], dividers); n >= 0 {
			end = start + n
		}
		spelled, value, _ := strings.Cut(rawQuery[start:end], "=")
		from := start
		if !first {
			from-- // with the separator before it
		}
		switch {
		case remove(spelled, value):
			if !removed {
				removed = true
				kept.WriteString(rawQuery[:from])
			}
		default:
			if removed {
				kept.WriteString(rawQuery[from:end])
			}
			first = false
		}
		start = end + 1
	}
	if !removed {
		return rawQuery
	}
	return kept.String()
}

// mayHold is a quick no for most queries.
func mayHold(rawQuery, name string) bool {
	return strings.ContainsAny(rawQuery, "%+") || strings.Contains(rawQuery, name)
}

// spells reports whether s decodes to name. An invalid escape stands for itself.
func spells(s, name string) bool {
	n := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			c = unhex(s[i+1])<<4 | unhex(s[i+2])
			i += 2
		}
		if n == len(name) || name[n] != c && !(c == ' ' && name[n] == '+' && s[i] == '+') {
			return false
		}
		n++
	}
	return n == len(name)
}

// setParameter replaces every pair of the parameter by one at the end. value and
// the parameter's spelling are escaped already.
func setParameter(rawQuery, name, value string) string {
	rest := RemoveParameter(rawQuery, name)
	if rest != "" && !strings.HasSuffix(rest, "&") {
		rest += "&"
	}
	return rest + escape(name) + "=" + value
}

// escape encodes all but RFC 3986's unreserved characters.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	escaped := make([]byte, 0, len(s)+16)
	for i := range len(s) {
		if c := s[i]; unreserved(c) {
			escaped = append(escaped, c)
		} else {
			escaped = append(escaped, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(escaped)
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	default:
		return c - 'A' + 10
	}
}
