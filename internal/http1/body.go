package http1

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
)

// body is the body of an answer. Reading it to its end gives the connection
// back; closing it before closes the connection.
type body struct {
	c    *conn
	r    *http.Request
	from io.Reader
	keep bool // the connection may be used again after it

	chunked bool
	err     error // that ended it
}

// Ready reports whether the first piece of the body came with the header, so
// that reading it does not wait.
func (b *body) Ready() bool {
	ahead, _ := b.c.reader.Peek(b.c.reader.Buffered())
	if !b.chunked {
		return len(ahead) > 0
	}
	line, rest, found := bytes.Cut(ahead, []byte("\r\n"))
	size, err := strconv.ParseUint(string(line), 16, 31)
	return found && err == nil && size > 0 && uint64(len(rest)) >= size // a chunk is read whole
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.from.Read(p)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		b.err = io.EOF
		b.c.done(b.keep && b.c.reader.Buffered() == 0, true)
	default:
		b.err = b.c.reason(b.r, err)
		b.c.done(false, true)
	}
	return n, b.err
}

func (b *body) Close() error {
	if b.err == nil {
		b.err = net.ErrClosed
		b.c.done(false, true)
	}
	return nil
}
