package wire

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2/hpack"
)

// section is the header section of one HTTP/2 request, as far as it tells whether
// the server lets the request through to a handler.
type section struct {
	method, scheme, authority, path string
	host                            string // the first Host field
	sent                            [4]bool
	misplaced                       bool // :protocol or :status, which are not for requests
	regular                         bool // an ordinary field has been seen
	size                            int
	codings                         int    // TE fields
	own                             string // a field of one connection, which HTTP/2 has none of
	large                           bool   // over maxSectionSize
	circular                        bool   // its stream depends on itself

	fault  string // why the server does not let it through; "" if it does
	status int    // of the server's own answer; 0: it resets the stream
}

// maxSectionSize is the server's limit, as RFC 9113 section 6.5.2 counts.
const maxSectionSize = maxHeaderBytes - headerSlop + 10*32

// add takes one field, in the order in which they were sent (RFC 9113 section 8.2).
func (s *section) add(f hpack.HeaderField) {
	switch {
	case s.fault != "", s.large:
	case !httpguts.ValidHeaderFieldValue(f.Value):
		s.fault = "a field has a character that is not allowed"
	case f.IsPseudo() && s.regular:
		s.fault = "a pseudo-header field comes after another field"
	case !f.IsPseudo() && !isWireName(f.Name):
		s.fault = "a field's name is not one, or has upper case"
	case int(f.Size()) > s.room():
		s.large = true
	case f.IsPseudo():
		s.size += int(f.Size())
		s.addPseudo(f)
	default:
		s.size += int(f.Size())
		s.addRegular(f)
	}
	s.regular = s.regular || !f.IsPseudo()
}

// room is how much more the server takes.
func (s *section) room() int {
	if s.large {
		return 0
	}
	return maxSectionSize - s.size
}

func (s *section) addPseudo(f hpack.HeaderField) {
	values := [...]*string{&s.method, &s.scheme, &s.authority, &s.path}
	which := slices.Index([]string{":method", ":scheme", ":authority", ":path"}, f.Name)
	switch {
	case which >= 0 && s.sent[which]:
		s.fault = "a pseudo-header field is repeated"
	case which >= 0:
		*values[which], s.sent[which] = f.Value, true
	case f.Name == ":protocol":
		s.misplaced = s.misplaced || f.Value != ""
	case f.Name == ":status":
		s.misplaced = true
	default:
		s.fault = "a pseudo-header field is not known"
	}
}

func (s *section) addRegular(f hpack.HeaderField) {
	switch f.Name {
	case "host":
		if s.host == "" {
			s.host = f.Value
		}
	case "connection", "proxy-connection", "transfer-encoding", "upgrade", "keep-alive":
		s.own = f.Name
	case "te":
		if s.codings++; s.codings > 1 || f.Value != "trailers" && f.Value != "" {
			s.own = f.Name
		}
	}
}

// end judges the whole section as the server does (RFC 9113 section 8.3.1).
func (s *section) end() {
	authority := s.authority
	if authority == "" {
		authority = s.host
	}
	connect := s.method == http.MethodConnect
	switch {
	case s.fault != "":
	case s.circular:
		s.fault = "its stream depends on itself"
	case s.misplaced:
		s.fault = "a pseudo-header field has no place in a request"
	case connect && (s.path != "" || s.scheme != "" || s.authority == ""):
		s.fault = "CONNECT has an authority and nothing else"
	case !connect && (s.method == "" || s.path == "" || s.scheme != "https" && s.scheme != "http"):
		s.fault = "a pseudo-header field is missing or not valid"
	case !connect && strings.Contains(authority, "@"):
		s.fault = "the authority holds user information"
	case !connect && !isRequestTarget(s.path):
		s.fault = "the path cannot be parsed"
	case s.large:
		s.fault, s.status = "the header section is too large", http.StatusRequestHeaderFieldsTooLarge
	case s.own != "":
		s.fault, s.status = "the field "+s.own+" is not for HTTP/2", http.StatusBadRequest
	}
}

func isWireName(name string) bool {
	for _, r := range name {
		if !httpguts.IsTokenRune(r) || 'A' <= r && r <= 'Z' {
			return false
		}
	}
	return name != ""
}

// isRequestTarget reports whether net/url can parse the path. Most need no parsing.
func isRequestTarget(path string) bool {
	if path[0] == '/' && strings.IndexFunc(path, isUnusual) < 0 {
		return true
	}
	_, err := url.ParseRequestURI(path)
	return err == nil
}

func isUnusual(r rune) bool { return r <= ' ' || r == '%' || r >= 0x7f }
