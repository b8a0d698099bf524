package audit

import "errors"

// What a trail can lack of what it is asked for.
var (
	// ErrNotFound is what is returned for what is not in the trail.
	ErrNotFound = errors.New("not in the trail")
	// ErrNoDocument is what is returned for a hash that is not in the trail.
	ErrNoDocument = errors.New("no document with this hash")
	// ErrNoCheckpoint is what is returned while nothing is signed yet.
	ErrNoCheckpoint = errors.New("no checkpoint is signed yet")
)
