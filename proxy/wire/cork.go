package wire

import (
	"net"
	"sync"
)

// maxPlaintext is what a TLS record holds at most (RFC 8446 section 5.1).
const maxPlaintext = 16 << 10

// cork keeps what is written while it holds, so that several records cost one
// system call. The zero value lets everything through.
type cork struct {
	mu    sync.Mutex
	holds bool
	held  *[heldSize]byte
	n     int // bytes in held
}

// heldSize has room for two records, the second of which is small.
const heldSize = maxPlaintext + 1<<10

// heldBuffers are what corks keep bytes in.
var heldBuffers = sync.Pool{New: func() any { return new([heldSize]byte) }}

func (c *cork) hold() {
	c.mu.Lock()
	c.holds = true
	c.mu.Unlock()
}

func (c *cork) write(to net.Conn, b []byte) (int, error) {
	c.mu.Lock()
	if !c.holds {
		c.mu.Unlock()
		return to.Write(b) // without the lock, which hold must not wait for
	}
	defer c.mu.Unlock()
	if c.n+len(b) > heldSize {
		if err := c.flush(to); err != nil {
			return 0, err
		}
		return to.Write(b)
	}
	if c.held == nil {
		c.held = heldBuffers.Get().(*[heldSize]byte)
	}
	c.n += copy(c.held[c.n:], b)
	return len(b), nil
}

// release writes what was held, and lets everything through again.
func (c *cork) release(to net.Conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holds = false
	return c.flush(to)
}

// flush writes what is held. The caller holds c.mu.
func (c *cork) flush(to net.Conn) error {
	if c.held == nil {
		return nil
	}
	_, err := to.Write(c.held[:c.n])
	heldBuffers.Put(c.held)
	c.held, c.n = nil, 0
	return err
}
