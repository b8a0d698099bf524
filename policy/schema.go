package policy

import (
	"slices"
	"strings"
)

// mapping checks that n is a mapping with no key beyond the known ones.
func (r *reader) mapping(n *node, known ...string) bool {
	if n.kind != mapNode {
		r.failKind(n, "must be a mapping with the keys %s", strings.Join(known, ", "))
		return false
	}
	for _, f := range n.below {
		if !slices.Contains(known, f.label) {
			r.fail(f.line, join(n.key(), quoteOdd(f.label)), "unknown key; known here are %s", strings.Join(known, ", "))
		}
	}
	return true
}

// failKind reports a value of the wrong kind, unless that is due to an error
// already reported.
func (r *reader) failKind(n *node, format string, args ...any) {
	if n.kind != brokenNode {
		r.failAt(n, format, args...)
	}
}

// required returns the value under a key and fails where it is missing.
func (r *reader) required(n *node, label, hint string) *node {
	f := n.field(label)
	if f == nil {
		r.fail(n.line, join(n.key(), label), "missing; %s", hint)
	}
	return f
}

// word reads a scalar that is not empty.
func (r *reader) word(n *node, hint string) (string, bool) {
	if n.kind != scalarNode || n.text == "" {
		r.failKind(n, "must be a single value; %s", hint)
		return "", false
	}
	return n.text, true
}

// list reads a list that is not empty.
func (r *reader) list(n *node, hint string) ([]*node, bool) {
	switch {
	case n.kind != listNode:
		r.failKind(n, "must be a list; %s", hint)
		return nil, false
	case len(n.below) == 0:
		r.failAt(n, "the list is empty; %s", hint)
		return nil, false
	}
	return n.below, true
}

const (
	maxIdentifier  = 64
	maxDescription = 1024
)

// identifier reads a name that can stand in headers, rows and shell commands
// without quoting.
func (r *reader) identifier(n *node, hint string) (string, bool) {
	text, ok := r.word(n, hint)
	if ok && !isIdentifier(text) {
		r.failAt(n, "%s is not a name: letters, digits, dots, hyphens and underscores, at most %d, a letter or digit first", quoteOdd(text), maxIdentifier)
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
func (r *reader) optionalText(n *node) string {
	if n == nil {
		return ""
	}
	text, ok := r.word(n, "write a sentence, or leave the key out")
	if ok && len(text) > maxDescription {
		r.failAt(n, "is longer than %d bytes; shorten it", maxDescription)
	}
	// One line, because it is part of a sentence for the agent.
	return strings.Join(strings.Fields(text), " ")
}
