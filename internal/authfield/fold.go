package authfield

import (
	"net/textproto"
	"strconv"
	"strings"
)

// FoldHeader is the field that a name may be taken for: CGI and its heirs cannot tell
// X_Api_Key from X-Api-Key, and some of them not from X.Api.Key.
func FoldHeader(name string) string {
	if strings.IndexFunc(name, isFolded) < 0 {
		return name
	}
	return textproto.CanonicalMIMEHeaderKey(strings.Map(func(r rune) rune {
		if isFolded(r) {
			return '-'
		}
		return r
	}, name))
}

func isFolded(r rune) bool {
	return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

// oddInNames are what makes some server read another name of a parameter than is written.
const oddInNames = "\x00 .[]"

// Fold is what a decoded name of a parameter is compared by. Many servers tell neither
// cases apart nor underscores from dashes. PHP leaves out spaces before a name and ends it
// at a NUL, takes dots, spaces and a bracket that is never closed for underscores, and one
// that is closed for the index of a list; Rack leaves out brackets around a name.
func Fold(name string) string {
	if strings.ContainsAny(name, oddInNames) {
		name, _, _ = strings.Cut(strings.TrimLeft(name, " []"), "\x00")
		if open := strings.IndexByte(name, '['); open >= 0 && strings.IndexByte(name[open:], ']') >= 0 {
			name = name[:open]
		}
		name = strings.Map(func(r rune) rune {
			if r == '.' || r == ' ' || r == '[' {
				return '-'
			}
			return r
		}, strings.TrimRight(name, "]"))
	}
	return strings.ToLower(strings.ReplaceAll(name, "_", "-"))
}

// SameParameter returns the first of some folded names that a name may be read as which
// stands percent-encoded in a query. It allocates only for names that are odd.
func SameParameter(escaped string, folded ...string) (name string, found bool) {
	odd := strings.ContainsAny(escaped, oddInNames+"%+")
	for i := 0; i < len(escaped) && !odd; i++ {
		odd = escaped[i] >= 0x80
	}
	if odd {
		escaped = Fold(unescape(escaped))
	}
	for _, name := range folded {
		if equalFolded(escaped, name) {
			return name, true
		}
	}
	return "", false
}

// unescape decodes a name as forms do; an invalid escape stands for itself.
func unescape(escaped string) string {
	decoded := make([]byte, 0, len(escaped))
	for i := 0; i < len(escaped); i++ {
		c := escaped[i]
		if c == '+' {
			c = ' '
		} else if c == '%' && i+2 < len(escaped) {
			if value, err := strconv.ParseUint(escaped[i+1:i+3], 16, 8); err == nil {
				c = byte(value)
				i += 2
			}
		}
		decoded = append(decoded, c)
	}
	return string(decoded)
}

// equalFolded is Fold(plain) == folded for a name that is not odd.
func equalFolded(plain, folded string) bool {
	if len(plain) != len(folded) {
		return false
	}
	for i := range len(plain) {
		c := plain[i]
		switch {
		case c == '_':
			c = '-'
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		}
		if c != folded[i] {
			return false
		}
	}
	return true
}
