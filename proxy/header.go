package proxy

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// hopByHop are the fields of one connection (RFC 9110 section 7.6.1), with those
// that clients still send for it.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings",
}

// isToken reports whether s is what names of fields and methods are (RFC 9110 sections
// 5.6.2 and 9.1).
func isToken(s string) bool { return httpguts.ValidHeaderFieldName(s) }

func stripHopByHop(h http.Header) {
	stripNamed(h)
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// stripNamed removes the fields that Connection names, but not those that it always
// concerns.
func stripNamed(h http.Header) {
	for _, field := range h["Connection"] {
		for name := range strings.SplitSeq(field, ",") {
			name = http.CanonicalHeaderKey(textproto.TrimString(name))
			if !slices.Contains(hopByHop, name) {
				delete(h, name)
			}
		}
	}
}
