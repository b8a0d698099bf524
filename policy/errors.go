package policy

import (
	"strconv"
	"strings"
)

// Error is one problem of a policy file, where it is and what to do about it.
type Error struct {
	File string
	Line int
	Key  string // as in rules[docs].allow.path; empty for the file as a whole
	Msg  string
}

func (e Error) Error() string {
	text := e.File + ":" + strconv.Itoa(e.Line) + ": "
	if e.Key != "" {
		text += e.Key + ": "
	}
	return text + e.Msg
}

// Errors is every problem of a file, in the order of its lines.
type Errors []Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}
