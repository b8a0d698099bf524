package http1

import (
	"bytes"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"sallyport/internal/fieldname"
)

// readAnswer reads an answer's header, and how its names are written. Most say all that they
// say in one way only, and plainAnswer reads them; of the others, and of what does not fit
// the reader, what http.ReadResponse makes of them counts.
func (c *conn) readAnswer(r *http.Request) (*http.Response, fieldname.Names, error) {
	head, whole := c.peekHead()
	if whole {
		if p, ok := plainAnswer(string(head), r); ok {
			_, _ = c.reader.Discard(len(head))
			p.attach(c)
			return p.response, p.names, nil
		}
		names := fieldname.Read(head)
		response, err := http.ReadResponse(c.reader, r)
		return response, names, err
	}
	ahead, _ := c.reader.Peek(c.reader.Buffered())
	c.record, c.records = bytes.Clone(ahead), true
	response, err := http.ReadResponse(c.reader, r)
	names := fieldname.Read(c.record)
	c.record, c.records = nil, false
	return response, names, err
}

// peekHead looks at an answer's header as it was sent; it is not whole if it does not fit the
// reader, breaks off, or does not begin as one does.
func (c *conn) peekHead() (head []byte, whole bool) {
	for seen := 0; ; {
		ahead, _ := c.reader.Peek(c.reader.Buffered())
		if n := min(len(ahead), len(version)); string(ahead[:n]) != version[:n] {
			return nil, false
		}
		if end := headEnd(ahead, seen); end > 0 {
			return ahead[:end], true
		}
		seen = len(ahead)
		if _, err := c.reader.Peek(seen + 1); err != nil {
			return nil, false
		}
	}
}

const version = "HTTP/1.1 "

// headEnd is where a header ends, behind an empty line; -1 if it does not. In the first seen
// bytes of it no end was found before.
func headEnd(b []byte, seen int) int {
	from := max(0, seen-len("\r\n\r"))
	if i := bytes.Index(b[from:], []byte("\r\n\r\n")); i >= 0 {
		return from + i + len("\r\n\r\n")
	}
	return -1
}

// plain is an answer whose body has a length.
type plain struct {
	response *http.Response
	values   []string // that its header's are parts of
	names    fieldname.Names
	sized    bool
}

// plainAnswer reads a header in which nothing is unusual, as http.ReadResponse does; ok is
// false for every other. A value is a part of head.
func plainAnswer(head string, r *http.Request) (p plain, ok bool) {
	line, fields, _ := strings.Cut(head, "\r\n")
	status, found := strings.CutPrefix(line, version)
	code, err := strconv.ParseUint(status[:min(3, len(status))], 10, 16)
	if !found || err != nil || len(status) < 3 || len(status) > 3 && status[3] != ' ' || !httpguts.ValidHeaderFieldValue(status) {
		return plain{}, false
	}
	if code < http.StatusOK || code == http.StatusNoContent || code == http.StatusNotModified || r.Method == http.MethodHead || r.Method == http.MethodConnect {
		return plain{}, false
	}
	lines := strings.Count(fields, "\n")
	p.response = &http.Response{
		Status: status, StatusCode: int(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, lines), Request: r,
	}
	p.values = make([]string, 0, lines)
	for {
		line, rest, found := strings.Cut(fields, "\r\n")
		if !found {
			return plain{}, false
		}
		if line == "" {
			return p, p.sized && rest == ""
		}
		if !p.field(line) {
			return plain{}, false
		}
		fields = rest
	}
}

// field reads a line; false if it is unusual.
func (p *plain) field(line string) bool {
	written, value, found := strings.Cut(line, ":")
	if !found || !httpguts.ValidHeaderFieldName(written) || !httpguts.ValidHeaderFieldValue(value) {
		return false
	}
	value = strings.Trim(value, " \t")
	name := textproto.CanonicalMIMEHeaderKey(written)
	p.names.Add(name, written)
	switch name {
	case "Content-Length":
		length, err := strconv.ParseUint(value, 10, 63)
		if err != nil || p.sized {
			return false
		}
		p.response.ContentLength, p.sized = int64(length), true
	case "Transfer-Encoding", "Trailer", "Pragma": // of which net/http makes something else
		return false
	case "Connection":
		if httpguts.HeaderValuesContainsToken([]string{value}, "close") {
			return false
		}
	}
	if before := p.response.Header[name]; before != nil {
		p.response.Header[name] = append(before, value)
		return true
	}
	at := len(p.values)
	p.values = append(p.values, value)
	p.response.Header[name] = p.values[at : at+1 : at+1]
	return true
}

// attach gives the answer its body.
func (p *plain) attach(c *conn) {
	p.response.Body = http.NoBody
	if p.response.ContentLength > 0 {
		p.response.Body = io.NopCloser(&sized{from: c.reader, left: p.response.ContentLength})
	}
}

// sized is a body that has a length.
type sized struct {
	from io.Reader
	left int64
}

func (s *sized) Read(b []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n, err := s.from.Read(b[:min(int64(len(b)), s.left)])
	switch s.left -= int64(n); {
	case s.left == 0:
		err = io.EOF
	case err == io.EOF: //nolint:errorlint // a reader says it so
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
