package api

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxRef is generous: GitHub stops at 255 bytes.
const maxRef = 1024

// isRef reports whether a name is a ref that every git reads alike: the rules of
// git-check-ref-format(1), and further no byte sequence that is not text, nothing
// invisible, and nothing outside refs/.
func isRef(s string) bool {
	rest, found := strings.CutPrefix(s, "refs/")
	if !found || len(s) > maxRef || !utf8.ValidString(s) {
		return false
	}
	if strings.Contains(s, "..") || strings.Contains(s, "@{") || strings.HasSuffix(s, ".") {
		return false
	}
	for component := range strings.SplitSeq(rest, "/") {
		if component == "" || component[0] == '.' || hasSuffixFold(component, ".lock") {
			return false
		}
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return strings.ContainsRune(` ~^:?*[\`, r) || r == utf8.RuneError || !unicode.IsGraphic(r) || unicode.IsSpace(r)
	})
}

// isObjectID accepts lower-case SHA-1 and SHA-256.
func isObjectID(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == 40 || len(s) == 64
}

func isZeroID(s string) bool { return strings.Trim(s, "0") == "" }
