package sidecar

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// answerTimeout is how long the proxy may take to answer CONNECT, which it does
// before it dials anything. A plain request's answer comes from its upstream and may take its time.
const answerTimeout = 30 * time.Second

// lingerTimeout is how long a client may stay silent after the proxy has ended
// its side. A client that never notices would otherwise hold two descriptors forever.
const lingerTimeout = 30 * time.Second

// A local connection is TCP or a Unix socket: its two directions end apart.
type local interface {
	net.Conn
	CloseWrite() error
}

// A pipe carries bytes between a client and the proxy until both have ended.
type pipe struct {
	client  local
	proxy   *tls.Conn
	raw     *watched // proxy's, below TLS
	connect bool

	answered func() // called once, at the proxy's first byte
	// translate makes of the proxy's answer to CONNECT, of which first has come, what the
	// client is told, and says whether a tunnel follows; nil passes the answer on.
	translate func(first []byte, rest io.Reader) (answer []byte, open bool, err error)

	mu      sync.Mutex
	linger  bool // the proxy has ended its side; guarded by mu
	dropped bool // the client's side is cut so that the upward copy ends; guarded by mu
}

// run returns when neither direction moves any more. The error says why the
// proxy ended before its first byte, so that the client can still be told; later
// failures reach both ends as what they are, and run returns nil.
func (p *pipe) run() error {
	var up sync.WaitGroup
	up.Go(p.up)
	err := p.down()
	up.Wait()
	return err
}

// up copies what the client sends.
func (p *pipe) up() {
	err := carry(p.proxy, &clientReader{p}, make([]byte, smallBuffer))
	if err == nil {
		// An orderly end travels as close_notify; the answer may still be on its way.
		_ = p.proxy.CloseWrite()
		return
	}
	if p.isDropped() {
		return
	}
	// The client broke off: the proxy must see a cut, not an end. If writing failed
	// instead, the proxy is gone and the downward copy knows better what it said last.
	if !errors.Is(err, errWrite) {
		_ = p.raw.Close()
	}
}

// down copies what the proxy sends.
func (p *pipe) down() error {
	if p.connect {
		_ = p.proxy.SetReadDeadline(time.Now().Add(answerTimeout))
	}
	first := make([]byte, smallBuffer)
	n, err := p.proxy.Read(first)
	if n == 0 {
		p.drop()
		return p.raw.why(err)
	}
	p.answered()
	begin, open := first[:n], true
	if err = nil; p.translate != nil {
		begin, open, err = p.translate(begin, p.proxy)
	}
	if p.connect {
		_ = p.proxy.SetReadDeadline(time.Time{})
	}
	if err == nil {
		_, err = p.client.Write(begin)
	}
	if err == nil && open {
		err = carry(p.client, p.proxy, first)
	}
	if err != nil || p.raw.ended {
		p.cut()
	} else {
		p.end()
	}
	return nil
}

// end passes the proxy's orderly end on, and puts the client's silence under a deadline.
func (p *pipe) end() {
	_ = p.client.CloseWrite()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.linger = true
	_ = p.client.SetReadDeadline(time.Now().Add(lingerTimeout))
}

// cut ends both sides in a way that neither can take for an orderly end.
func (p *pipe) cut() {
	_ = p.raw.Close()
	abort(p.client)
}

// drop ends the upward copy and leaves the client's connection open for a refusal.
func (p *pipe) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropped = true
	_ = p.client.SetReadDeadline(time.Unix(1, 0))
	_ = p.raw.Close()
}

func (p *pipe) isDropped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dropped
}

// clientReader renews the linger deadline with every byte.
type clientReader struct{ *pipe }

func (r *clientReader) Read(b []byte) (int, error) {
	n, err := r.client.Read(b)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.linger && !r.dropped {
		_ = r.client.SetReadDeadline(time.Now().Add(lingerTimeout))
	}
	return n, err
}

// abort closes so that the peer sees a reset instead of an end (Unix sockets have
// no reset; there the close itself has to do).
func abort(c net.Conn) {
	if tcp, ok := c.(interface{ SetLinger(seconds int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// watched notices the end of the TCP stream below TLS. crypto/tls reports that
// as io.EOF when it falls between two records, just as it does close_notify, but
// only the latter is an end: the former is a cut (RFC 8446, section 6.1).
type watched struct {
	net.Conn
	ended bool // only the reading goroutine touches it
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if errors.Is(err, io.EOF) {
		w.ended = true
	}
	return n, err
}

// why explains a TLS connection that ended without a byte.
func (w *watched) why(err error) error {
	switch {
	case w.ended && errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	case err == nil:
		return io.EOF
	}
	return err
}

const (
	smallBuffer = 2 << 10
	largeBuffer = 32 << 10
)

var large = sync.Pool{New: func() any { b := make([]byte, largeBuffer); return &b }} //nolint:gochecknoglobals // a pool has no state

// errWrite marks an error of the destination.
var errWrite = errors.New("write")

// carry copies until src ends (nil) or one of the two fails. An idle tunnel holds
// the small buffer; a busy one borrows a large one.
func carry(dst io.Writer, src io.Reader, small []byte) error {
	buf := small
	var borrowed *[]byte
	defer func() {
		if borrowed != nil {
			large.Put(borrowed)
		}
	}()
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if _, failed := dst.Write(buf[:n]); failed != nil {
				return errors.Join(errWrite, failed)
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case borrowed == nil && n == len(buf):
			borrowed = large.Get().(*[]byte)
			buf = *borrowed
		case borrowed != nil && n < smallBuffer:
			large.Put(borrowed)
			borrowed, buf = nil, small
		}
	}
}

// timedOut tells a deadline from other failures.
func timedOut(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
