package wire

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/fieldname"
)

// Flow is what passes between an agent and an upstream for one request: its body one way,
// an answer the other, in pieces as they come. It counts bytes, knows when one last moved,
// and can be cut from outside.
//
// The handler that made it closes it before it returns. Context, Cut, Quiet, Sent and
// Received may be used from anywhere and at any time; a Body may be read from another
// goroutine, even after the handler has returned. The rest is the handler's alone.
type Flow struct {
	session *Session
	w       http.ResponseWriter
	control *http.ResponseController
	blocks  bool            // the request has a body, on a connection that carries one request after the other
	ctx     context.Context //nolint:containedctx // a flow is the scope of its context; Cut needs it from outside
	cancel  context.CancelCauseFunc

	pulse          pulse
	sent, received atomic.Int64
	bodyEnded      atomic.Bool // the agent's body has been read to its end
	bodyFailed     atomic.Pointer[BodyError]
	interim        interim

	// Held by Cut, which must not wait for anybody.
	mu   sync.Mutex
	cut  bool // deadlines are set for good
	done bool // the handler is about to return; its deadlines must not be touched
}

// CutGrace is how long an answer that says why the flow was cut may take.
const CutGrace = 500 * time.Millisecond

// NewFlow begins what passes for a request of a Server.
func NewFlow(w http.ResponseWriter, r *http.Request) *Flow {
	f := &Flow{
		session: SessionOf(r), w: w, control: http.NewResponseController(w),
		blocks: r.ProtoMajor == 1 && r.Body != http.NoBody, pulse: pulse{began: time.Now()},
	}
	f.ctx, f.cancel = context.WithCancelCause(r.Context())
	return f
}

// Context is the request's, and ends with the flow.
func (f *Flow) Context() context.Context { return f.ctx }

// Close ends the flow's context. The handler may return afterwards.
func (f *Flow) Close() {
	f.mu.Lock()
	f.done = true
	f.mu.Unlock()
	f.cancel(nil)
}

// Cut breaks the flow off from outside its handler: its context ends with the cause,
// which must not be nil, reading from the agent ends at once, and what is written to it
// must be read within half a second.
func (f *Flow) Cut(cause error) {
	f.cancel(cause)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done {
		return
	}
	f.cut = true
	// A handler that is blocked on the agent does not see its context.
	_ = f.control.SetReadDeadline(time.Unix(1, 0))
	_ = f.control.SetWriteDeadline(time.Now().Add(CutGrace))
}

// IsCut reports whether Cut ended the flow. What the server finds out by itself, such as a
// deadline, ends the context without a cause of ours, and then it is too late for one.
func (f *Flow) IsCut() bool {
	cause := context.Cause(f.ctx)
	return cause != nil && !errors.Is(cause, context.Canceled)
}

// ReadBy sets when reading from the agent ends; the zero time is never. Cut has set it
// for good.
func (f *Flow) ReadBy(deadline time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.cut {
		_ = f.control.SetReadDeadline(deadline)
	}
}

// Quiet is how long ago a byte last moved in either direction, or the flow began.
func (f *Flow) Quiet() time.Duration { return f.pulse.quiet() }

// Sent is how many bytes were read of Bodies, or relayed from the agent.
func (f *Flow) Sent() int64 { return f.sent.Load() }

// Received is how many bytes came of the answer's body, or were relayed to the agent.
func (f *Flow) Received() int64 { return f.received.Load() }

// pulse is when a byte last moved. It is safe for concurrent use.
type pulse struct {
	began time.Time
	last  atomic.Int64 // nanoseconds since began
}

func (p *pulse) moved() { p.last.Store(int64(time.Since(p.began))) }

func (p *pulse) quiet() time.Duration { return time.Since(p.began) - time.Duration(p.last.Load()) }

// CloseAfter ends the connection after the answer, as when what follows on it cannot be
// trusted to be a request. It must be called before the answer's header is written.
func (f *Flow) CloseAfter() { f.w.Header().Set("Connection", "close") }

