package proxy

import "time"

// SweepEvery replaces the interval at which the proxy looks for what is to be cut.
// Call it before Serve.
func (p *Proxy) SweepEvery(d time.Duration) { p.patrol.every = d }

// ReadWithin replaces the time for what is read of bodies. Call it before Serve.
func (p *Proxy) ReadWithin(idle, most time.Duration) { p.ahead.idle, p.ahead.most = idle, most }

// BodyMemory is how much memory bodies take.
func (p *Proxy) BodyMemory() int64 { return p.ahead.memory.Used() }

// Followed is what is known of one direction of a WebSocket.
type Followed struct {
	Closed, Lost bool
	Code         uint16
	Kept         int
}

// FollowFrames follows what passes in these pieces.
func FollowFrames(pieces ...[]byte) Followed {
	var f frames
	for _, p := range pieces {
		f.follow(p)
	}
	return Followed{f.closed, f.lost, f.code, len(f.head)}
}
