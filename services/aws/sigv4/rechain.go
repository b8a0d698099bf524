package sigv4

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxChunk is the largest signed chunk that is held to be signed again. SDKs send
	// 64 KiB to 1 MiB.
	maxChunk = 16 << 20
	// smallChunk is what SDKs send that were not told otherwise; what holds larger ones
	// counts.
	smallChunk = 256 << 10
	// maxChunkLine is longer than the longest size and signature.
	maxChunkLine = 128
	// maxTrailer holds every checksum that S3 knows, and more.
	maxTrailer = 8 << 10

	chunkSignature   = ";chunk-signature="
	trailerSignature = "x-amz-trailer-signature"
)

// rechained has the chunks of r's body signed again.
func rechained(r *http.Request, in *Inbound) (payload, error) {
	word := in.Payload
	decoded, ok := contentLength(r.Header, "X-Amz-Decoded-Content-Length")
	if !ok {
		return payload{}, refuse(BodyMalformed, "a body in signed chunks needs X-Amz-Decoded-Content-Length")
	}
	if isEmpty(r) {
		return payload{}, refuse(BodyMalformed, "a body in signed chunks ends with a chunk of size 0, and this one is empty")
	}
	c := &rechainer{
		source:  r.Body,
		from:    bufio.NewReaderSize(r.Body, 4<<10),
		left:    decoded,
		trailer: word == signedTrailer,
		memory:  in.memory,
		room:    smallChunk,
	}
	for _, value := range r.Header["X-Amz-Trailer"] {
		for name := range strings.SplitSeq(value, ",") {
			c.declared = append(c.declared, strings.ToLower(strings.TrimSpace(name)))
		}
	}
	r.Body, r.GetBody = c, nil
	return payload{hash: word, stated: true, chunked: c}, nil
}

// rechainer reads a body of signed chunks and gives the same body with each signature
// replaced by the next of its own chain. Everything else stays byte for byte, so the
// length does too. It holds one chunk at a time. A body whose framing or decoded
// length is wrong ends in a [*Refusal] before its last chunk.
type rechainer struct {
	source   io.Closer
	from     *bufio.Reader
	chain    *chain
	left     int64 // decoded bytes that must still come
	trailer  bool
	declared []string // the names in X-Amz-Trailer

	memory func(n int64) bool
	room   int // what the chunk in hand may take

	chunk []byte // the chunk in hand, framed
	ready []byte // what of it is still to be read
	done  bool
	err   error
}

func (c *rechainer) Read(b []byte) (int, error) {
	for len(c.ready) == 0 && c.err == nil {
		if c.done {
			return 0, io.EOF
		}
		c.err = c.next()
	}
	if len(c.ready) == 0 {
		return 0, c.err
	}
	n := copy(b, c.ready)
	c.ready = c.ready[n:]
	return n, nil
}

func (c *rechainer) Close() error { return c.source.Close() }

// next reads one chunk and signs it.
func (c *rechainer) next() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	digits, size, err := parseChunkLine(line)
	if err != nil {
		return err
	}
	if size > c.left || size == 0 && c.left != 0 {
		return refuse(BodyIncomplete, "the chunks do not add up to X-Amz-Decoded-Content-Length")
	}
	c.left -= size
	c.chunk = append(c.chunk[:0], line...)
	head := len(c.chunk)
	if err := c.fill(size); err != nil {
		return err
	}
	signature := c.chain.chunk(c.chunk[head:])
	copy(c.chunk[digits+len(chunkSignature):], signature[:])
	if size == 0 {
		c.done = true
		err = c.finish()
	} else {
		err = c.ending("\r\n")
	}
	if err == nil {
		c.ready = c.chunk
	}
	return err
}

// line reads a chunk's first line with its CRLF.
func (c *rechainer) line() ([]byte, error) {
	var line []byte
	for len(line) < maxChunkLine {
		b, err := c.from.ReadByte()
		if err != nil {
			return nil, cutShort(err)
		}
		line = append(line, b)
		if b == '\n' {
			return line, nil
		}
	}
	return nil, refuse(BodyMalformed, "a chunk's first line is too long; the body is not in signed chunks")
}

