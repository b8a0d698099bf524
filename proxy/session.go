package proxy

import (
	"context"
	"net"
	"net/http"

	"sallyport/identity"
)

// session is one authenticated connection: who is calling, fixed at the
// handshake. Requests on the listener have no tunnel; those that come out of a
// CONNECT have the tunnel's.
type session struct {
	peer   identity.Peer
	client string  // the agent's network address
	tunnel *tunnel // nil on the listener
	head   *headReader
}

type sessionKey struct{}

func sessionOf(r *http.Request) *session {
	s, _ := r.Context().Value(sessionKey{}).(*session)
	return s
}

// connContext gives every request of a connection its session.
func connContext(ctx context.Context, c net.Conn) context.Context {
	switch c := c.(type) {
	case *headReader:
		return context.WithValue(ctx, sessionKey{}, c.session)
	case *sectionReader:
		return context.WithValue(ctx, sessionKey{}, c.session)
	}
	return ctx
}
