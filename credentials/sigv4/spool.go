package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
)

// spoolMemory is how much of a body that is read ahead stays in memory.
const spoolMemory = 1 << 20

// readAhead reads a body whose hash no header states, because the signature covers it
// all the same. From 1 MiB on it goes to a file that has no name any more.
func (s *Signer) readAhead(r *http.Request) (payload, error) {
	p := payload{word: "sha256", hash: emptyHash}
	if isEmpty(r) {
		return p, nil
	}
	if r.ContentLength > s.options.SpoolSize {
		return payload{}, tooLarge(s.options.SpoolSize)
	}
	hash := sha256.New()
	limited := io.TeeReader(io.LimitReader(r.Body, s.options.SpoolSize+1), hash)
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
		body, more, err = s.spool(&memory, limited)
		if size += more; err != nil {
			return payload{}, err
		}
	}
	if size > s.options.SpoolSize {
		_ = body.Close()
		return payload{}, tooLarge(s.options.SpoolSize)
	}
	if err := r.Body.Close(); err != nil {
		_ = body.Close()
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

// spool writes what is in memory and the rest of the body to an unnamed file, and
// returns it to be read from its beginning.
func (s *Signer) spool(memory *bytes.Buffer, rest io.Reader) (body io.ReadCloser, more int64, err error) {
	file, err := os.CreateTemp(s.options.SpoolDir, "body-*") // 0600
	if err != nil {
		return nil, 0, fmt.Errorf("read body ahead: %w", err)
	}
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
		return nil, 0, errors.Join(fmt.Errorf("read body ahead: %w", err), file.Close())
	}
	return file, more, nil
}
