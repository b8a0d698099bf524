package environment

import (
	"errors"
	"fmt"
	"strings"
)

// errNotOurs says nothing of what stands there, which may hold a password.
var errNotOurs = errors.New("not a file that sallyport sidecar --env-file wrote")

// Read is the inverse of Write in [Dotenv], and reads nothing else. A variable that
// a credential asked for has the placeholder, which does no harm under any name.
func Read(text string) ([]Variable, error) {
	if text == "" || !strings.HasSuffix(text, "\n") {
		return nil, errNotOurs
	}
	var variables []Variable
	for n, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		name, value, ok := strings.Cut(line, "=")
		if !ok || !Sets(name) && (value != Placeholder || !variableName.MatchString(name)) {
			return nil, fmt.Errorf("line %d: %w", n+1, errNotOurs)
		}
		plain, ok := unquoted(value)
		switch {
		case !ok:
			return nil, fmt.Errorf("line %d: %w", n+1, errNotOurs)
		case plain != "": // what was cleared stood there empty once
			variables = append(variables, Variable{Name: name, Value: plain})
		}
	}
	l := list(variables)
	l.clear(cleared()...)
	return l, nil
}

// unquoted takes back what plainOrQuoted did.
func unquoted(s string) (string, bool) {
	if !strings.HasPrefix(s, "'") {
		return s, plainOrQuoted(s) == s
	}
	inner, ok := strings.CutSuffix(s[1:], "'")
	if !ok {
		return "", false
	}
	plain := strings.ReplaceAll(inner, `'\''`, "'")
	return plain, plainOrQuoted(plain) == s
}
