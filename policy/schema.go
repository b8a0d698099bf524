package policy

import (
	"strings"

	"sallyport/internal/yamldoc"
)

const (
	maxIdentifier  = 64
	maxDescription = 1024
)

// identifier reads a name that can stand in headers, rows and shell commands
// without quoting.
func identifier(n *yamldoc.Node, hint string) (string, bool) {
	text, ok := n.Word(hint)
	if ok && !isIdentifier(text) {
		n.Fail("%s is not a name: letters, digits, dots, hyphens and underscores, at most %d, a letter or digit first", yamldoc.Quote(text), maxIdentifier)
		return "", false
	}
	return text, ok
}

func isIdentifier(s string) bool {
	for i := range len(s) {
		c := s[i]
		alphanumeric := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if !alphanumeric && (i == 0 || c != '.' && c != '-' && c != '_') {
			return false
		}
	}
	return s != "" && len(s) <= maxIdentifier
}

// optionalText reads a description; a missing key is the empty text.
func optionalText(n *yamldoc.Node) string {
	if n == nil {
		return ""
	}
	text, ok := n.Word("write a sentence, or leave the key out")
	if ok && len(text) > maxDescription {
		n.Fail("is longer than %d bytes; shorten it", maxDescription)
	}
	// One line, because it is part of a sentence for the agent.
	return strings.Join(strings.Fields(text), " ")
}