// parseChunkLine reads "10000;chunk-signature=<64 hex>\r\n". digits is the length of
// the size.
func parseChunkLine(line []byte) (digits int, size int64, err error) {
	text, ok := strings.CutSuffix(string(line), "\r\n")
	hex, signature, ok2 := strings.Cut(text, chunkSignature)
	if !ok || !ok2 || hex == "" || len(hex) > 16 || !isHash(signature) || strings.Trim(hex, "0123456789abcdefABCDEF") != "" {
		return 0, 0, refuse(BodyMalformed, "a chunk does not begin with its size and signature")
	}
	n, err := strconv.ParseUint(hex, 16, 62)
	if err != nil || n > maxChunk {
		return 0, 0, refuse(BodyTooLarge, "a signed chunk is larger than %d MiB; configure the client for smaller ones", maxChunk>>20)
	}
	return len(hex), int64(n), nil
}

// fill appends size bytes of data to the chunk. The room grows with what arrives, not
// with what was announced.
func (c *rechainer) fill(size int64) error {
	for size > 0 {
		n := int(min(size, max(64<<10, int64(len(c.chunk)))))
		start := len(c.chunk)
		if more := start + n - c.room; more > 0 {
			if !c.memory(int64(more)) {
				return busy("too many large chunks are being signed at this time; try again later, or configure the client for smaller ones")
			}
			c.room += more
		}
		c.chunk = slices.Grow(c.chunk, n+2)[:start+n]
		if _, err := io.ReadFull(c.from, c.chunk[start:]); err != nil {
			return cutShort(err)
		}
		size -= int64(n)
	}
	return nil
}

// ending reads what must follow a chunk, and appends it.
func (c *rechainer) ending(want string) error {
	var got [2]byte
	if _, err := io.ReadFull(c.from, got[:]); err != nil {
		return cutShort(err)
	}
	if string(got[:]) != want {
		return refuse(BodyMalformed, "a chunk does not end where its size says")
	}
	c.chunk = append(c.chunk, got[:]...)
	return nil
}

// finish reads what follows the last chunk: nothing but an empty line, or the trailer.
func (c *rechainer) finish() error {
	rest, err := io.ReadAll(io.LimitReader(c.from, maxTrailer+1))
	if err != nil {
		return cutShort(err)
	}
	if len(rest) > maxTrailer {
		return refuse(BadTrailer, "there is more behind the last chunk than a trailer of %d KiB", maxTrailer>>10)
	}
	if !c.trailer {
		if string(rest) != "\r\n" {
			return refuse(BodyMalformed, "the last chunk is not followed by one empty line")
		}
		c.chunk = append(c.chunk, rest...)
		return nil
	}
	canonical, at, err := c.parseTrailer(rest)
	if err != nil {
		return err
	}
	signature := c.chain.trailer(canonical)
	copy(rest[at:], signature[:])
	c.chunk = append(c.chunk, rest...)
	return nil
}

// parseTrailer reads the lines behind the last chunk. They end with LF or CRLF, empty
// ones between them say nothing: clients differ. It returns what is signed, and where
// the signature is.
func (c *rechainer) parseTrailer(rest []byte) (canonical []byte, at int, err error) {
	malformed := refuse(BadTrailer, "the trailer must hold the headers that X-Amz-Trailer names, and then its signature")
	var lines []string
	offset := 0
	for line := range bytes.Lines(rest) {
		text := strings.TrimRight(string(line), "\r\n")
		name, value, ok := strings.Cut(text, ":")
		switch name = strings.ToLower(name); {
		case text == "":
		case !ok || at > 0:
			return nil, 0, malformed
		case name == trailerSignature:
			value = strings.TrimLeft(value, " ")
			if at = offset + len(text) - len(value); !isHash(value) {
				return nil, 0, malformed
			}
		case !slices.Contains(c.declared, name):
			return nil, 0, malformed
		default:
			lines = append(lines, string(appendCollapsed([]byte(name+":"), value))+"\n")
		}
		offset += len(line)
	}
	slices.Sort(lines)
	if at == 0 || len(lines) != len(c.declared) || !bytes.HasSuffix(rest, []byte("\n")) {
		return nil, 0, malformed
	}
	return []byte(strings.Join(lines, "")), at, nil
}

// cutShort is the end of a body before its last chunk.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return refuse(BodyIncomplete, "the body ends before its last chunk")
	}
	return err
}
