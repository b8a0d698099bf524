package credentials

import (
	"regexp"
	"strings"
	"unicode"
)

// maxTold is the most that is kept of what a server says of a failure: its first sentences
// say what is wrong, and what follows may be what it was sent.
const maxTold = 300

// looksSecret finds what looks like a token, of whatever kind and whoever's: personal access
// tokens by their prefixes, JSON web tokens, and long runs of hex or base64. Words and paths do
// not.
var looksSecret = regexp.MustCompile(`(gh[a-z]_|[a-z]+_pat_|eyJ)[A-Za-z0-9_.-]{10,}|[0-9A-Fa-f]{32,}|[A-Za-z0-9+/=]{40,}`)

// Told is what is kept of a server's own words, which go to the log, to a row, and to who
// checks the credential: its first line, printable, of bounded length, without anything that
// looks like a secret. Nobody can list the forms in which a server may give back what it was
// sent, so that what is kept does not depend on finding it.
func Told(text string) string {
	line, _, cutOff := strings.Cut(strings.TrimSpace(text), "\n")
	line = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(line, " "))
	line = looksSecret.ReplaceAllStringFunc(strings.TrimSpace(line), func(found string) string {
		if strings.Contains(found, "/") && !mixed(found) {
			return found // a path
		}
		return redacted
	})
	if runes := []rune(line); len(runes) > maxTold {
		line, cutOff = string(runes[:maxTold]), true
	}
	if cutOff {
		line += "…"
	}
	return line
}

// mixed reports whether a run has letters of both cases and digits, as base64 does.
func mixed(run string) bool {
	return strings.ContainsFunc(run, unicode.IsUpper) && strings.ContainsFunc(run, unicode.IsLower) && strings.ContainsFunc(run, unicode.IsDigit)
}
