package identity

import (
	"strconv"
	"strings"
)

// Error is one thing wrong in a file.
type Error struct {
	File string
	Line int    // 0 if it is about the file as a whole
	Key  string // path of keys, "teams.platform.members"; may be empty
	Msg  string
}

func (e Error) Error() string {
	s := e.File
	if e.Line > 0 {
		s += ":" + strconv.Itoa(e.Line)
	}
	if e.Key != "" {
		s += ": " + e.Key
	}
	return s + ": " + e.Msg
}

// Errors is everything wrong in a file, in its order.
type Errors []Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find each [Error].
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i := range e {
		errs[i] = e[i]
	}
	return errs
}
