package proxy

import (
	"net/http"
	"net/netip"
)

// Transport is for requests of Sallyport itself. It dials and verifies as for an
// agent: public addresses only, never the listeners in own, unless the
// configuration says otherwise. The caller closes its idle connections.
func (u *Upstream) Transport(own func() []netip.AddrPort) *http.Transport {
	return newTransport(&dialler{upstream: u, own: own}, maxIdleConnsPerHost, nil, protocolHTTP1)
}
