package http1

import "net"

// socket is what lies under a connection's TLS. While it is probed it has
// nothing to read: what a read then returns was left over above it.
type socket struct {
	net.Conn
	probe probe
}

type probe int

const (
	probeNot     probe = iota
	probeBuffers       // only what is above the socket
	probeSocket        // the socket too
)

func (s *socket) Read(b []byte) (int, error) {
	if s.probe == probeNot {
		return s.Conn.Read(b)
	}
	if s.probe == probeSocket && !empty(s.Conn) {
		return 0, net.ErrClosed
	}
	return 0, errQuiet
}

// errQuiet is that a probed socket has nothing to read. TLS passes an error that
// is temporary on and stays as it was.
var errQuiet error = quietError{}

type quietError struct{}

func (quietError) Error() string   { return "nothing to read" }
func (quietError) Timeout() bool   { return true }
func (quietError) Temporary() bool { return true }
