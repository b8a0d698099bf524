package wire

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// response is the answer to an HTTP/1.1 request. It is an http.ResponseWriter that
// http.ResponseController can do everything with, and decides as http.Server does how an
// answer is framed and whether the connection goes on. What is written is sent when there
// is enough of it, with Flush, or when the handler has returned.
//
// It is the handler's alone, but for deadlines and for the 100 that reading the request's
// body sends.
type response struct {
	lane   *lane
	r      *http.Request
	header http.Header
	body   *inbound // of the request; nil if it has none
	out    outbox
	said   said

	status  int
	length  int64 // of the body, as the header tells it
	written int64 // of the body
	settled bool  // the header is in out, whole
	chunked bool
	closes  bool // the connection ends with this answer
	duplex  bool // it may begin before the request's body has ended

	writeBy bool // a deadline for writing was set
	invitation
}

// invitation is whether reading the request's body has a 100 sent.
type invitation struct {
	inviting sync.Mutex // held while it is sent
	invites  atomic.Bool
}

const unknownLength = -1

// held is how much of a body is held back until its header has been settled: a shorter one
// has its length told.
const held = 2 << 10

// Header implements [http.ResponseWriter].
func (w *response) Header() http.Header { return w.header }

// SetReadDeadline is for [http.ResponseController].
func (w *response) SetReadDeadline(t time.Time) error { return w.lane.in.SetReadDeadline(t) }

// SetWriteDeadline is for [http.ResponseController].
func (w *response) SetWriteDeadline(t time.Time) error {
	w.writeBy = true
	return w.lane.conn.SetWriteDeadline(t)
}

// EnableFullDuplex is for [http.ResponseController].
func (w *response) EnableFullDuplex() error {
	w.duplex = true
	return nil
}

// invite sends the 100 that the agent waits for, once and not beside an answer.
func (w *response) invite() {
	if !w.invites.Load() {
		return
	}
	w.inviting.Lock()
	defer w.inviting.Unlock()
	if w.invites.Swap(false) {
		_, _ = w.lane.conn.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
	}
}

// uninvite has no 100 sent any more.
func (w *response) uninvite() {
	if !w.invites.Load() {
		return
	}
	w.inviting.Lock()
	w.invites.Store(false)
	w.inviting.Unlock()
}

// WriteHeader implements [http.ResponseWriter].
func (w *response) WriteHeader(status int) {
	if w.lane.taken || w.status != 0 {
		return
	}
	if status < 100 || status > 999 {
		panic("invalid status " + strconv.Itoa(status))
	}
	if status > http.StatusSwitchingProtocols && status < 200 {
		w.hint(status)
		return
	}
	w.uninvite()
	if status == http.StatusContinue {
		w.hint(status)
		return
	}
	w.status = status
	w.out.bytes = w.appendHeader(w.out.room())
}

// hint sends an answer before the answer.
func (w *response) hint(status int) {
	b := appendStatus(w.out.room(), w.r, status)
	var array [24]string
	for _, name := range appendNames(array[:0], w.header) {
		if name != "Content-Length" && name != "Transfer-Encoding" {
			b = appendField(b, w.said.names.Of(name), w.header[name])
		}
	}
	w.out.bytes = append(b, "\r\n"...)
	_ = w.out.flush()
}

// Write implements [http.ResponseWriter].
func (w *response) Write(p []byte) (int, error) {
	if w.lane.taken {
		return 0, http.ErrHijacked
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case len(p) == 0:
		return 0, nil
	case !allowsBody(w.status):
		return 0, http.ErrBodyNotAllowed
	}
	before := w.written
	if w.written += int64(len(p)); w.length != unknownLength && w.written > w.length {
		return 0, http.ErrContentLength
	}
	if !w.settled {
		if w.length == unknownLength && w.written <= held {
			w.said.held = append(w.said.held, p...)
			return len(p), nil
		}
		first := p
		if before > 0 {
			first = w.said.held
		}
		w.settle(first, false)
		if err := w.pass(w.said.held); err != nil {
			return 0, err
		}
		w.said.held = nil
	}
	if err := w.pass(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// pass takes a piece of the body.
func (w *response) pass(p []byte) error {
	switch {
	case len(p) == 0 || w.r.Method == http.MethodHead:
		return w.out.err
	case !w.chunked:
		return w.out.write(p)
	}
	b := strconv.AppendInt(w.out.room(), int64(len(p)), 16)
	w.out.bytes = append(b, "\r\n"...)
	if err := w.out.write(p); err != nil {
		return err
	}
	w.out.bytes = append(w.out.room(), "\r\n"...)
	return nil
}

// FlushError is for [http.ResponseController].
func (w *response) FlushError() error {
	if w.lane.taken {
		return http.ErrHijacked
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.settled {
		w.settle(w.said.held, false)
		if err := w.pass(w.said.held); err != nil {
			return err
		}
		w.said.held = nil
	}
	return w.out.flush()
}

// finish sends what is left of the answer. The handler has returned.
func (w *response) finish() {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.settled {
		w.settle(w.said.held, true)
		_ = w.pass(w.said.held)
	}
	if w.chunked {
		w.out.bytes = w.appendTrailers(append(w.out.room(), "0\r\n"...))
	}
	_ = w.out.flush()
}

// reusable reports whether another request may follow on the connection.
func (w *response) reusable() bool {
	short := w.r.Method != http.MethodHead && w.length != unknownLength && allowsBody(w.status) && w.length != w.written
	return !w.closes && !short && w.out.err == nil
}

// Hijack implements [http.Hijacker].
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	l := w.lane
	if l.taken {
		return nil, nil, http.ErrHijacked
	}
	w.uninvite()
	if w.status != 0 && !w.settled {
		w.settle(nil, false)
	}
	if err := w.out.flush(); err != nil {
		return nil, nil, err
	}
	l.in.served()
	if err := l.in.SetReadDeadline(time.Time{}); err != nil {
		return nil, nil, err
	}
	l.taken = true
	l.of.remove(l)
	early, _ := l.reader.Peek(l.reader.Buffered())
	conn := replay(l.conn, l.in.appendHeld(bytes.Clone(early)))
	return conn, bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn)), nil
}

// allowsBody reports whether answers of a status have bodies (RFC 9110 section 6.4.1).
func allowsBody(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}
