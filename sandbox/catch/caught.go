package catch

import (
	"bytes"
	"net"
	"strings"
)

// reply says what becomes of the head of the proxy's answer.
type reply uint8

const (
	passReply reply = iota // the program asked over HTTP, and gets it
	dropReply              // the program did not ask for a tunnel, and must not see that it got one
	lostReply              // there is no tunnel, and nothing more is written
)

// maxReply bounds the head of the answer to CONNECT.
const maxReply = 64 << 10

// accessDenied is a fatal alert of TLS (RFC 8446, section 6): what a program that
// speaks it can be told of a tunnel that was refused.
var accessDenied = []byte{21, 3, 3, 0, 2, 2, 49} //nolint:gochecknoglobals // a constant

// caught is a connection that looks like a client of a proxy. One goroutine reads
// it and one writes it, as the sidecar does.
type caught struct {
	*net.TCPConn
	early []byte // read before what comes from the program
	reply reply
	seen  []byte // of the answer's head
	done  func()
}

func (c *caught) Read(b []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(b, c.early)
		if c.early = c.early[n:]; len(c.early) == 0 {
			c.early = nil
		}
		return n, nil
	}
	return c.TCPConn.Read(b)
}

// Write keeps the head of the answer to CONNECT from the program.
func (c *caught) Write(b []byte) (int, error) {
	switch c.reply {
	case passReply:
		return c.TCPConn.Write(b)
	case lostReply:
		return len(b), nil // the rest of a refusal, which nobody can read
	case dropReply:
	}
	c.seen = append(c.seen, b...)
	_, rest, whole := bytes.Cut(c.seen, []byte("\r\n\r\n"))
	switch {
	case !whole && len(c.seen) <= maxReply:
		return len(b), nil
	case !whole, !strings.HasPrefix(string(c.seen), "HTTP/1.1 200 "):
		c.reply, c.seen = lostReply, nil
		_, err := c.TCPConn.Write(accessDenied)
		return len(b), err
	}
	c.reply, c.seen = passReply, nil
	if len(rest) == 0 {
		return len(b), nil
	}
	if _, err := c.TCPConn.Write(rest); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (c *caught) Close() error {
	defer c.done()
	return c.TCPConn.Close()
}
