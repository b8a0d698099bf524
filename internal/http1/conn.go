package http1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/textproto"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/fieldname"
)

// conn is one connection. A request uses it alone, from exchange until both
// its answer and, if it has one, its body have ended.
type conn struct {
	net.Conn // what is written to and read from: the socket, or TLS on it
	socket   *socket
	t        *Transport
	to       place
	address  string
	reused   bool
	since    time.Time // when it became idle

	reader  *bufio.Reader
	left    int64  // bytes of an answer's header that may still be read
	out     []byte // the header of the request
	records bool   // what is read is kept in record
	record  []byte
	one     [1]byte
	unwatch func() bool // takes back that the request's context closes the connection
	proceed chan bool   // says whether the upstream wants the body; nil: it is not asked
	failed  atomic.Pointer[bodyError]

	mu      sync.Mutex
	pending int  // of answer and body, how many have not ended
	spoiled bool // it cannot be used again
	ending  bool // the last bytes of the body are on their way
}

func newConn(t *Transport, to place, raw net.Conn) *conn {
	s := &socket{Conn: raw}
	c := &conn{Conn: s, socket: s, t: t, to: to}
	if a := raw.RemoteAddr(); a != nil {
		c.address = a.String()
	}
	c.reader = bufio.NewReader(headerReader{c})
	return c
}

// errNoAnswer is a connection that ended before the first byte of an answer.
var errNoAnswer = errors.New("the upstream closed the connection without an answer")

// bodyError is a failure to read the body of a request.
type bodyError struct{ err error }

// exchange sends r and reads the header of its answer.
func (c *conn) exchange(r *http.Request, w Watcher) (*http.Response, error) {
	c.pending, c.spoiled, c.ending, c.proceed = 1, false, false, nil
	c.failed.Store(nil)
	c.unwatch = context.AfterFunc(r.Context(), c.abort)
	response, err := c.ask(r, w)
	if err != nil {
		c.done(false, true)
		return nil, c.reason(r, err)
	}
	return response, nil
}

func (c *conn) ask(r *http.Request, w Watcher) (*http.Response, error) {
	if err := c.send(r, w.Names()); err != nil {
		return nil, err
	}
	response, err := c.receive(r, w)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusSwitchingProtocols {
		return response, c.handOver(response)
	}
	c.left = math.MaxInt64
	keep := !response.Close && response.ProtoAtLeast(1, 1)
	if response.Body == http.NoBody {
		c.done(keep && c.reader.Buffered() == 0, true)
		return response, nil
	}
	response.Body = &body{c: c, r: r, from: response.Body, keep: keep, chunked: len(response.TransferEncoding) > 0}
	return response, nil
}

// send writes r, or its header and has its body written beside.
func (c *conn) send(r *http.Request, names fieldname.Names) (err error) {
	if c.out, err = appendHeader(c.out[:0], r, names); err != nil {
		return err
	}
	if hasBody(r) {
		c.pending = 2
		if expectsContinue(r) {
			c.proceed = make(chan bool, 1)
		}
		go c.upload(r, names) // ends with the body, or with the connection, which c.done sees to
		return nil
	}
	if _, err := c.Write(c.out); err != nil {
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	return nil
}

// receive reads answers until the one that is not informational.
func (c *conn) receive(r *http.Request, w Watcher) (*http.Response, error) {
	c.left = int64(c.t.config.MaxHeaderBytes)
	if _, err := c.reader.Peek(1); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	w.FirstByte()
	for {
		response, names, err := c.readAnswer(r)
		if err != nil {
			return nil, err
		}
		w.Named(names)
		if response.ProtoMajor != 1 {
			return nil, fmt.Errorf("the upstream answers in %q", response.Proto)
		}
		code := response.StatusCode
		informational := code >= 100 && code < 200 && code != http.StatusSwitchingProtocols
		if c.proceed != nil && (code == http.StatusContinue || !informational) {
			select {
			case c.proceed <- code == http.StatusContinue:
			default: // it has been told
			}
		}
		if !informational {
			return response, nil
		}
		if err := w.Informational(code, textproto.MIMEHeader(response.Header)); err != nil {
			return nil, err
		}
		c.left = int64(c.t.config.MaxHeaderBytes)
	}
}

// handOver gives the connection away with an answer of 101.
func (c *conn) handOver(response *http.Response) error {
	c.left = math.MaxInt64
	c.mu.Lock()
	sending := c.pending > 1
	c.mu.Unlock()
	if sending {
		return errors.New("the upstream switched protocols before the request's body had ended")
	}
	if !c.unwatch() {
		return net.ErrClosed
	}
	response.Body = &switched{c}
	return nil
}

// done is told when answer or body have ended, and whether the connection is
// still good. Who comes last puts it back.
func (c *conn) done(good, answer bool) {
	c.mu.Lock()
	c.pending--
	// An upstream that answered before the end of the body may take that end for the beginning
	// of the next request, or has stopped reading.
	early := answer && c.pending > 0 && !c.ending
	c.spoiled = c.spoiled || !good || early
	last, spoiled := c.pending == 0, c.spoiled
	c.mu.Unlock()
	switch {
	case !good && answer: // a body that is still being sent has nobody to go to
		c.unwatch()
		c.abort()
	case !last: // the end of the request's context ends the other one too
	case spoiled || !c.unwatch():
		c.abort()
	default:
		c.t.put(c)
	}
}

// abort closes the socket, which cannot block.
func (c *conn) abort() { _ = c.socket.Close() }

// close ends an idle connection.
func (c *conn) close() {
	_ = c.Conn.Close()
	c.abort()
}

// reason says why the connection failed: because it was closed for a reason, or
// by itself.
func (c *conn) reason(r *http.Request, err error) error {
	if cause := context.Cause(r.Context()); cause != nil {
		return cause
	}
	if failed := c.failed.Load(); failed != nil {
		return failed.err
	}
	return err
}

// quiet reports whether nothing has come on an idle connection: no end, and no
// byte that would be taken for an answer. repeatable says that the request may
// be sent again; then a connection just used is not worth a system call.
func (c *conn) quiet(repeatable bool) bool {
	if c.reader.Buffered() > 0 {
		return false
	}
	c.socket.probe = probeSocket
	if repeatable && time.Since(c.since) < recently {
		c.socket.probe = probeBuffers
	}
	n, err := c.Read(c.one[:])
	c.socket.probe = probeNot
	return n == 0 && errors.Is(err, errQuiet)
}

// recently is how long after its last use a connection is taken to be good.
const recently = 100 * time.Millisecond

// headerReader bounds what is read as a header.
type headerReader struct{ c *conn }

func (h headerReader) Read(b []byte) (int, error) {
	if h.c.left <= 0 {
		return 0, fmt.Errorf("the header of the upstream's answer is longer than %d bytes", h.c.t.config.MaxHeaderBytes)
	}
	if int64(len(b)) > h.c.left {
		b = b[:h.c.left]
	}
	n, err := h.c.Read(b)
	h.c.left -= int64(n)
	if h.c.records {
		h.c.record = append(h.c.record, b[:n]...)
	}
	return n, err
}

// switched is a connection that no longer speaks HTTP.
type switched struct{ c *conn }

func (s *switched) Read(p []byte) (int, error)  { return s.c.reader.Read(p) }
func (s *switched) Write(p []byte) (int, error) { return s.c.Write(p) }
func (s *switched) Close() error                { return s.c.Conn.Close() }
