package proxy

import (
	"time"

	"golang.org/x/net/http2/hpack"
)

// SweepEvery replaces the interval at which the proxy looks for what is to be cut.
// Call it before Serve.
func (p *Proxy) SweepEvery(d time.Duration) { p.sweepEvery = d }

// ReadWithin replaces the time for what is read of bodies. Call it before Serve.
func (p *Proxy) ReadWithin(idle, most time.Duration) { p.readingIdle, p.readingMost = idle, most }

// BodyMemory is how much memory bodies take.
func (p *Proxy) BodyMemory() int64 { return p.bodies.Used() }

// CheckHead is checkHead.
func CheckHead(head []byte, old bool) (hostField string, err error) { return checkHead(head, old) }

// Judge says why an HTTP/2 server does not let a request of these fields through
// to a handler; "" if it does.
func Judge(fields []hpack.HeaderField) string {
	var s section
	for _, f := range fields {
		s.add(f)
	}
	s.end()
	return s.fault
}
