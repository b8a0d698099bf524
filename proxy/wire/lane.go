package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// lane is one HTTP/1.1 connection of an agent: its requests are read, handled and answered
// one after the other, in one goroutine. A head is read once, and is known as it was sent;
// what no handler is called for is told to the Tunnels.
//
// Between requests it holds no buffer.
type lane struct {
	of      *lanes
	conn    net.Conn
	session *Session
	in      *intake
	context context.Context //nolint:containedctx // every request of the connection has it; it ends with the connection, or when the agent leaves
	cancel  context.CancelFunc
	blank   *http.Request // what a request is made from

	reader  *bufio.Reader // nil between requests
	framing Framing       // of the request that is handled
	header  http.Header   // of its answer
	posted  bool          // the request before was a POST
	early   bool          // what comes next was sent before its turn
	taken   bool          // the connection is somebody else's now
	idle    atomic.Bool   // between two requests; who makes it false decides what becomes of the connection
}

func newLane(of *lanes, conn net.Conn, s *Session) *lane {
	l := &lane{of: of, conn: conn, session: s, header: http.Header{}}
	l.context, l.cancel = context.WithCancel(context.WithValue(context.Background(), sessionKey{}, s))
	l.in = newIntake(conn, l.cancel)
	l.blank = new(http.Request).WithContext(l.context)
	s.lane = l
	return l
}

// readers are what lanes read through.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readerSize) }}

const readerSize = 4 << 10

// run serves the connection until it ends or is taken over.
func (l *lane) run() {
	defer l.end()
	for wait := headTimeout; ; wait = l.of.idle {
		if l.reader == nil {
			if l.idle.Store(true); l.of.stopping.Load() || l.in.await(wait) != nil || !l.idle.Swap(false) {
				return
			}
			l.reader = readers.Get().(*bufio.Reader)
			l.reader.Reset(l.in)
		}
		r, err := l.request()
		if err != nil {
			l.refuse(err)
			return
		}
		if !l.serve(r) {
			return
		}
		if l.reader.Buffered() == 0 {
			l.putReader()
		}
	}
}

func (l *lane) putReader() {
	l.reader.Reset(nil)
	readers.Put(l.reader)
	l.reader = nil
}

// end is deferred by run. A panic breaks the answer off; all but one are faults of ours.
func (l *lane) end() {
	if fault := recover(); fault != nil && fault != http.ErrAbortHandler { //nolint:errorlint // it is this value
		stack := make([]byte, 64<<10)
		stack = stack[:runtime.Stack(stack, false)]
		l.of.log.Error("panic while serving a request", "fault", fault, "stack", string(stack))
	}
	l.cancel()
	l.in.served()
	l.in.close()
	l.of.remove(l)
	if !l.taken {
		_ = l.close()
	}
}

// close ends the connection, and waits no longer than farewell does.
func (l *lane) close() error { return farewell(l.conn, l.cut) }

// cut closes the socket, which waits for nobody.
func (l *lane) cut() error {
	if l.session.Tunnel != nil {
		return l.session.Tunnel.Cut()
	}
	return rawConn(l.conn).Close()
}

// unread is what has come of a head that is refused, or an error of reading it.
type unread struct {
	head   []byte
	status int // 0 for a connection that ended, or fell silent
}

func (u *unread) Error() string { return http.StatusText(u.status) }

// request reads a head. An error is an *unread.
func (l *lane) request() (*http.Request, error) {
	early := l.early
	l.early = false
	if err := l.skipLines(); err != nil {
		return nil, err
	}
	head, err := l.readHead()
	if err != nil {
		return nil, err
	}
	r := l.blank.WithContext(l.context)
	framing, err := parseHead(head, r)
	if err != nil {
		status := http.StatusBadRequest // also for a head that is not whole: its end was taken for one
		if why, ok := errors.AsType[unfit](err); ok {
			status = int(why)
		}
		return nil, &unread{head: []byte(head), status: status}
	}
	l.posted = r.Method == http.MethodPost
	if expect := r.Header["Expect"]; len(expect) > 0 && expect[0] != "" && !expectsContinue(r) {
		return nil, &unread{head: []byte(head), status: http.StatusExpectationFailed}
	}
	framing.known = !early
	l.framing = framing
	r.RemoteAddr = l.session.Client
	return r, nil
}

// skipLines passes over the empty lines that old clients sent behind the body of a POST
// (RFC 9112 section 2.2), and over no others.
func (l *lane) skipLines() error {
	for range 4 {
		b, err := l.reader.Peek(1)
		if err != nil {
			return &unread{}
		}
		if b[0] != '\r' && b[0] != '\n' {
			return nil
		}
		if !l.posted {
			return &unread{status: http.StatusBadRequest}
		}
		if _, _ = l.reader.Discard(1); l.reader.Buffered() == 0 {
			l.in.within(headTimeout)
		}
	}
	return nil
}

