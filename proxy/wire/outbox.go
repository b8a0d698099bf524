package wire

import (
	"io"
	"net"
	"sync"
)

// outbox gathers what is written to a connection, so that a header and the beginning of its
// body leave in one piece. It holds a buffer only while there is something in it.
type outbox struct {
	to     net.Conn
	buffer *[outboxSize]byte // nil if bytes has outgrown it
	bytes  []byte
	err    error // of the first write that failed
}

const (
	outboxSize = 32 << 10
	outboxFull = maxPlaintext // more is not gathered: it fills a record of TLS
)

// outBuffers are what outboxes gather in.
var outBuffers = sync.Pool{New: func() any { return new([outboxSize]byte) }}

// room returns what is gathered, for its caller to append to and put back in bytes.
func (o *outbox) room() []byte {
	if o.bytes == nil {
		o.buffer = outBuffers.Get().(*[outboxSize]byte)
		o.bytes = o.buffer[:0]
	}
	return o.bytes
}

// write takes a piece of a body.
func (o *outbox) write(p []byte) error {
	if len(o.bytes)+len(p) > outboxSize || len(o.bytes) == 0 && len(p) >= outboxFull {
		if err := o.flush(); err != nil {
			return err
		}
		if len(p) >= outboxFull {
			return o.send(p)
		}
	}
	o.bytes = append(o.room(), p...)
	if len(o.bytes) >= outboxFull {
		return o.flush()
	}
	return nil
}

// flush sends what is gathered.
func (o *outbox) flush() error {
	if len(o.bytes) == 0 || o.err != nil {
		o.drop()
		return o.err
	}
	err := o.send(o.bytes)
	o.drop()
	return err
}

func (o *outbox) send(p []byte) error {
	if o.err != nil {
		return o.err
	}
	n, err := o.to.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	o.err = err
	return err
}

// drop forgets what is gathered.
func (o *outbox) drop() {
	if o.buffer != nil {
		outBuffers.Put(o.buffer)
	}
	o.buffer, o.bytes = nil, nil
}
