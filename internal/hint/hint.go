// Package hint carries what a person can try beside an error that says what is
// wrong. Whoever prints the error prints the hint on a line of its own; it is
// never part of the error's text.
package hint

import (
	"errors"
	"fmt"
)

type hinted struct {
	err  error
	hint string
}

// With is err with what can be tried. err must not be nil.
func With(err error, format string, args ...any) error {
	return &hinted{err: err, hint: fmt.Sprintf(format, args...)}
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }
func (h *hinted) Hint() string  { return h.hint }

// Of is the hint of an error, or of the first one in its tree that has one; "" if
// there is none. Other packages' errors carry one by a method Hint() string.
func Of(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}
