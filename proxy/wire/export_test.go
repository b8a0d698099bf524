package wire

import (
	"context"
	"log/slog"
	"net"
	"net/http"

	"golang.org/x/net/http2/hpack"
)

// ServeHTTP1 serves one connection, and returns when it has ended.
func ServeHTTP1(conn net.Conn, tunnels Tunnels, handler http.HandlerFunc) {
	ls := newLanes(handler, tunnels, listenerIdle, slog.New(slog.DiscardHandler))
	l := newLane(ls, conn, &Session{Client: "nobody"})
	ls.open[l] = struct{}{}
	l.run()
	_ = ls.Shutdown(context.Background())
}

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
