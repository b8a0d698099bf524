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
	"sync"

	"sallyport/internal/share"
)

// Spool holds bodies that are read ahead, because no header states the hash that is
// signed: a small one in memory, a larger one in a file that has no name any more. What
// has come counts, not what was announced. The zero Spool is ready. It is safe for
// concurrent use.
type Spool struct {
	Dir   string // of the files; the system's for temporary ones if empty
	Limit int64  // of one body; 128 MiB if zero
	Total int64  // of all files at once; 2 GiB if zero
	Each  int64  // of the files of one holder; a quarter of Total if zero

	once sync.Once
	room *share.Pool
}

const (
	// spoolMemory is how much of a body stays in memory.
	spoolMemory = 1 << 20
	// spoolBegin is how much memory is taken for a body before any of it has come.
	spoolBegin = 16 << 10
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
func (s *Spool) readAhead(r *http.Request, in *Inbound) (payload, error) {
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
	memory.Grow(int(min(max(r.ContentLength, 0), spoolBegin)) + bytes.MinRead)
	size, err := io.CopyN(&memory, &counted{limited, in.memory}, spoolMemory)
	if err != nil && !errors.Is(err, io.EOF) {
		return payload{}, fmt.Errorf("read body ahead: %w", err)
	}
	body := io.NopCloser(&memory)
	if err == nil {
		var more int64
		body, more, err = s.file(r, in, &memory, limited)
		if size += more; err != nil {
			return payload{}, fmt.Errorf("read body ahead: %w", err)
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

// counted is a body that takes room as it comes.
type counted struct {
	from io.Reader
	room func(n int64) bool
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	if n > 0 && !c.room(int64(n)) {
		return 0, busy("too much of this agent's bodies is being read ahead at this time; try again later, or send X-Amz-Content-Sha256")
	}
	return n, err
}

// file writes what is in memory and the rest of r's body to a file, and returns it to
// be read from its beginning. The file is closed when r's context ends, not with the
// body: a transport closes a body that it has not begun to send, and may be asked to
// send it by another way.
func (s *Spool) file(r *http.Request, in *Inbound, memory *bytes.Buffer, rest io.Reader) (body io.ReadCloser, more int64, err error) {
	lease := s.lease(in.Holder)
	context.AfterFunc(r.Context(), lease.End)
	file, err := os.CreateTemp(s.Dir, "sallyport-body-*") // 0600
	if err != nil {
		return nil, 0, err
	}
	context.AfterFunc(r.Context(), func() { _ = file.Close() })
	// Unlinked at once: whatever happens to this process, nothing is left behind.
	if err := os.Remove(file.Name()); err != nil {
		return nil, 0, err
	}
	held := int64(memory.Len())
	if _, err := io.Copy(file, &counted{memory, lease.Take}); err != nil {
		return nil, 0, err
	}
	*memory = bytes.Buffer{}
	in.memory(-held)
	if more, err = io.Copy(file, &counted{rest, lease.Take}); err != nil {
		return nil, 0, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, 0, err
	}
	return io.NopCloser(file), more, nil
}

// lease is what one body takes of the room for files, so that no agent can fill the disk,
// and none keeps the others from it.
func (s *Spool) lease(holder string) *share.Lease {
	s.once.Do(func() {
		total, each := s.Total, s.Each
		if total == 0 {
			total = defaultSpoolTotal
		}
		if each == 0 {
			each = total / 4
		}
		s.room = share.NewPool(total, each)
	})
	return s.room.Lease(holder)
}
