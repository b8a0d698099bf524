package upstream

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"sync"
)

// Ways are the ways out by the settings in force. They are safe for concurrent use, and
// made by NewWays.
type Ways struct {
	own func() []netip.AddrPort

	mu      sync.Mutex
	dialler *dialler        // one for one value of Settings, so that what was built with it can be told apart
	errands *http.Transport // built with that dialler; nil until it is asked for
}

// NewWays returns the ways out of a process. own lists its listeners at any time, from
// any goroutine; they are never dialled.
func NewWays(own func() []netip.AddrPort) *Ways { return &Ways{own: own} }

// Transport returns an agent's transport for the settings: kept itself, if that was built
// from the same settings, bound and certificate, and otherwise a new one, after kept's idle
// connections were closed. kept may be nil. maxConns bounds the HTTP/2 connections to one
// upstream; shows is the certificate for upstreams that ask for one, nil for none.
func (w *Ways) Transport(kept *Transport, s *Settings, maxConns int, shows *tls.Certificate) *Transport {
	w.mu.Lock()
	d := w.follow(s)
	w.mu.Unlock()
	if kept != nil && kept.dialler == d && kept.maxConns == maxConns && kept.shows == shows {
		return kept
	}
	if kept != nil {
		kept.CloseIdle()
	}
	return newTransport(d, maxConns, shows)
}

// Errands returns a transport for what Sallyport asks by itself on the way of an exchange.
// It opens a connection of its own for every request that is under way, so that one which
// hangs blocks no other.
func (w *Ways) Errands(s *Settings) *http.Transport {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.follow(s)
	if w.errands == nil {
		w.errands = plain(d, 0, handshake{}.offering(protocolHTTP1))
	}
	return w.errands
}

// CloseIdle closes the connections of Errands that no request uses.
func (w *Ways) CloseIdle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.errands != nil {
		w.errands.CloseIdleConnections()
	}
}

// follow returns the dialler for the settings. The caller holds w.mu.
func (w *Ways) follow(s *Settings) *dialler {
	if w.dialler == nil || w.dialler.settings != s {
		w.dialler = &dialler{settings: s, own: w.own}
		if w.errands != nil {
			w.errands.CloseIdleConnections()
			w.errands = nil
		}
	}
	return w.dialler
}

// NewTransport returns a transport for requests of Sallyport itself beside all exchanges.
// It dials and verifies as for an agent: public addresses only, never the listeners in
// own, unless the settings say otherwise. The caller closes its idle connections.
func NewTransport(s *Settings, own func() []netip.AddrPort) *http.Transport {
	return plain(&dialler{settings: s, own: own}, maxIdleConnsPerHost, handshake{}.offering(protocolHTTP1))
}
