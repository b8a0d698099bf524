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

// appendHeader appends the request line and the header section of r. What could
// end a line or begin another is refused, wherever it came from.
func appendHeader(b []byte, r *http.Request) ([]byte, error) {
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
	b = append(append(append(append(b, r.Method...), ' '), target...), " HTTP/1.1\r\nHost: "...)
	b = append(append(b, r.Host...), "\r\n"...)
	b, err := appendFields(b, r.Header, framed)
	if err != nil {
		return b, err
	}
	if b, err = appendFraming(b, r); err != nil {
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
func appendFraming(b []byte, r *http.Request) ([]byte, error) {
	switch {
	case !hasBody(r):
		switch r.Method { // of which a server expects one (RFC 9110 section 8.6)
		case http.MethodPost, http.MethodPut, http.MethodPatch:
			b = append(b, "Content-Length: 0\r\n"...)
		}
	case bodyLength(r) >= 0:
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), r.ContentLength, 10), "\r\n"...)
	default:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
		if len(r.Trailer) > 0 {
			names := strings.Join(slices.Sorted(maps.Keys(r.Trailer)), ", ")
			return appendFields(b, http.Header{"Trailer": {names}}, func(string) bool { return false })
		}
	}
	return b, nil
}

// appendFields appends fields in the order of their names, without those that
// except names.
func appendFields(b []byte, fields http.Header, except func(string) bool) ([]byte, error) {
	var array [24]string
	names := array[:0]
	for name := range fields {
		if !except(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if !httpguts.ValidHeaderFieldName(name) {
			return b, fmt.Errorf("field name %q cannot be sent", name)
		}
		for _, value := range fields[name] {
			if !httpguts.ValidHeaderFieldValue(value) {
				return b, fmt.Errorf("the value of field %s cannot be sent", name) // not quoted: it may be a secret
			}
			b = append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
		}
	}
	return b, nil
}

func expectsContinue(r *http.Request) bool {
	return httpguts.HeaderValuesContainsToken(r.Header["Expect"], "100-continue")
}
