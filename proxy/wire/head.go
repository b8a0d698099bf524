package wire

import (
	"bytes"
	"errors"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// errFraming and its kin are what makes a header section ambiguous: two parsers
// may see different requests in it (RFC 9112 sections 2.2, 5.2, 6.1 and 6.3).
var (
	errFraming  = errors.New("both Content-Length and Transfer-Encoding are present (RFC 9112 section 6.1)")
	errBareLF   = errors.New("a header line ends without a carriage return (RFC 9112 section 2.2)")
	errFolded   = errors.New("a header line is folded (RFC 9112 section 5.2)")
	errOldCoded = errors.New("HTTP/1.0 has no Transfer-Encoding (RFC 9112 section 6.1)")
	errTwoHosts = errors.New("the Host header is missing or repeated (RFC 9112 section 3.2)")
)

// checkHead looks at a header section as sent and returns its Host field. old
// says that it is HTTP/1.0.
func checkHead(head []byte, old bool) (hostField string, err error) {
	var length, encoding bool
	hosts := 0
	_, rest, _ := bytes.Cut(head, []byte("\n"))
	if i := bytes.IndexByte(head, '\n'); i < 1 || head[i-1] != '\r' {
		return "", errBareLF
	}
	for len(rest) > 0 {
		line, next, _ := bytes.Cut(rest, []byte("\n"))
		rest = next
		if len(line) == 0 || line[len(line)-1] != '\r' {
			return "", errBareLF
		}
		if line[0] == ' ' || line[0] == '\t' {
			return "", errFolded
		}
		name, value, _ := bytes.Cut(line[:len(line)-1], []byte(":"))
		switch {
		case fieldIs(name, "content-length"):
			length = true
		case fieldIs(name, "transfer-encoding"):
			encoding = true
		case fieldIs(name, "host"):
			hosts++
			hostField = strings.Trim(string(value), " \t")
		}
	}
	if length && encoding {
		return "", errFraming
	}
	if encoding && old {
		return "", errOldCoded
	}
	if hosts > 1 {
		return "", errTwoHosts
	}
	return hostField, nil
}

func fieldIs(name []byte, lower string) bool {
	return len(name) == len(lower) && strings.EqualFold(string(name), lower)
}

// headEnd is where a head ends, behind an empty line; -1 if it does not. In the first seen
// bytes of it no end was found before.
func headEnd(b []byte, seen int) int {
	for i := max(0, seen-len("\n\r")); ; {
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

// requestLine returns the method and target of a header section that may be
// malformed; what cannot be told is empty.
func requestLine(head []byte) (method, target string) {
	line, _, _ := bytes.Cut(bytes.TrimLeft(head, "\r\n"), []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) < 2 {
		return "", ""
	}
	if method = fields[0]; len(method) > longestMethod || !httpguts.ValidHeaderFieldName(method) {
		return "", "" // not a request line, but perhaps a secret that stands in its place
	}
	return method, plainPath(fields[1])
}

// longestMethod is more than any registered method has.
const longestMethod = 32

// plainPath is the path of a target that may be malformed, without a query, a scheme and an
// authority, in which user information may stand: the trail keeps none of them.
func plainPath(target string) string {
	target, _, _ = strings.Cut(target, "?")
	if _, after, absolute := strings.Cut(target, "://"); absolute && !strings.HasPrefix(target, "/") {
		_, path, _ := strings.Cut(after, "/")
		return "/" + path
	}
	if !strings.HasPrefix(target, "/") {
		return ""
	}
	return target
}