// readHead reads to the end of a head, all of which must come in time.
func (l *lane) readHead() (string, error) {
	var long []byte // of a head that the reader has no room for
	var seen int    // bytes in which no end was found
	for judged, timed := false, false; ; {
		piece, _ := l.reader.Peek(l.reader.Buffered())
		so := piece
		if long != nil {
			long = append(long, piece...)
			so = long
		}
		end := headEnd(so, seen)
		if end < 0 && len(so) == readerSize {
			long = bytes.Clone(piece)
			so = long
		}
		switch {
		case end > maxHeaderBytes || end < 0 && len(so) >= maxHeaderBytes:
			return "", &unread{head: so, status: http.StatusRequestHeaderFieldsTooLarge}
		case end >= 0:
			head := string(so[:end])
			_, _ = l.reader.Discard(len(piece) - (len(so) - end))
			return head, nil
		}
		seen = len(so)
		if long != nil {
			_, _ = l.reader.Discard(len(piece))
			piece = nil
		}
		if !judged && bytes.IndexByte(so, '\n') >= 0 {
			judged = true // nobody has to wait for the rest of what begins wrong
			if err := judgeLine(so); err != nil {
				return "", err
			}
		}
		if !timed {
			timed = true
			l.in.within(headTimeout)
		}
		if _, err := l.reader.Peek(len(piece) + 1); err != nil {
			return "", broken(so, err)
		}
	}
}

// judgeLine looks at the request line of a head that is not whole.
func judgeLine(head []byte) error {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	_, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(append(bytes.Clone(line), "\n\r\n"...))))
	if err != nil {
		return &unread{head: head, status: http.StatusBadRequest}
	}
	return nil
}

// broken is why a head is not whole. What is wrong in it counts, and its end does; silence
// and a connection that breaks are no requests.
func broken(head []byte, err error) error {
	u := &unread{head: head}
	_, parsing := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if errors.Is(err, io.EOF) || parsing != nil && !errors.Is(parsing, io.ErrUnexpectedEOF) && errors.Is(err, os.ErrDeadlineExceeded) {
		u.status = http.StatusBadRequest
	}
	return u
}

// refuse answers what no handler is called for, and reads on for a while, so that the
// answer is not lost to a reset.
func (l *lane) refuse(err error) {
	u, ok := errors.AsType[*unread](err)
	if !ok || u.status == 0 {
		return
	}
	told := Unparsed{Why: http.StatusText(u.status), Status: u.status}
	told.Method, told.Path = requestLine(u.head)
	var answer bytes.Buffer
	_ = l.of.tunnels.Unparsed(l.session, told).Write(&answer) //nolint:bodyclose // its body is in memory, and a buffer takes everything
	if _, err := l.conn.Write(answer.Bytes()); err == nil {
		l.linger()
	}
}

// linger ends our side, and reads what still comes, within the bounds of limits.go. Nobody
// waits for it: Shutdown ends it.
func (l *lane) linger() {
	l.closeWrite()
	l.in.end(lingerTime)
	if l.idle.Store(true); l.of.stopping.Load() {
		l.in.end(lingerSilence)
	}
	buffer := lingerBuffers.Get().(*[16 << 10]byte)
	defer lingerBuffers.Put(buffer)
	for left := lingerBytes; left > 0; {
		l.in.within(lingerSilence)
		n, err := l.in.Read(buffer[:])
		if left -= n; err != nil {
			return
		}
	}
}

// lingerBuffers are what is read by linger, and forgotten.
var lingerBuffers = sync.Pool{New: func() any { return new([16 << 10]byte) }}

func (l *lane) closeWrite() {
	if half, ok := l.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// serve has a request handled, and reports whether there may be another.
func (l *lane) serve(r *http.Request) (again bool) {
	clear(l.header)
	w := &response{lane: l, r: r, header: l.header, length: unknownLength}
	r.Body = http.NoBody
	if r.ContentLength != 0 {
		w.body = newInbound(w)
		r.Body = w.body
	}
	l.in.serve(w.body != nil)
	w.out.to = l.conn
	defer w.out.drop()
	l.of.handler.ServeHTTP(w, r)
	if l.taken {
		return false
	}
	w.finish()
	l.in.served()
	whole := w.body == nil || w.body.finish(w.closes)
	if w.writeBy {
		_ = l.conn.SetWriteDeadline(time.Time{})
	}
	if !whole {
		l.linger()
		return false
	}
	return w.reusable() && l.context.Err() == nil && !l.of.stopping.Load()
}
