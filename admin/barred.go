package admin

import (
	"sync"
	"time"
)

// barredPause is how long after one refused call on record the next ones are
// only counted: a command that goes on asking must not fill the trail.
const barredPause = time.Second

// sparing is what is known of refused calls since the last one on record.
type sparing struct {
	mu       sync.Mutex
	recorded time.Time
	unsaid   int
}

// due says whether this refused call is to be recorded now, and if so how many since the last recorded
// one were only counted.
func (b *sparing) due(now time.Time, pause time.Duration) (unsaid int, due bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.recorded.IsZero() && now.Sub(b.recorded) < pause && !now.Before(b.recorded) {
		b.unsaid++
		return 0, false
	}
	unsaid, b.unsaid, b.recorded = b.unsaid, 0, now
	return unsaid, true
}
