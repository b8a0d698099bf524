package sigv4

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
)

// Spool holds bodies that are read ahead, because no header states the hash that is
// signed: a small one in memory, a larger one in a file that has no name any more. The
// zero Spool is ready. It is safe for concurrent use.
type Spool struct {
	Dir   string // of the files; the system's for temporary ones if empty
	Limit int64  // of one body; 128 MiB if zero
	Total int64  // of all files at once; 2 GiB if zero

	used atomic.Int64
}

const (
	// spoolMemory is how much of a body stays in memory.
	spoolMemory = 1 << 20
	// defaultSpoolLimit is above what any service takes without a stated hash: 100 MiB
	// in OpenSearch's bulk requests, 67 MiB in Lambda's code.
	defaultSpoolLimit = 128 << 20
	defaultSpoolTotal = 2 << 30
)

func (s *Spool) limit() int64 {
	if s.Limit == 0 {
		return defaultSpoolLimit
	}
	return s.Limit
}

// readAhead reads r's body, and puts what it has read in its place.
func (s *Spool) readAhead(r *http.Request) (payload, error) {
	p := payload{hash: emptyHash}
	if isEmpty(r) {
		return p, nil
	}
	limit := s.limit()
	if r.ContentLength > limit {
		return payload{}, tooLarge(limit)
	}
	hash := sha256.New()
	limited := io.TeeReader(io.LimitReader(r.Body, limit+1), hash)
	var memory bytes.Buffer
	if 0 < r.ContentLength && r.ContentLength < spoolMemory {
		memory.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	size, err := io.CopyN(&memory, limited, spoolMemory)
	if err != nil && !errors.Is(err, io.EOF) {
		return payload{}, fmt.Errorf("read body ahead: %w", err)
	}
	body := io.NopCloser(&memory)
	if err == nil {
		var more int64
		body, more, err = s.file(r, &memory, limited)
		if size += more; err != nil {
			return payload{}, err
		}
	}
	if size > limit {
		return payload{}, tooLarge(limit)
	}
	if err := r.Body.Close(); err != nil {
		return payload{}, fmt.Errorf("read body ahead: %w", err)
	}
	r.Body, r.ContentLength, r.GetBody = body, size, nil
	r.TransferEncoding = nil
	p.hash = hex.EncodeToString(hash.Sum(nil))
	return p, nil
}

func tooLarge(limit int64) error {
	return refuse(BodyTooLarge, "the body is larger than %d MiB and no header states its hash; send X-Amz-Content-Sha256", limit>>20)
}

// file writes what is in memory and the rest of r's body to a file, and returns it to
// be read from its beginning. The file is closed when r's context ends, not with the
// body: a transport closes a body that it has not begun to send, and may be asked to
// send it by another way.
func (s *Spool) file(r *http.Request, memory *bytes.Buffer, rest io.Reader) (body io.ReadCloser, more int64, err error) {
	room := r.ContentLength
	if room < 0 {
		room = s.limit()
	}
	if err := s.reserve(room); err != nil {
		return nil, 0, err
	}
	context.AfterFunc(r.Context(), func() { s.used.Add(-room) })
	file, err := os.CreateTemp(s.Dir, "sallyport-body-*") // 0600
	if err != nil {
		return nil, 0, fmt.Errorf("read body ahead: %w", err)
	}
	context.AfterFunc(r.Context(), func() { _ = file.Close() })
	// Unlinked at once: whatever happens to this process, nothing is left behind.
	err = os.Remove(file.Name())
	if err == nil {
		_, err = memory.WriteTo(file)
	}
	if err == nil {
		more, err = io.Copy(file, rest)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read body ahead: %w", err)
	}
	return io.NopCloser(file), more, nil
}

// reserve takes room for one file, so that no agent can fill the disk.
func (s *Spool) reserve(room int64) error {
	total := s.Total
	if total == 0 {
		total = defaultSpoolTotal
	}
	if s.used.Add(room) <= total {
		return nil
	}
	s.used.Add(-room)
	return refuse(Busy, "too many large bodies are being read ahead at this time; try again later, or send X-Amz-Content-Sha256")
}
