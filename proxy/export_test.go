package proxy

import "time"

// SweepEvery replaces the interval at which the proxy looks for what is to be cut.
// Call it before Serve.
func (p *Proxy) SweepEvery(d time.Duration) { p.sweepEvery = d }

// CheckHead is checkHead.
func CheckHead(head []byte, old bool) (hostField string, err error) { return checkHead(head, old) }
