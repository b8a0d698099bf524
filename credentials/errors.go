package credentials

import (
	"fmt"
	"strings"
)

// Error is one thing wrong with credentials.yaml, and where.
type Error struct {
	File string
	Line int
	Key  string // "credentials.NAME.secret"; empty for the file as a whole
	Msg  string // what is wrong; what to try. Never a value that could be a secret
}

func (e Error) Error() string {
	where := e.File
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	if e.Key == "" {
		return where + ": " + e.Msg
	}
	return where + ": " + e.Key + ": " + e.Msg
}

// Errors is everything wrong with a file, in its order.
type Errors []Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}
