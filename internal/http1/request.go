package http1

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"sallyport/internal/fieldname"
)

// framed are the fields that a request's header gets from elsewhere than its
// Header.
func framed(name string) bool {
	switch name {
	case "Host", "Content-Length", "Transfer-Encoding", "Trailer":
		return true
	}
	return false
}

// appendHeader appends the request line and the header section of r, whose names are
// written as names says. What could end a line or begin another is refused, wherever it came from.
func appendHeader(b []byte, r *http.Request, names fieldname.Names) ([]byte, error) {
	target := r.URL.RequestURI()
	if !httpguts.ValidHeaderFieldName(r.Method) {
		return b, fmt.Errorf("method %q cannot be sent", r.Method)
	}
	if target == "" || strings.ContainsFunc(target, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return b, errors.New("the target holds a space or a control character")
	}
	if !httpguts.ValidHostHeader(r.Host) {
		return b, errors.New("the Host field is not valid")
	}
	b = append(append(append(append(b, r.Method...), ' '), target...), " HTTP/1.1\r\n"...)
	b = append(append(append(append(b, names.Of("Host")...), ": "...), r.Host...), "\r\n"...)
	b, err := appendFields(b, r.Header, names, framed)
	if err != nil {
		return b, err
	}
	if b, err = appendFraming(b, r, names); err != nil {
		return b, err
	}
	return append(b, "\r\n"...), nil
}

// bodyLength is the length of a body that is there, -1 when it is not known, which
// http.Request says with 0 too.
func bodyLength(r *http.Request) int64 {
	if r.ContentLength <= 0 {
		return -1
	}
	return r.ContentLength
}

// appendFraming says where the body ends.
func appendFraming(b []byte, r *http.Request, names fieldname.Names) ([]byte, error) {
	length := names.Of("Content-Length")
	switch {
	case !hasBody(r):
		switch r.Method { // of which a server expects one (RFC 9110 section 8.6)
		case http.MethodPost, http.MethodPut, http.MethodPatch:
			b = append(append(b, length...), ": 0\r\n"...)
		}
	case bodyLength(r) >= 0:
		b = append(strconv.AppendInt(append(append(b, length...), ": "...), r.ContentLength, 10), "\r\n"...)
	default:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
		if len(r.Trailer) > 0 {
			announced := strings.Join(slices.Sorted(maps.Keys(r.Trailer)), ", ")
			return appendFields(b, http.Header{"Trailer": {announced}}, names, func(string) bool { return false })
		}
	}
	return b, nil
}

// appendFields appends fields in the order of their names, without those that
// except names, and writes them as names says.
func appendFields(b []byte, fields http.Header, names fieldname.Names, except func(string) bool) ([]byte, error) {
	var array [24]string
	sorted := array[:0]
	for name := range fields {
		if !except(name) {
			sorted = append(sorted, name)
		}
	}
	slices.Sort(sorted)
	for _, name := range sorted {
		written := names.Of(name)
		if !httpguts.ValidHeaderFieldName(written) {
			return b, fmt.Errorf("field name %q cannot be sent", written)
		}
		for _, value := range fields[name] {
			if !httpguts.ValidHeaderFieldValue(value) {
				return b, fmt.Errorf("the value of field %s cannot be sent", name) // not quoted: it may be a secret
			}
			b = append(append(append(append(b, written...), ": "...), value...), "\r\n"...)
		}
	}
	return b, nil
}

func expectsContinue(r *http.Request) bool {
	return httpguts.HeaderValuesContainsToken(r.Header["Expect"], "100-continue")
}
