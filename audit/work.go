package audit

import "time"

// Stats describes the writer's work since Open.
type Stats struct {
	Queue      int           // calls and outcomes waiting for the next commit
	Backlog    int           // of these, outcomes kept after a failed commit
	Events     uint64        // events in the trail
	Commits    uint64        // group commits since Open
	LastCommit time.Duration // how long the last one took
	AvgCommit  time.Duration // moving average
	Lag        uint64        // events not yet projected
}
