package sidecar

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
)

// maxHead bounds a request head, the proxy's own limit.
const maxHead = 64 << 10

// The ways in which a head cannot be read; each has its own answer.
var (
	errNotHTTP = errors.New("the first byte is not the start of an HTTP request")
	errTooLong = errors.New("the request head is longer than 64 KiB")
)

// readHead reads up to and including the empty line that ends a request head
// (RFC 9112, section 2.1), appending to buf. It returns the head without that
// line, and the bytes that came glued to it: a ClientHello, or a request body.
func readHead(conn net.Conn, buf []byte) (head, rest []byte, err error) {
	for searched := 0; ; {
		if searched == 0 {
			// RFC 9112, section 2.2: empty lines before the request line are ignored.
			buf = bytes.TrimLeft(buf, "\r\n")
		}
		if len(buf) > 0 && !isToken(buf[0]) {
			return nil, nil, errNotHTTP // at once: a TLS client waits for an answer
		}
		if end, after := headEnd(buf, searched); after > 0 {
			return buf[:end], buf[after:], nil
		}
		if len(buf) >= maxHead {
			return nil, nil, errTooLong
		}
		searched = len(buf)
		buf = slices.Grow(buf, 1)
		n, err := conn.Read(buf[len(buf):min(cap(buf), maxHead)])
		buf = buf[:len(buf)+n]
		if err != nil && n == 0 {
			if errors.Is(err, io.EOF) && len(buf) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, nil, err
		}
	}
}

// headEnd finds the first empty line: where the last header line ends, and where
// what follows begins; after is 0 if there is none yet. A lone LF ends a line,
// as RFC 9112, section 2.2 allows and old clients rely on.
func headEnd(buf []byte, searched int) (end, after int) {
	from := max(searched-2, 0)
	for {
		n := bytes.IndexByte(buf[from:], '\n')
		if n < 0 {
			return 0, 0
		}
		end = from + n + 1
		switch {
		case bytes.HasPrefix(buf[end:], []byte("\n")):
			return end, end + 1
		case bytes.HasPrefix(buf[end:], []byte("\r\n")):
			return end, end + 2
		}
		from = end
	}
}

// A request is a head after parsing: what the sidecar looks at, and the head as
// it goes to the proxy.
type request struct {
	method      string
	connect     bool
	body        bool   // bytes of this request may follow the head
	credentials []byte // what Proxy-Authorization: Basic said, decoded
	forward     []byte
	socks       *socks // the conversation it comes from; nil for HTTP
}

// A headError says what is wrong with a head, for the client to read.
type headError struct {
	status int
	detail string
	hint   string
}

func (e *headError) Error() string { return e.detail }

func malformed(detail, hint string) error { return &headError{400, detail, hint} }

// parseHead reads a head and writes it anew without what is meant for the
// sidecar. Whatever another parser could read differently is refused.
func parseHead(head []byte) (*request, error) {
	line, fields, _ := bytes.Cut(head, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	r := &request{forward: make([]byte, 0, len(head)+32)}
	if err := r.requestLine(line); err != nil {
		return nil, err
	}
	r.forward = append(append(r.forward, line...), "\r\n"...)
	connection, seen := "", false
	for len(fields) > 0 {
		line, fields, _ = bytes.Cut(fields, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		name, value, err := field(line)
		if err != nil {
			return nil, err
		}
		switch strings.ToLower(name) {
		case "proxy-authorization":
			if seen {
				return nil, malformed("the request has two Proxy-Authorization fields", "send one")
			}
			seen, r.credentials = true, basic(value)
			continue
		case "proxy-connection", "keep-alive", strings.ToLower(blockedField), strings.ToLower(refusedField):
			continue
		case "connection":
			if !r.connect {
				connection += value + ","
				continue
			}
		case "content-length", "transfer-encoding":
			r.body = true
		}
		r.forward = append(append(r.forward, line...), "\r\n"...)
	}
	if !r.connect {
		r.forward = append(append(append(r.forward, "Connection: "...), closing(connection)...), "\r\n"...)
	}
	r.forward = append(r.forward, "\r\n"...)
	return r, nil
}

// requestLine accepts CONNECT and absolute targets of the web (RFC 9112, section 3.2): some
// clients ask so for https too, and the way to the proxy is TLS.
// What the target means is for the proxy to say.
func (r *request) requestLine(line []byte) error {
	method, rest, _ := strings.Cut(string(line), " ")
	target, version, _ := strings.Cut(rest, " ")
	if !token(method) || target == "" || strings.ContainsFunc(target, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return malformed("the request line is malformed", "this is an HTTP proxy; set it as http_proxy and https_proxy")
	}
	if version != "HTTP/1.1" && version != "HTTP/1.0" {
		return &headError{505, "the request is not HTTP/1.1", "speak HTTP/1.1 to the proxy; HTTP/2 works inside a CONNECT tunnel"}
	}
	r.method, r.connect = method, method == "CONNECT"
	switch scheme, _, ok := strings.Cut(target, "://"); {
	case r.connect:
	case ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")):
	case ok:
		return malformed("a proxy request for "+scheme+":// needs a tunnel", "use CONNECT for what is neither http nor https")
	default:
		return malformed("the target is not absolute", "this is an HTTP proxy, not a web server; set it as http_proxy and https_proxy")
	}
	return nil
}

// field splits a header line. Space before the colon and folded lines are the
// two forms in which a field could hide from one reader and show to another.
func field(line []byte) (name, value string, err error) {
	n, v, ok := bytes.Cut(line, []byte(":"))
	if !ok || !token(string(n)) {
		return "", "", malformed("a header line is malformed or folded", "send each field on one line as name: value")
	}
	if bytes.ContainsAny(v, "\r\x00") {
		return "", "", malformed("a header value holds a control character", "remove it")
	}
	return string(n), strings.Trim(string(v), " \t"), nil
}

// closing turns the values of Connection into one that ends the connection after
// this request, and keeps what else they name (Upgrade, TE).
func closing(values string) string {
	kept := []string{"close"}
	for option := range strings.SplitSeq(values, ",") {
		option = strings.TrimSpace(option)
		switch strings.ToLower(option) {
		case "", "close", "keep-alive", "proxy-connection", "proxy-authorization":
		default:
			kept = append(kept, option)
		}
	}
	return strings.Join(kept, ", ")
}

// basic decodes "Basic BASE64" (RFC 7617); nil if it is something else.
func basic(value string) []byte {
	scheme, encoded, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "basic") {
		return nil
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimLeft(encoded, " "))
	if err != nil {
		return nil
	}
	return decoded
}

func token(s string) bool {
	for n := range len(s) {
		if !isToken(s[n]) {
			return false
		}
	}
	return s != ""
}

// isToken: tchar of RFC 9110, section 5.6.2.
func isToken(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
