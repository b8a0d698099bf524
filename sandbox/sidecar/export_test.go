package sidecar

import (
	"bytes"
	"net"
	"time"
)

// Forward parses a head and returns what would go to the proxy.
func Forward(head []byte) ([]byte, error) {
	r, err := parseHead(head)
	if err != nil {
		return nil, err
	}
	return r.forward, nil
}

// CallerOf is who opened an accepted connection.
var CallerOf = callerOf

// SOCKS reads a conversation from its first byte, of a sidecar with a password, and returns
// what would go to the proxy.
func SOCKS(said []byte, password string) (forward []byte, err error) {
	s := &Sidecar{expected: []byte(user + ":" + password)}
	r, rest, err := s.receiveSOCKS(&socks{client: &spoken{Reader: bytes.NewReader(said)}}, nil)
	if err != nil {
		return nil, err
	}
	return append(r.forward, rest...), nil
}

// spoken is a client that has said all that it says.
type spoken struct {
	net.Conn
	*bytes.Reader
}

func (s *spoken) Read(b []byte) (int, error)      { return s.Reader.Read(b) }
func (s *spoken) Write(b []byte) (int, error)     { return len(b), nil }
func (s *spoken) SetReadDeadline(time.Time) error { return nil }
func (s *spoken) CloseWrite() error               { return nil }
