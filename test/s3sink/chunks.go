package s3sink

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
)

// read reads the body to its end, in the form that its mode says, and checks what that
// allows to check.
func (b *body) read(from io.Reader) (err error) {
	b.sum = sha256.New()
	if !strings.HasPrefix(b.mode, "STREAMING-") {
		b.length, err = io.Copy(b.sum, from)
		if err == nil && len(b.mode) == 64 && b.digest() != b.mode {
			err = errors.New("XAmzContentSHA256Mismatch")
		}
		return err
	}
	signed := strings.HasPrefix(b.mode, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
	b.previous = b.seed
	lines := bufio.NewReaderSize(from, 64<<10)
	crc := crc32.NewIEEE()
	for {
		size, err := b.chunk(lines, signed, crc)
		if err != nil {
			return err
		}
		if size == 0 {
			break
		}
	}
	if stated := b.header.Get("X-Amz-Decoded-Content-Length"); stated != "" && stated != strconv.FormatInt(b.length, 10) {
		return errors.New("IncompleteBody: another length than was stated")
	}
	rest, err := io.ReadAll(lines)
	if err != nil {
		return err
	}
	return b.trailer(string(rest), signed, crc)
}

// chunk reads one chunk, without holding it, and returns its size.
func (b *body) chunk(from *bufio.Reader, signed bool, crc hash.Hash) (int64, error) {
	line, err := from.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("IncompleteBody: %w", err)
	}
	digits, signature, _ := strings.Cut(strings.TrimSuffix(line, "\r\n"), ";chunk-signature=")
	size, err := strconv.ParseInt(digits, 16, 63)
	if err != nil {
		return 0, fmt.Errorf("a chunk without a size: %w", err)
	}
	data := sha256.New()
	n, err := io.CopyN(io.MultiWriter(b.sum, data, crc), from, size)
	b.length += n
	if err != nil {
		return 0, fmt.Errorf("IncompleteBody: %w", err)
	}
	if signed {
		empty := hashOf(nil)
		text := "AWS4-HMAC-SHA256-PAYLOAD\n" + b.stamp + "\n" + b.scope + "\n" + b.previous + "\n" + empty + "\n" + hex.EncodeToString(data.Sum(nil))
		if b.previous = hex.EncodeToString(mac(b.key, text)); b.previous != signature {
			return 0, errors.New("SignatureDoesNotMatch: of a chunk")
		}
	}
	if size == 0 {
		return 0, nil
	}
	end := make([]byte, 2)
	if _, err := io.ReadFull(from, end); err != nil || string(end) != "\r\n" {
		return 0, errors.New("IncompleteBody: a chunk does not end")
	}
	return size, nil
}

// trailer checks what follows the last chunk.
func (b *body) trailer(rest string, signed bool, crc hash.Hash32) error {
	if !strings.HasSuffix(b.mode, "-TRAILER") {
		if rest != "\r\n" {
			return errors.New("there is more behind the last chunk")
		}
		return nil
	}
	canonical, given := "", ""
	for _, line := range strings.FieldsFunc(rest, func(r rune) bool { return r == '\r' || r == '\n' }) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "x-amz-trailer-signature":
			given = value
			continue
		case "x-amz-checksum-crc32":
			if value != base64.StdEncoding.EncodeToString(crc.Sum(nil)) {
				return errors.New("BadDigest: crc32")
			}
		}
		canonical += name + ":" + value + "\n"
	}
	if canonical == "" {
		return errors.New("MalformedTrailerError")
	}
	if !signed {
		return nil
	}
	text := "AWS4-HMAC-SHA256-TRAILER\n" + b.stamp + "\n" + b.scope + "\n" + b.previous + "\n" + hashOf([]byte(canonical))
	if hex.EncodeToString(mac(b.key, text)) != given {
		return errors.New("SignatureDoesNotMatch: of the trailer")
	}
	return nil
}
