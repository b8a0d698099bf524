package api

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Bounds of what is kept of an answer's errors.
const (
	maxErrorBytes  = 8 << 10
	maxErrors      = 3
	maxErrorLength = 200
)

// GraphQLAnswer finds the errors in the answer to a GraphQL document while it passes by:
// their status is 200 (GraphQL specification, section 7.1). It takes the answer piece by
// piece and keeps no more of it than the beginning of the errors. The zero value is ready.
type GraphQLAnswer struct {
	depth  int
	text   bool // within a string
	escape bool
	isKey  bool // the string began where a key stands in the outermost object
	after  bool // a colon came since the last key or comma there
	key    []byte
	inside bool   // within the value of errors
	errors []byte // that value's beginning
}

// Write takes a piece of the answer, in any encoding that is plain JSON. It never fails.
func (a *GraphQLAnswer) Write(piece []byte) (int, error) {
	for _, c := range piece {
		a.take(c)
	}
	return len(piece), nil
}

func (a *GraphQLAnswer) take(c byte) {
	if a.text {
		a.takeText(c)
		return
	}
	switch c {
	case '"':
		a.text, a.isKey = true, a.depth == 1 && !a.after
		a.key = a.key[:0]
	case '{', '[':
		a.depth++
	case '}', ']':
		a.depth--
	case ':':
		if a.depth == 1 {
			a.after = true
			a.inside = string(a.key) == "errors" && a.errors == nil
			return
		}
	}
	if a.depth == 0 || c == ',' && a.depth == 1 {
		a.after, a.inside = false, false
	}
	a.keep(c)
}

func (a *GraphQLAnswer) takeText(c byte) {
	a.keep(c)
	switch {
	case a.escape:
		a.escape = false
	case c == '\\':
		a.escape = true
	case c == '"':
		a.text = false
		return
	}
	if a.isKey && len(a.key) <= len("errors") {
		a.key = append(a.key, c)
	}
}

func (a *GraphQLAnswer) keep(c byte) {
	if a.inside && len(a.errors) < maxErrorBytes {
		a.errors = append(a.errors, c)
	}
}

// Errors returns the first errors of the answer as "TYPE: message", shortened; nil if it
// has none.
func (a *GraphQLAnswer) Errors() []string {
	decoder := json.NewDecoder(bytes.NewReader(a.errors))
	if first, err := decoder.Token(); err != nil || first != json.Delim('[') {
		return nil
	}
	var all []string
	for decoder.More() && len(all) < maxErrors {
		var one struct{ Type, Message string }
		if err := decoder.Decode(&one); err != nil {
			if len(all) == 0 {
				return []string{"an error that is too long to be told"}
			}
			break
		}
		text := one.Message
		if one.Type != "" {
			text = one.Type + ": " + one.Message
		}
		all = append(all, strings.ToValidUTF8(text[:min(len(text), maxErrorLength)], ""))
	}
	return all
}
