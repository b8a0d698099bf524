package credentials

import "time"

// RefusedError is a refusal to mint that another try does not change.
type RefusedError struct {
	Reason string // a sentence that the agent may read; empty for none
	Err    error
}

func (e *RefusedError) Error() string { return e.Err.Error() }

func (e *RefusedError) Unwrap() error { return e.Err }

// LimitedError is a refusal to mint because too much was asked for, until later.
type LimitedError struct {
	After time.Duration
	Err   error
}

func (e *LimitedError) Error() string { return e.Err.Error() }

func (e *LimitedError) Unwrap() error { return e.Err }

// RetryAfter says how long there is no point in another try.
func (e *LimitedError) RetryAfter() time.Duration { return e.After }

// UnsetError is why a secret cannot be read that stays so until a person mends it: a variable
// that is not set, a file that is not there, or neither holds a secret.
type UnsetError struct{ Err error }

func (e *UnsetError) Error() string { return e.Err.Error() }

func (e *UnsetError) Unwrap() error { return e.Err }
