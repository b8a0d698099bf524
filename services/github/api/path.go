package api

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// segment is one part of a path between slashes.
type segment struct {
	raw   string // as sent
	value string // percent-decoded once
	upper bool   // raw holds an upper-case letter
	slash bool   // value holds an encoded slash
}

type segments []segment

const (
	// maxSegments and maxPath are far above what GitHub accepts (8 KiB of URL).
	maxSegments = 256
	maxPath     = 8 << 10
)

// splitPath divides an escaped path into segments, appended to buf. It refuses every form
// that servers read in different ways.
func splitPath(path string, buf segments) (segments, *Unresolved) {
	if path == "" || path[0] != '/' {
		return nil, unresolved(ReasonPath, "the path does not start with a slash")
	}
	if len(path) > maxPath {
		return nil, unresolved(ReasonTooLarge, "the path is longer than GitHub accepts")
	}
	if path == "/" {
		return append(buf, segment{}), nil
	}
	var seen class
	start := 1
	for i := 1; ; i++ {
		if i < len(path) && path[i] != '/' {
			seen |= classes[path[i]]
			continue
		}
		if len(buf) == maxSegments {
			return nil, unresolved(ReasonTooLarge, "the path has more segments than GitHub accepts")
		}
		s := segment{raw: path[start:i], value: path[start:i], upper: seen&upperCase != 0}
		if err := s.check(seen); err != nil {
			return nil, err
		}
		buf = append(buf, s)
		if i == len(path) {
			return buf, nil
		}
		start, seen = i+1, 0
	}
}

// class is what a byte of a path means for the segment that holds it.
type class uint8

const (
	upperCase class = 1 << iota
	escape
	forbidden // not in a path as sent (RFC 3986 section 3.3), or read as a slash by some
)

//nolint:gochecknoglobals // a constant table
var classes = func() (t [256]class) {
	for i := range t {
		switch c := byte(i); {
		case 'A' <= c && c <= 'Z':
			t[i] = upperCase
		case c == '%':
			t[i] = escape
		case c <= ' ' || c >= 0x7f || c == '\\' || c == '?' || c == '#':
			t[i] = forbidden
		}
	}
	return t
}()

// check completes a segment that holds the classes seen.
func (s *segment) check(seen class) *Unresolved {
	switch {
	case s.raw == "":
		return unresolved(ReasonPath, "the path has an empty segment or ends in a slash; GitHub has no such path")
	case seen&forbidden != 0:
		return unresolved(ReasonPath, "the path holds a character that has to be percent-encoded")
	case seen&escape != 0:
		if err := s.decode(); err != nil {
			return err
		}
	}
	if isDots(s.value) {
		return unresolved(ReasonPath, "the path has a dot segment")
	}
	return nil
}

// decode percent-decodes the segment once.
func (s *segment) decode() *Unresolved {
	value, err := url.PathUnescape(s.raw)
	if err != nil {
		return unresolved(ReasonPath, "the path has an invalid percent-encoding")
	}
	if !utf8.ValidString(value) {
		return unresolved(ReasonPath, "the path is not UTF-8 after percent-decoding")
	}
	for i := 0; i+2 < len(s.raw); i++ {
		if s.raw[i] != '%' {
			continue
		}
		// RFC 3986 section 2.3: unreserved characters are not encoded. Who encodes one
		// wants the proxy to see another word than GitHub does.
		if c := unhex(s.raw[i+1])<<4 | unhex(s.raw[i+2]); isAlphanumeric(c) || c == '-' || c == '.' || c == '_' {
			return unresolved(ReasonPath, "the path percent-encodes a character that needs no encoding")
		}
	}
	for i := range len(value) {
		switch c := value[i]; {
		case c < ' ' || c == 0x7f || c == '\\':
			return unresolved(ReasonPath, "the path holds a control character or a backslash")
		case c == '/':
			s.slash = true
		case c == '%' && i+2 < len(value) && isHex(value[i+1]) && isHex(value[i+2]):
			return unresolved(ReasonPath, "the path is percent-encoded twice")
		}
	}
	if s.slash {
		for part := range strings.SplitSeq(value, "/") {
			if part == "" || isDots(part) {
				return unresolved(ReasonPath, "the path has a dot segment or an empty segment behind an encoded slash")
			}
		}
	}
	s.value = value
	return nil
}

func isDots(s string) bool { return s == "." || s == ".." }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}

// slashed reports whether a segment holds an encoded slash.
func (p segments) slashed() bool {
	for i := range p {
		if p[i].slash {
			return true
		}
	}
	return false
}

// apart returns the path as a server reads it that decodes slashes before it splits.
func (p segments) apart() segments {
	var all segments
	for _, s := range p {
		if !s.slash {
			all = append(all, s)
			continue
		}
		for part := range strings.SplitSeq(s.value, "/") {
			all = append(all, segment{raw: part, value: part})
		}
	}
	return all
}
