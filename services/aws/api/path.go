package api

import (
	"net/url"
	"strings"
)

// maxSegments is far above what any operation has.
const maxSegments = 256

// splitPath divides a REST path into decoded segments, without the slashes at its ends.
// slashed is the path as a server reads it that decodes slashes before it splits; nil if that
// is the same. Every form that servers read in different ways is refused.
func splitPath(path string) (segments, slashed []string, err *Unresolved) {
	if path == "" || path[0] != '/' || strings.Count(path, "/") > maxSegments {
		return nil, nil, unresolved(ReasonPath, "the path does not start with a slash, or has too many segments")
	}
	trimmed := strings.TrimSuffix(path[1:], "/")
	if trimmed == "" {
		return []string{""}, nil, nil
	}
	segments = make([]string, 0, 12)
	encoded := false
	for raw := range strings.SplitSeq(trimmed, "/") {
		segment := raw
		if strings.Contains(raw, "%") {
			value, bad := url.PathUnescape(raw)
			if bad != nil || needless(raw) {
				return nil, nil, unresolved(ReasonPath, "the path percent-encodes what needs no encoding, or in an invalid way")
			}
			segment = value
			// An ARN's slash is always encoded, so that who takes ARNs must split first.
			encoded = encoded || strings.Contains(value, "/") && !strings.HasPrefix(value, "arn:")
		}
		if segment == "" || segment == "." || segment == ".." || strings.ContainsAny(segment, "\\\x00\r\n") {
			return nil, nil, unresolved(ReasonPath, "the path has an empty segment, a dot segment or a control character")
		}
		segments = append(segments, segment)
	}
	if encoded {
		for _, segment := range segments {
			slashed = append(slashed, strings.Split(segment, "/")...)
		}
	}
	return segments, slashed, nil
}

// needless reports whether an unreserved character is encoded (RFC 3986 section 2.3):
// who does that wants the proxy to see another word than the service does.
func needless(raw string) bool {
	for i := 0; i+2 < len(raw); i++ {
		if raw[i] != '%' {
			continue
		}
		c := unhex(raw[i+1])<<4 | unhex(raw[i+2])
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' {
			return true
		}
	}
	return false
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
