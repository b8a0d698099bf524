package wire

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"sallyport/internal/fieldname"
)

// said is what an answer's header says that decides how it is framed.
type said struct {
	typed, dated, encoded bool
	connection            []string
	trailers              []string // announced
	trailing              bool     // there are trailers, announced or not
	held                  []byte   // the beginning of the body, until the header is settled
	names                 fieldname.Names
}

// appendHeader appends the header as it is now, without what settle writes.
func (w *response) appendHeader(b []byte) []byte {
	b = appendStatus(b, w.r, w.status)
	var array [24]string
	for _, name := range appendNames(array[:0], w.header) {
		values := w.header[name]
		switch name {
		case "Content-Length":
			if n, err := strconv.ParseInt(strings.Join(values, ","), 10, 64); err == nil && n >= 0 {
				w.length = n
			}
			continue
		case "Transfer-Encoding":
			continue // it is for us to say
		case "Connection":
			w.said.connection = values
			continue
		case "Content-Type":
			if w.said.typed = true; w.status == http.StatusNotModified {
				continue
			}
		case "Content-Encoding":
			w.said.encoded = len(values) > 0 && values[0] != ""
		case "Date":
			w.said.dated = true
		case "Trailer":
			w.said.trailing = true
			w.said.trailers = announced(values)
		}
		if strings.HasPrefix(name, http.TrailerPrefix) {
			w.said.trailing = true
			continue
		}
		b = appendField(b, w.said.names.Of(name), values)
	}
	return b
}

// announced are the trailers that a Trailer field names and that may be some.
func announced(values []string) []string {
	var names []string
	for _, value := range values {
		for name := range strings.SplitSeq(value, ",") {
			name = http.CanonicalHeaderKey(strings.Trim(name, " \t"))
			if httpguts.ValidTrailerHeader(name) && name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// settle decides how the answer is framed and whether the connection goes on, and ends the
// header. first is the beginning of the body; last says that it is all of it.
func (w *response) settle(first []byte, last bool) {
	w.settled = true
	bodied, head := allowsBody(w.status), w.r.Method == http.MethodHead
	if last && !w.said.trailing && bodied && w.length == unknownLength && (!head || w.written > 0) {
		w.length = w.written
	}
	kept10 := w.settleConnection(head, bodied)
	b := w.out.room()
	if bodied && !w.said.typed && !w.said.encoded && len(first) > 0 {
		b = appendField(b, "Content-Type", []string{http.DetectContentType(first)})
	}
	if !w.said.dated {
		b = append(time.Now().UTC().AppendFormat(append(b, "Date: "...), http.TimeFormat), "\r\n"...)
	}
	if w.length != unknownLength && bodied {
		b = append(strconv.AppendInt(append(append(b, w.said.names.Of("Content-Length")...), ": "...), w.length, 10), "\r\n"...)
	}
	switch {
	case head || !bodied || w.length != unknownLength:
	case w.r.ProtoAtLeast(1, 1):
		w.chunked = true
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	default:
		w.closes = true // the end of the connection is the body's
	}
	switch {
	case w.closes && !httpguts.HeaderValuesContainsToken(w.said.connection, "close") && w.status != http.StatusSwitchingProtocols:
		if w.r.ProtoAtLeast(1, 1) {
			b = append(b, "Connection: close\r\n"...)
		}
	case kept10 && w.said.connection == nil:
		b = append(b, "Connection: keep-alive\r\n"...)
	default:
		b = appendField(b, "Connection", w.said.connection)
	}
	w.out.bytes = append(b, "\r\n"...)
}

// settleConnection decides whether the connection ends with the answer.
func (w *response) settleConnection(head, bodied bool) (kept10 bool) {
	kept10 = wantsKept(w.r) && (head || !bodied || w.length != unknownLength)
	if !kept10 && (!w.r.ProtoAtLeast(1, 1) || w.r.Close) ||
		httpguts.HeaderValuesContainsToken(w.said.connection, "close") || w.lane.of.stopping.Load() {
		w.closes = true
	}
	if w.body == nil || w.body.ended.Load() {
		return kept10
	}
	// Of a body that waits for a 100, nobody knows whether it comes. Many clients send
	// all of another before they read, so that it is read first, unless both may pass
	// at once.
	if w.body.expects || !w.closes && !w.duplex && !w.body.skip() {
		w.closes = true
	}
	return kept10
}

// appendTrailers appends the trailers that the header has now, and the end of the answer.
func (w *response) appendTrailers(b []byte) []byte {
	for name, values := range w.header {
		if late, found := strings.CutPrefix(name, http.TrailerPrefix); found && httpguts.ValidTrailerHeader(late) {
			b = appendField(b, late, values)
		}
	}
	for _, name := range w.said.trailers {
		b = appendField(b, name, w.header[name])
	}
	return append(b, "\r\n"...)
}

func appendStatus(b []byte, r *http.Request, status int) []byte {
	version := "HTTP/1.1 "
	if !r.ProtoAtLeast(1, 1) {
		version = "HTTP/1.0 "
	}
	b = append(strconv.AppendInt(append(b, version...), int64(status), 10), ' ')
	if text := http.StatusText(status); text != "" {
		return append(append(b, text...), "\r\n"...)
	}
	return append(strconv.AppendInt(append(b, "status code "...), int64(status), 10), "\r\n"...)
}

// appendField appends lines for a field. What could end one is a space in it.
func appendField(b []byte, name string, values []string) []byte {
	if !httpguts.ValidHeaderFieldName(name) {
		return b
	}
	for _, value := range values {
		b = append(append(b, name...), ": "...)
		at := len(b)
		b = append(b, strings.Trim(value, " \t\r\n")...)
		for i := at; i < len(b); i++ {
			if b[i] == '\r' || b[i] == '\n' {
				b[i] = ' '
			}
		}
		b = append(b, "\r\n"...)
	}
	return b
}

// appendNames appends the names of fields, in order.
func appendNames(names []string, h http.Header) []string {
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
