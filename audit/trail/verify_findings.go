package trail

import (
	"context"
	"errors"
	"fmt"

	"sallyport/internal/sqlite"
)

// findings are what a verification has found.
type findings struct {
	problems []string
	laters   []string // about tables that are read before the events: theirs come first
}

// problem notes one finding.
func (f *findings) problem(format string, args ...any) error {
	f.problems = append(f.problems, fmt.Sprintf(format, args...))
	if len(f.problems) >= maxProblems {
		return errEnough
	}
	return nil
}

// later keeps a finding about a table that is read before the events.
func (f *findings) later(format string, args ...any) {
	if len(f.laters) < maxProblems {
		f.laters = append(f.laters, fmt.Sprintf(format, args...))
	}
}

func (f *findings) sayLater() error {
	for _, p := range f.laters {
		if err := f.problem("%s", p); err != nil {
			return err
		}
	}
	return nil
}

// stop notes a finding after which nothing that follows can be told.
func (f *findings) stop(format string, args ...any) error {
	_ = f.problem(format, args...)
	return errEnough
}

// unreadable tells what somebody may have put there from what the machine
// cannot read.
func (f *findings) unreadable(err error) error {
	if errors.Is(err, errEnough) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || sqlite.Code(err) != 0 {
		return fmt.Errorf("verify: %w", err)
	}
	return f.stop("%v", err)
}
