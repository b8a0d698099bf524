package wire

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
)

// Gate decides who may connect. Its methods are called from many goroutines at once.
type Gate interface {
	// Verify is asked in every handshake on the listener, those of resumed sessions
	// included. An error ends the handshake.
	Verify(state tls.ConnectionState) error
	// Caller says who has opened a connection whose handshake is done. An error closes
	// it.
	Caller(state tls.ConnectionState) (Caller, error)
}

// Caller is one connection on the listener, as the Gate knows it.
type Caller interface {
	// Enter is called before anything is read of the connection's first request. An
	// error closes the connection. From then on conn may be closed from anywhere.
	Enter(conn *Conn) error
	// Leave is called once when the connection is closed, if it had entered.
	Leave()
}

// Session is one authenticated connection: who is calling, fixed at the handshake.
// Requests on the listener have no tunnel; those that come out of a CONNECT have the
// tunnel's. Its fields are not changed.
type Session struct {
	Caller Caller
	Client string  // the agent's network address
	Tunnel *Tunnel // nil on the listener

	lane *lane // nil for HTTP/2
}

type sessionKey struct{}

// SessionOf returns the session that a request came on; nil if it came from no Server.
func SessionOf(r *http.Request) *Session {
	s, _ := r.Context().Value(sessionKey{}).(*Session)
	return s
}

// connContext gives every request of an HTTP/2 connection its session.
func connContext(ctx context.Context, c net.Conn) context.Context {
	if c, ok := c.(*sectionReader); ok {
		return context.WithValue(ctx, sessionKey{}, c.session)
	}
	return ctx
}

// Framing is what the bytes say of the request that is handled on the session. It is for
// the handler of that request.
func (s *Session) Framing(*http.Request) Framing {
	if s.lane == nil {
		return Framing{http2: true}
	}
	return s.lane.framing
}
