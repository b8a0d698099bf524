package sigv4

import (
	"net/url"
	"strings"
)

// canonicalEscape escapes s anew: every byte that s stands for, once decoded, is
// escaped unless it is unreserved (or a slash, where slash is set). ok is false if s
// holds an invalid escape.
func canonicalEscape(s string, slash bool) (escaped string, ok bool) {
	if isCanonical(s, slash) {
		return s, true
	}
	b := make([]byte, 0, len(s)+len(s)/2)
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return "", false
			}
			c = unhex(s[i+1])<<4 | unhex(s[i+2])
			i += 2
		}
		b = appendEscaped(b, c, slash)
	}
	return string(b), true
}

// isCanonical reports whether s is its own canonical form, as most are.
func isCanonical(s string, slash bool) bool {
	for i := range len(s) {
		if c := s[i]; !unreserved(c) && !(slash && c == '/') {
			return false
		}
	}
	return true
}

func appendEscaped(b []byte, c byte, slash bool) []byte {
	const hex = "0123456789ABCDEF"
	if unreserved(c) || slash && c == '/' {
		return append(b, c)
	}
	return append(b, '%', hex[c>>4], hex[c&15])
}

// unescape decodes what canonicalEscape made.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			c = unhex(s[i+1])<<4 | unhex(s[i+2])
			i += 2
		}
		b = append(b, c)
	}
	return string(b)
}

// appendPath appends the canonical path. For the S3 family it is the path decoded and
// escaped once; for the others it is the path as sent, normalised, and escaped again.
func appendPath(b []byte, escaped, service string) ([]byte, error) {
	if escaped == "" {
		escaped = "/"
	}
	if isS3(service) {
		once, ok := canonicalEscape(escaped, true)
		if !ok {
			return nil, refuse(Malformed, "the path holds an invalid percent-encoding")
		}
		return append(b, once...), nil
	}
	normal := normalise(escaped)
	for i := range len(normal) {
		b = appendEscaped(b, normal[i], true)
	}
	return b, nil
}

// sendCanonical makes the path that is sent to S3 the one that is signed, since
// servers disagree on a bare "+" and on "%2F". A dot segment could not be sent: some
// servers and libraries resolve it, and then it names another key than was signed.
func sendCanonical(u *url.URL, service string) error {
	sent := u.EscapedPath()
	if u.Opaque != "" { // a path with bytes that net/url would escape
		sent = u.Opaque
	}
	if !isS3(service) {
		if u.Opaque != "" {
			return refuse(Malformed, "the path holds a character that must be percent-encoded")
		}
		return nil
	}
	path, err := sentToS3(sent)
	if err != nil {
		return err
	}
	u.Path, u.RawPath, u.Opaque = unescape(path), path, ""
	return nil
}

func sentToS3(path string) (string, error) {
	path, ok := canonicalEscape(path, true)
	if !ok {
		return "", refuse(Malformed, "the path holds an invalid percent-encoding")
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return "", refuse(Malformed, "the key holds a segment of only dots, which cannot be sent unchanged; use another key")
		}
	}
	return path, nil
}

func isS3(service string) bool {
	return service == "s3" || service == "s3-object-lambda" || service == "s3-outposts" || service == "s3express"
}

// normalise removes dot segments (RFC 3986 section 5.2.4) and empty segments.
func normalise(path string) string {
	if !strings.Contains(path, "//") && !strings.Contains(path, "/.") {
		return path
	}
	var kept []string
	segments := strings.Split(path, "/")
	for _, segment := range segments {
		switch segment {
		case "", ".":
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, segment)
		}
	}
	last := segments[len(segments)-1]
	normal := "/" + strings.Join(kept, "/")
	if len(kept) > 0 && (last == "" || last == "." || last == "..") {
		normal += "/"
	}
	return normal
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	default:
		return c - 'A' + 10
	}
}
