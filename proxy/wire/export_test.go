package wire

import "golang.org/x/net/http2/hpack"

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
