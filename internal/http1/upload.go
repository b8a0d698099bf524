package http1

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"sallyport/internal/fieldname"
)

const (
	bufferSize = 64 << 10
	// spare is what is left of a buffer for what comes behind a piece of a body:
	// the trailers.
	spare = 16 << 10
	// chunkHead is what the size of a chunk and its line end take at most.
	chunkHead = 6
	// together is how long a header waits for its body, to leave in one piece
	// with it or with as much of it as there is.
	together = 5 * time.Millisecond
)

// buffers are what bodies are copied through.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// errNotWanted is an answer that came instead of the 100 that a body waited for.
var errNotWanted = errors.New("the upstream answered without the body")

// upload sends the header of r with its body.
func (c *conn) upload(r *http.Request, names fieldname.Names) {
	buffer := buffers.Get().(*[bufferSize]byte)
	u := &upload{c: c, r: r, names: names, header: c.out, buffer: buffer[:]}
	err := u.run()
	if failed, ok := errors.AsType[*readError](err); ok {
		c.failed.Store(&bodyError{failed.err})
		c.abort() // half a request must not look like one, and no answer to it counts
	}
	u.mu.Lock() // the timer of run may still be at it
	u.buffer = nil
	u.mu.Unlock()
	buffers.Put(buffer)
	c.done(err == nil, false)
}

// upload is the body of a request on its way out.
type upload struct {
	c     *conn
	r     *http.Request
	names fieldname.Names
	read  int64 // bytes of the body

	mu       sync.Mutex // only run changes to, so it may read it without
	header   []byte     // not sent yet
	buffer   []byte
	from, to int // of the bytes in buffer that are not sent
}

// readError is a failure to read the body, as opposed to sending it.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }

func (u *upload) run() error {
	room := len(u.header) + chunkHead
	switch {
	case u.c.proceed != nil:
		if err := u.ask(); err != nil {
			return err
		}
	case room > bufferSize/4:
		if err := u.sendEarly(); err != nil {
			return err
		}
		room = chunkHead
	default:
		defer time.AfterFunc(together, func() { _ = u.sendEarly() }).Stop()
	}
	u.mu.Lock()
	u.from, u.to = room, room
	buffer := u.buffer
	u.mu.Unlock()
	for ended := false; !ended; {
		n, err := u.r.Body.Read(buffer[u.to : bufferSize-spare])
		ended = errors.Is(err, io.EOF)
		if err != nil && !ended {
			return &readError{err}
		}
		if err := u.check(int64(n), ended); err != nil {
			return &readError{err}
		}
		if err := u.send(room, n, ended); err != nil {
			return err
		}
	}
	return nil
}

// ask sends the header alone and waits until the upstream wants the body, or has
// let the time for saying so pass.
func (u *upload) ask() error {
	if err := u.sendEarly(); err != nil {
		return err
	}
	timer := time.NewTimer(u.c.t.config.ContinueTimeout)
	defer timer.Stop()
	select {
	case wanted := <-u.c.proceed:
		if !wanted {
			return errNotWanted
		}
	case <-timer.C:
	case <-u.r.Context().Done():
		return u.r.Context().Err()
	}
	return nil
}

// check holds the body to the length that the header has told.
func (u *upload) check(n int64, ended bool) error {
	u.read += n
	length := bodyLength(u.r)
	if length < 0 || u.read == length || (u.read < length && !ended) {
		return nil
	}
	return fmt.Errorf("the body has %d bytes, not the %d of its Content-Length", u.read, length)
}

// send takes n more bytes and sends what there is in one piece, unless the
// header still waits and there is room for more.
func (u *upload) send(room, n int, ended bool) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.to += n
	if len(u.header) > 0 && !ended && u.to < bufferSize/2 {
		return nil
	}
	from, to := u.from, u.to
	if bodyLength(u.r) < 0 {
		var err error
		if from, to, err = u.frame(ended); err != nil {
			return err
		}
	}
	from -= copy(u.buffer[from-len(u.header):], u.header)
	u.header, u.from, u.to = nil, room, room
	if from == to {
		u.c.ends() // what is left has gone before
		return nil
	}
	if ended || u.read == bodyLength(u.r) {
		u.c.ends()
	}
	_, err := u.c.Write(u.buffer[from:to])
	return err
}

// ends notes that the last bytes of the body are about to leave: an answer from then on may be
// one to all of it.
func (c *conn) ends() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending = true
}

// frame makes a chunk of what is not sent, and the end of the body behind it
// (RFC 9112 section 7.1). Trailers have their values now.
func (u *upload) frame(ended bool) (from, to int, err error) {
	from, to = u.from, u.to
	if from < to {
		var array [chunkHead]byte
		size := appendChunkSize(array[:0], to-from)
		from -= copy(u.buffer[from-len(size):], size)
		to += copy(u.buffer[to:], "\r\n")
	}
	if !ended {
		return from, to, nil
	}
	tail, err := appendFields(append(u.buffer[:to], "0\r\n"...), u.r.Trailer, u.names, framed)
	if err != nil {
		return 0, 0, &readError{err}
	}
	tail = append(tail, "\r\n"...)
	if len(tail) > len(u.buffer) {
		return 0, 0, &readError{errors.New("the trailers are too long")}
	}
	return from, len(tail), nil
}

func appendChunkSize(b []byte, n int) []byte {
	return append(strconv.AppendInt(b, int64(n), 16), "\r\n"...)
}

// sendEarly sends the header, if it still waits, with what there is of the body.
// The body may be being read into the rest of the buffer meanwhile.
func (u *upload) sendEarly() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.header) == 0 || u.buffer == nil {
		return nil
	}
	piece := u.buffer[u.from:u.to]
	out := slices.Clone(u.header)
	switch {
	case len(piece) == 0:
	case bodyLength(u.r) < 0:
		out = append(append(appendChunkSize(out, len(piece)), piece...), "\r\n"...)
	default:
		out = append(out, piece...)
	}
	u.header = nil
	u.from += len(piece)
	_, err := u.c.Write(out)
	return err
}