// BodyOpen reports whether more of the request's body may come, on a connection
// that carries one request after the other.
func (f *Flow) BodyOpen() bool { return f.blocks && !f.bodyEnded.Load() }

// GiveUpBody stops waiting soon for what is still to come of the request's body, which
// would keep the answer open. The connection then ends with it: see CloseAfter.
func (f *Flow) GiveUpBody() {
	if f.BodyOpen() {
		f.session.lane.in.hurry(lingerSilence)
	}
}

// Spell has the names of the answer's fields written, over HTTP/1.1, as the upstream has
// written them. It must be called before the header is written.
func (f *Flow) Spell(names fieldname.Names) {
	if w, ok := f.w.(*response); ok {
		w.said.names = names
	}
}

// Flush sends the agent what was written.
func (f *Flow) Flush() error { return f.control.Flush() }

// interim guards what is sent to the agent before the answer.
type interim struct {
	mu       sync.Mutex // held while a 1xx answer is written, which waits for the agent
	count    int        // 1xx answers so far
	answered bool       // the answer is there, or will not come
}

// Answered ends what may be sent before the answer. It waits for a 1xx answer that is
// being written.
func (f *Flow) Answered() {
	f.interim.mu.Lock()
	f.interim.answered = true
	f.interim.mu.Unlock()
}

// BeforeAnswer calls do, unless Answered was called. Unlike the rest it may be called from
// any goroutine.
func (f *Flow) BeforeAnswer(do func()) {
	f.interim.mu.Lock()
	defer f.interim.mu.Unlock()
	if !f.interim.answered {
		do()
	}
}

// maxHints bounds the 1xx answers to one request; net/http leaves that to us.
const maxHints = 32

// ErrHints is why a request ends to which there are too many 1xx answers.
var ErrHints = errors.New("the upstream sends too many informational answers")

// Hint takes a 1xx answer, and passes it on with the header that fill has written, which
// begins empty; with no fill it is only counted. After Answered it does nothing. There may
// be 32 for one request. Unlike the rest it may be called from any goroutine.
func (f *Flow) Hint(code int, fill func(http.Header)) error {
	f.interim.mu.Lock()
	defer f.interim.mu.Unlock()
	if f.interim.answered {
		return nil
	}
	if f.interim.count++; f.interim.count > maxHints {
		return ErrHints
	}
	if fill == nil {
		return nil
	}
	h := f.w.Header()
	fill(h)
	f.w.WriteHeader(code)
	clear(h)
	return nil
}

// Copy passes the body of an answer on. What is live goes as it comes, beginning with the
// header; the rest is batched by the server's buffer. watch sees all that passes and must
// not fail; nil for nobody. An error is a *WriteError if the agent cannot be written to,
// why the flow was cut, or why body broke off.
func (f *Flow) Copy(body io.Reader, live bool, watch io.Writer) error {
	buffer := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buffer)
	if live && !isReady(body) {
		if err := f.control.Flush(); err != nil {
			return &WriteError{err}
		}
	}
	for {
		n, readErr := body.Read(buffer[:])
		if n > 0 {
			f.received.Add(int64(n))
			f.pulse.moved()
			if watch != nil {
				_, _ = watch.Write(buffer[:n])
			}
			if _, err := f.w.Write(buffer[:n]); err != nil {
				return &WriteError{err}
			}
		}
		if errors.Is(readErr, io.EOF) {
			// An upstream that we cut off may still end its answer properly.
			return context.Cause(f.ctx)
		}
		if readErr != nil {
			return readErr
		}
		if live {
			if err := f.control.Flush(); err != nil {
				return &WriteError{err}
			}
		}
	}
}

// buffers are what answers are copied through.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

const bufferSize = 64 << 10

// isReady reports whether the first piece of a body is there, so that the header
// need not go ahead of it.
func isReady(body io.Reader) bool {
	b, ok := body.(interface{ Ready() bool })
	return ok && b.Ready()
}

// WriteError is a failure to write to the agent, as opposed to reading upstream.
type WriteError struct{ err error }

func (e *WriteError) Error() string { return "write to agent: " + e.err.Error() }
