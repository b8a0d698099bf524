package sigv4

import (
	"net/http"
	"sync"
	"time"
)

// Clock is our own clock and, by host, how far a server's has been found to differ:
// AWS refuses a date that is five or fifteen minutes off. Each host speaks for itself
// alone, since under AWS's domains are hosts that answer what a stranger wants. The nil
// and the zero Clock are right, and the nil one learns nothing. It is safe for
// concurrent use.
type Clock struct {
	Now func() time.Time // time.Now if nil

	mu    sync.Mutex
	ahead map[string]time.Duration
}

const (
	// minSkew is what is worth learning; the strictest services allow five minutes.
	minSkew = 4 * time.Minute
	// maxSkew is beyond what a clock is off by mistake.
	maxSkew = 7 * 24 * time.Hour
	// maxClocks bounds the hosts that are remembered.
	maxClocks = 1024
)

// At is the time at the host.
func (c *Clock) At(host string) time.Time {
	if c == nil {
		return time.Now()
	}
	c.mu.Lock()
	ahead := c.ahead[host]
	c.mu.Unlock()
	return c.now().Add(ahead)
}

// Learn takes the host's time from an answer that refuses a request, if it differs from
// ours by more than services allow, and returns by how much.
func (c *Clock) Learn(host string, status int, h http.Header) (ahead time.Duration, learnt bool) {
	if c == nil || status != http.StatusBadRequest && status != http.StatusUnauthorized && status != http.StatusForbidden {
		return 0, false
	}
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0, false
	}
	ahead = date.Sub(c.now())
	c.mu.Lock()
	defer c.mu.Unlock()
	if (ahead-c.ahead[host]).Abs() < minSkew || ahead.Abs() > maxSkew {
		return 0, false
	}
	if c.ahead == nil || len(c.ahead) >= maxClocks {
		c.ahead = map[string]time.Duration{}
	}
	c.ahead[host] = ahead
	return ahead, true
}

func (c *Clock) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}
