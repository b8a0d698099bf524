package wire

import (
	"bytes"
	"net"
	"net/http"
	"sync"
	"time"
)

// headReader is an HTTP/1.1 connection that keeps the bytes of the header
// section being read. net/http repairs what it parses (it drops a
// Content-Length beside a Transfer-Encoding, folded lines, bare LF), and a
// repaired request is one that the agent and we could read differently; the
// handler looks at the bytes as sent. It also turns the server's own answers to
// requests that it cannot parse into refusals, which have a row.
type headReader struct {
	net.Conn
	session *Session
	tunnels Tunnels // that answer what net/http could not parse

	mu       sync.Mutex
	head     []byte
	state    headState
	unparsed bool      // no handler has seen a request since the last answer
	last     time.Time // when reading ends for good; zero: not in sight
}

type headState int

const (
	headReading headState = iota // a header section may be arriving: keep it
	headBody                     // a body is arriving: pass it on
)

func newHeadReader(c net.Conn, s *Session, tunnels Tunnels) *headReader {
	h := &headReader{Conn: c, session: s, tunnels: tunnels, unparsed: true}
	s.head = h
	return h
}

func (h *headReader) Read(b []byte) (int, error) {
	n, err := h.Conn.Read(b)
	if n > 0 {
		h.mu.Lock()
		if h.state == headReading && len(h.head) < 2*maxHeaderBytes {
			h.head = append(h.head, b[:n]...)
		}
		h.mu.Unlock()
	}
	return n, err
}

// linger ends all reading soon. The server's own deadlines cannot put it off: it
// clears them when the handler returns, and then waits for the rest of the body.
func (h *headReader) linger() {
	last := time.Now().Add(lingerTime)
	h.mu.Lock()
	h.last = last
	h.mu.Unlock()
	_ = h.SetReadDeadline(last)
}

func (h *headReader) SetReadDeadline(t time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.last.IsZero() && (t.IsZero() || t.After(h.last)) {
		t = h.last
	}
	return h.Conn.SetReadDeadline(t)
}

// idle is called by the server's ConnState hook between two requests.
func (h *headReader) idle() {
	h.mu.Lock()
	h.unparsed = true
	h.mu.Unlock()
}

// Write passes the handler's answers on. When no handler has run, it is the
// server itself that answers a request it could not parse.
func (h *headReader) Write(b []byte) (int, error) {
	h.mu.Lock()
	unparsed := h.unparsed
	h.mu.Unlock()
	if !unparsed {
		return h.Conn.Write(b)
	}
	h.mu.Lock()
	h.unparsed = false
	head := h.head
	h.mu.Unlock()
	if err := h.refuse(head, statusOf(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// refuse answers a request that net/http could not parse.
func (h *headReader) refuse(head []byte, status int) error {
	u := Unparsed{Why: http.StatusText(status), Status: status}
	u.Method, u.Path = requestLine(head)
	var answer bytes.Buffer
	_ = h.tunnels.Unparsed(h.session, u).Write(&answer) //nolint:bodyclose // its body is in memory, and a buffer takes everything
	_, err := h.Conn.Write(answer.Bytes())
	return err
}

// Close is called by the server while a handler waits for it.
func (h *headReader) Close() error {
	if h.session.Tunnel != nil {
		return farewell(h.Conn, h.session.Tunnel.Cut)
	}
	return farewell(h.Conn, rawConn(h.Conn).Close)
}

// CloseWrite lets the server end its side first, so that a refusal is not lost
// to a reset while the agent still sends.
func (h *headReader) CloseWrite() error {
	if c, ok := h.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// check looks at the header section of the request that a handler has just been
// given. It must be the handler's first step: what is written before it is taken
// for the server's answer to a request that it could not parse.
func (h *headReader) check(r *http.Request) Framing {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unparsed = false
	kept := h.state == headReading
	if r.Body != http.NoBody {
		h.state = headBody
	} else {
		h.state = headReading
	}
	if !kept {
		h.head = h.head[:0]
		return Framing{}
	}
	section := bytes.TrimLeft(h.head, "\r\n")
	end := headEnd(section)
	if end < 0 || !startsWith(section, r) {
		h.head = h.head[:0]
		return Framing{}
	}
	hostField, err := checkHead(section[:end], !r.ProtoAtLeast(1, 1))
	// What is left is the next request, sent before this one was answered.
	h.head = h.head[:copy(h.head, section[end:])]
	return Framing{known: true, host: hostField, err: err}
}

// startsWith reports whether the section begins with the request line of r, and
// not somewhere in the middle of its fields.
func startsWith(section []byte, r *http.Request) bool {
	for _, part := range []string{r.Method, " ", r.RequestURI, " ", r.Proto} {
		if len(section) < len(part) || string(section[:len(part)]) != part {
			return false
		}
		section = section[len(part):]
	}
	return true
}

// bodyRead is called when a request's body has been read to its end; whatever
// comes now is the next request. Bytes of it that the server has already
// buffered cannot be told apart from the body; check finds them missing.
func (h *headReader) bodyRead() {
	h.mu.Lock()
	h.head, h.state = h.head[:0], headReading
	h.mu.Unlock()
}

func headEnd(b []byte) int {
	for i := 0; ; {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return -1
		}
		i += n + 1
		if i < len(b) && b[i] == '\n' {
			return i + 1
		}
		if i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n' {
			return i + 2
		}
	}
}

// statusOf reads the status of an HTTP/1.1 answer; 400 if there is none.
func statusOf(answer []byte) int {
	const at = len("HTTP/1.1 ")
	status := 0
	if len(answer) < at+3 {
		return http.StatusBadRequest
	}
	for _, c := range answer[at : at+3] {
		if c < '0' || c > '9' {
			return http.StatusBadRequest
		}
		status = status*10 + int(c-'0')
	}
	return status
}
