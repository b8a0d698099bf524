package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"sync"
	"sync/atomic"
)

// inbound is the body of an HTTP/1.1 request, read from its lane. It may be read from
// another goroutine than the handler's; after finish nothing more comes of it.
type inbound struct {
	w       *response // of the request
	chunked io.Reader // nil for a body whose length is known
	expects bool      // the agent may wait for a 100 before it sends

	mu   sync.Mutex // held while it is read
	left int64      // bytes, if the length is known
	err  error      // that ended it

	ended atomic.Bool // it has been read to its end
}

func newInbound(w *response) *inbound {
	b := &inbound{w: w, left: w.r.ContentLength, expects: w.r.ProtoAtLeast(1, 1) && expectsContinue(w.r)}
	if w.r.ContentLength < 0 {
		b.chunked = httputil.NewChunkedReader(w.lane.reader)
	}
	w.invites.Store(b.expects)
	return b
}

func (b *inbound) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read(p)
}

// read is Read. The caller holds b.mu.
func (b *inbound) read(p []byte) (n int, err error) {
	if b.err != nil {
		return 0, b.err
	}
	b.w.invite()
	b.w.lane.in.forget()
	if b.chunked == nil {
		n, err = b.w.lane.reader.Read(p[:min(int64(len(p)), b.left)])
		switch b.left -= int64(n); {
		case b.left == 0:
			err = io.EOF
		case errors.Is(err, io.EOF):
			err = io.ErrUnexpectedEOF
		}
	} else if n, err = b.chunked.Read(p); errors.Is(err, io.EOF) {
		if e := b.readTrailer(); e != nil {
			err = e
		}
	}
	if err == nil {
		return n, nil
	}
	if b.err = err; errors.Is(err, io.EOF) {
		b.w.lane.early = b.w.lane.reader.Buffered() > 0
		b.ended.Store(true)
		b.w.lane.in.bodyRead()
	}
	return n, err
}

// readTrailer reads what stands behind the last chunk, which must fit the reader.
func (b *inbound) readTrailer() error {
	reader := b.w.lane.reader
	ahead, err := reader.Peek(2)
	if string(ahead) == "\r\n" {
		_, err = reader.Discard(2)
		return err
	}
	if err != nil {
		return unexpected(err)
	}
	for n := 4; ; n++ {
		ahead, err := reader.Peek(n)
		if bytes.HasSuffix(ahead, []byte("\r\n\r\n")) {
			break
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			return errors.New("the trailers are too long")
		}
		if err != nil {
			return unexpected(err)
		}
	}
	fields, err := textproto.NewReader(reader).ReadMIMEHeader()
	if err != nil {
		return unexpected(err)
	}
	if b.w.r.Trailer == nil {
		b.w.r.Trailer = http.Header{}
	}
	maps.Copy(b.w.r.Trailer, http.Header(fields))
	return nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Close leaves the body as it is: what is left of it is for finish.
func (b *inbound) Close() error { return nil }

// maxSkipped is how much of a body that nobody wants is read, so that the connection can be
// used again.
const maxSkipped = 256 << 10

// skip reads what is left of the body, if it is little, and reports whether that is all.
func (b *inbound) skip() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.chunked == nil && b.left > maxSkipped {
		return false
	}
	var into [4 << 10]byte
	for skipped := 0; b.err == nil && skipped <= maxSkipped; {
		n, _ := b.read(into[:])
		skipped += n
	}
	return b.ended.Load()
}

// finish ends the body, whose request has been answered, and reports whether all of it has
// been read, so that another request may follow. For what is still to come there is not
// much time; it is not waited for if the connection ends anyhow.
func (b *inbound) finish(ends bool) (whole bool) {
	if b.ended.Load() {
		return true
	}
	lane := b.w.lane
	lane.in.hurry(lingerSilence)
	if !ends && b.skip() {
		return true
	}
	lane.closeWrite()
	b.mu.Lock() // who reads comes back in time
	defer b.mu.Unlock()
	b.err = http.ErrBodyReadAfterClose
	return false
}
