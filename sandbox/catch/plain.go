package catch

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"sallyport/internal/host"
)

// maxHead bounds the head of a request in clear text; it is the sidecar's own bound.
const maxHead = 64 << 10

var errHead = errors.New("its HTTP request cannot be read")

// absolute reads the head of a request that was meant for a server, and writes it
// as one that is meant for a proxy (RFC 9112, section 3.2.2). Only the first line
// changes. to is where it was sent, for a request that does not say.
func absolute(r io.Reader, raw []byte, to host.Authority) ([]byte, error) {
	buf := make([]byte, 4<<10)
	for {
		if end := headEnd(raw); end > 0 {
			return rewrite(raw, end, to)
		}
		if len(raw) > maxHead {
			return nil, errHead
		}
		n, err := r.Read(buf)
		raw = append(raw, buf[:n]...)
		if err != nil && n == 0 {
			return nil, err
		}
	}
}

// headEnd is the length of the head with the empty line at its end; 0 if it has not come yet.
func headEnd(raw []byte) int {
	for from := 0; ; {
		n := bytes.IndexByte(raw[from:], '\n')
		if n < 0 {
			return 0
		}
		from += n + 1
		switch rest := raw[from:]; {
		case bytes.HasPrefix(rest, []byte("\n")):
			return from + 1
		case bytes.HasPrefix(rest, []byte("\r\n")):
			return from + 2
		}
	}
}

func rewrite(raw []byte, end int, to host.Authority) ([]byte, error) {
	line, rest, _ := bytes.Cut(raw, []byte("\n"))
	method, after, _ := strings.Cut(strings.TrimSuffix(string(line), "\r"), " ")
	target, version, ok := strings.Cut(after, " ")
	if !ok || method == "CONNECT" || !strings.HasPrefix(version, "HTTP/1.") {
		return nil, errHead
	}
	switch {
	case target == "*":
		target = ""
	case strings.HasPrefix(target, "http://"):
		return raw, nil // it is meant for a proxy already
	case !strings.HasPrefix(target, "/"):
		return nil, errHead
	}
	authority := hostField(raw[len(line)+1 : end])
	if authority == "" {
		authority = strings.TrimSuffix(to.String(), ":80")
	}
	return append([]byte(method+" http://"+authority+target+" "+version+"\r\n"), rest...), nil
}

// hostField is the value of the first Host field. Whether there are others, and
// what it means, is for the proxy to judge.
func hostField(head []byte) string {
	for line := range bytes.Lines(head) {
		name, value, ok := strings.Cut(string(line), ":")
		if ok && strings.EqualFold(name, "host") {
			return strings.Trim(value, " \t\r\n")
		}
	}
	return ""
}

// tokenByte says whether a request's method can begin so (RFC 9110, section 5.6.2).
func tokenByte(b byte) bool { return 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' }
