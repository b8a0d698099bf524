package audit

import "time"

// PruneRequest says what to remove.
type PruneRequest struct {
	// Before removes the payloads of exchanges that began and ended before.
	Before time.Time
	// UpTo removes none after this event; 0 means no such bound.
	UpTo uint64
	// By says who asked, for the event.
	By map[string]any
}

// Pruned is what Prune has done.
type Pruned struct {
	Exchanges uint64 `json:"exchanges"` // whose payloads were removed now
	UpTo      uint64 `json:"up_to"`     // no event after this one was touched
	Done      bool   `json:"done"`      // false: ctx ended first; ask again
}
