package wire

import (
	"errors"
	"io"
)

// Body is the agent's body on its way out: from is the request's own, or what has taken
// its place. ended is called when it has been read to its end, before the end is told;
// nil for nobody. Closing it does not close the agent's: the server does when the handler
// returns, and until then a read may be under way.
func (f *Flow) Body(from io.Reader, ended func()) io.ReadCloser {
	return &outgoing{flow: f, from: from, ended: ended}
}

// Duplex lets an answer over HTTP/1.1 begin before the request's body has ended.
func (f *Flow) Duplex() {
	if f.blocks {
		_ = f.control.EnableFullDuplex()
	}
}

// BodyFailed is why the agent's body could not be read; nil if it could so far.
func (f *Flow) BodyFailed() error {
	if failed := f.bodyFailed.Load(); failed != nil {
		return failed
	}
	return nil
}

// BodyError is a failure to read the agent's body, as opposed to the upstream's.
type BodyError struct{ err error }

func (e *BodyError) Error() string { return "request body: " + e.err.Error() }

type outgoing struct {
	flow  *Flow
	from  io.Reader
	ended func()
}

func (b *outgoing) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if n > 0 {
		b.flow.sent.Add(int64(n))
		b.flow.pulse.moved()
	}
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		if b.ended != nil {
			b.ended()
		}
		b.flow.endBody()
	default:
		b.flow.bodyFailed.Store(&BodyError{err})
	}
	return n, err
}

func (b *outgoing) Close() error { return nil }

// Ahead is the beginning of the agent's body, for whoever reads it before the request
// leaves. It counts nothing as sent: what is read is either sent later, by a Body, or
// never.
func (f *Flow) Ahead(body io.Reader) io.Reader { return ahead{f, body} }

type ahead struct {
	flow *Flow
	from io.Reader
}

func (a ahead) Read(p []byte) (int, error) {
	n, err := a.from.Read(p)
	a.flow.pulse.moved()
	if errors.Is(err, io.EOF) {
		a.flow.endBody()
	}
	return n, err
}

// endBody is called when the agent's body has been read to its end.
func (f *Flow) endBody() { f.bodyEnded.Store(true) }
