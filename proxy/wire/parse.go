package wire

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"sallyport/internal/fieldname"
)

// unfit is a head for which no handler is called, and the status of its answer.
type unfit int

func (u unfit) Error() string { return http.StatusText(int(u)) }

// errCut is a head that ends before it is whole, and in which nothing is wrong so far.
var errCut = errors.New("the head is cut short")

// parseHead makes a request of a head as it was sent, into one that is blank but for its
// context. Most heads say all that they say in one way only, and plainHead reads them; of
// the others, what net/http makes of them counts, and what checkHead finds. So nothing is
// accepted that those two do not accept. An error is an unfit, or errCut.
func parseHead(head string, r *http.Request) (Framing, error) {
	if p, ok := plainHead(head, r); ok {
		return Framing{known: true, host: p.host, names: p.names}, nil
	}
	read, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
	if err != nil {
		return Framing{}, unfitFor(head, err)
	}
	if err := checkRequest(read, hostFields(head)); err != nil {
		return Framing{}, err
	}
	read.Body = nil // of nothing; its length says what follows
	*r = *read.WithContext(r.Context())
	sent := []byte(head)
	hostField, ambiguous := checkHead(sent, !r.ProtoAtLeast(1, 1))
	return Framing{known: true, host: hostField, err: ambiguous, names: fieldname.Read(sent)}, nil
}

// hostFields are the Host fields of a head that net/http has read, and taken them out.
func hostFields(head string) []string {
	reader := textproto.NewReader(bufio.NewReader(strings.NewReader(head)))
	_, _ = reader.ReadLine()
	fields, _ := reader.ReadMIMEHeader()
	return fields["Host"]
}

// checkRequest is what http.Server checks beside http.ReadRequest.
func checkRequest(r *http.Request, hosts []string) error {
	if r.ProtoMajor != 1 {
		return unfit(http.StatusHTTPVersionNotSupported)
	}
	if len(hosts) == 0 && r.ProtoAtLeast(1, 1) && r.Method != http.MethodConnect {
		return unfit(http.StatusBadRequest)
	}
	for _, field := range hosts {
		if !httpguts.ValidHostHeader(field) {
			return unfit(http.StatusBadRequest)
		}
	}
	for name, values := range r.Header {
		if !httpguts.ValidHeaderFieldName(name) {
			return unfit(http.StatusBadRequest)
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return unfit(http.StatusBadRequest)
			}
		}
	}
	return nil
}

// unfitFor is the status for what http.ReadRequest does not take.
func unfitFor(head string, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errCut
	}
	// Its error for a coding that it does not know has no exported type: the coding is to
	// blame if all is well without it.
	plain, codings := withoutCodings(head)
	if len(codings) == 0 || len(codings) == 1 && strings.EqualFold(codings[0], "chunked") || slices.ContainsFunc(codings, isInvalid) {
		return unfit(http.StatusBadRequest)
	}
	if r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(plain))); err != nil || !r.ProtoAtLeast(1, 1) {
		return unfit(http.StatusBadRequest)
	}
	return unfit(http.StatusNotImplemented)
}

func isInvalid(value string) bool { return !httpguts.ValidHeaderFieldValue(value) }

// withoutCodings takes the transfer codings out of a head.
func withoutCodings(head string) (plain string, codings []string) {
	var kept strings.Builder
	coded := false
	for line := range strings.Lines(head) {
		if coded && (line[0] == ' ' || line[0] == '\t') { // folded
			codings[len(codings)-1] += " " + strings.Trim(line, " \t\r\n")
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		if coded = strings.EqualFold(field, "Transfer-Encoding"); coded {
			codings = append(codings, strings.Trim(value, " \t\r\n"))
			continue
		}
		kept.WriteString(line)
	}
	return kept.String(), codings
}

// plainHead reads a head of HTTP/1.1 in which nothing is unusual, into r; ok is false for
// every other, and then r is as it was. A value is a part of head.
func plainHead(head string, r *http.Request) (p plain, ok bool) {
	line, fields, _ := cutLine(head)
	method, line, _ := strings.Cut(line, " ")
	target, version, _ := strings.Cut(line, " ")
	if version != "HTTP/1.1" || method == http.MethodConnect || !httpguts.ValidHeaderFieldName(method) {
		return plain{}, false
	}
	p = plain{header: make(http.Header, strings.Count(fields, "\n")), values: make([]string, 0, strings.Count(fields, "\n"))}
	for {
		line, rest, ok := cutLine(fields)
		if !ok {
			return plain{}, false
		}
		if fields = rest; line == "" {
			break
		}
		if !p.field(line) {
			return plain{}, false
		}
	}
	if fields != "" || !p.hosted || p.coded && p.sized {
		return plain{}, false
	}
	to, err := url.ParseRequestURI(target)
	if err != nil {
		return plain{}, false
	}
	r.Method, r.RequestURI, r.URL, r.Header = method, target, to, p.header
	r.Proto, r.ProtoMajor, r.ProtoMinor = version, 1, 1
	if r.Host = to.Host; r.Host == "" {
		r.Host = p.host
	}
	r.Close = httpguts.HeaderValuesContainsToken(p.header["Connection"], "close")
	switch {
	case p.coded:
		r.ContentLength, r.TransferEncoding = -1, []string{"chunked"}
	case p.length > 0:
		r.ContentLength = p.length
	}
	return p, true
}

// cutLine takes the first line off a head; ok is false if it does not end as a line does.
func cutLine(head string) (line, rest string, ok bool) {
	end := strings.IndexByte(head, '\n')
	if end < 1 || head[end-1] != '\r' {
		return "", head, false
	}
	return head[:end-1], head[end+1:], true
}

// plain is what plainHead has read of the fields.
type plain struct {
	header http.Header
	values []string // that header's are parts of
	names  fieldname.Names
	host   string
	length int64
	hosted bool
	sized  bool // there is a length
	coded  bool
}

// field reads a line; false if it is unusual.
func (p *plain) field(line string) bool {
	name, value, _ := strings.Cut(line, ":")
	if len(name) == len(line) || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
		return false
	}
	value = strings.Trim(value, " \t")
	written := name
	name = textproto.CanonicalMIMEHeaderKey(name)
	p.names.Add(name, written)
	switch name {
	case "Host":
		again := p.hosted
		p.hosted, p.host = true, value
		return !again && httpguts.ValidHostHeader(value)
	case "Transfer-Encoding":
		again := p.coded
		p.coded = true
		return !again && strings.EqualFold(value, "chunked")
	case "Content-Length":
		length, err := strconv.ParseUint(value, 10, 63)
		if err != nil || p.sized {
			return false
		}
		p.length, p.sized = int64(length), true
	case "Trailer", "Pragma": // of which net/http makes something else
		return false
	}
	if before := p.header[name]; before != nil {
		p.header[name] = append(before, value)
		return true
	}
	at := len(p.values)
	p.values = append(p.values, value)
	p.header[name] = p.values[at : at+1 : at+1]
	return true
}

// wantsKept reports whether a client of HTTP/1.0 asks for more than one request.
func wantsKept(r *http.Request) bool {
	return r.ProtoMajor == 1 && r.ProtoMinor == 0 && httpguts.HeaderValuesContainsToken(r.Header["Connection"], "keep-alive")
}

func expectsContinue(r *http.Request) bool {
	fields := r.Header["Expect"]
	return len(fields) > 0 && httpguts.HeaderValuesContainsToken(fields[:1], "100-continue")
}
