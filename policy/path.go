package policy

import (
	"errors"
	"fmt"
	"strings"
)

// encodedSlash stands in Path.text for a slash that was sent as %2F. No segment
// can hold the byte itself, because %00 is refused.
const encodedSlash = 0

// Path is a request's path, split at "/" with each segment percent-decoded once.
// It is comparable; the zero Path matches nothing.
type Path struct {
	raw  string
	text string // decoded, encoded slashes as encodedSlash
	// lenient is text as lenient servers read it, each reading once, divided by
	// readingSeparator; empty almost always.
	lenient string
}

// ParsePath reads a path as it was sent. It refuses what servers are known to
// read in different ways: dot segments in any encoding, NUL, backslashes,
// invalid escapes. Its errors do not repeat the path, which may be long.
func ParsePath(escaped string) (Path, error) {
	if err := checkPathBytes(escaped); err != nil {
		return Path{}, err
	}
	text, err := decodePath(escaped)
	if err != nil {
		return Path{}, err
	}
	if hasDotSegment(text) {
		return Path{}, errors.New("the path has a dot segment; write the path that it stands for")
	}
	if isOverlong(text) {
		return Path{}, errors.New("the path has an overlong encoding, which some servers read as another character; write the character itself")
	}
	p := Path{raw: escaped, text: text}
	for i, r := range readingsOf(text) {
		if i > 0 {
			p.lenient += readingSeparator
		}
		p.lenient += r.text
	}
	return p, nil
}

// signed is the path as it leaves once it is signed ([Signer]): encoded slashes are slashes.
func (p Path) signed() string {
	return strings.ReplaceAll(p.text, string(rune(encodedSlash)), "/")
}

// String returns the path exactly as it was sent.
func (p Path) String() string { return p.raw }

func checkPathBytes(s string) error {
	if s == "" || s[0] != '/' {
		return errors.New("the path does not begin with /")
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\\':
			return errors.New("the path has a backslash")
		case c == '?' || c == '#':
			return fmt.Errorf("the path has a %c, which ends a path", c)
		case c <= ' ' || c == 0x7f:
			return errors.New("the path has a space or control character")
		}
	}
	return nil
}

// decodePath decodes every escape once. It allocates only if there is one.
func decodePath(s string) (string, error) {
	first := strings.IndexByte(s, '%')
	if first < 0 {
		return s, nil
	}
	out := append(make([]byte, 0, len(s)), s[:first]...)
	for i := first; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			var ok bool
			if c, ok = unescape(s[i:]); !ok {
				return "", errors.New("the path has an invalid percent-escape")
			}
			i += 2
			switch c {
			case 0:
				return "", errors.New("the path has an encoded NUL (%00)")
			case '\\':
				return "", errors.New("the path has an encoded backslash (%5C)")
			case '/':
				c = encodedSlash
			}
		}
		out = append(out, c)
	}
	return string(out), nil
}

// unescape decodes the "%XX" that s begins with.
func unescape(s string) (byte, bool) {
	if len(s) < 3 {
		return 0, false
	}
	high, ok1 := unhex(s[1])
	low, ok2 := unhex(s[2])
	return high<<4 | low, ok1 && ok2
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// hasDotSegment looks for "." and ".." between slashes of either kind. A
// parameter does not hide them: some servers drop it first and then climb
// ("/public/..;/admin").
func hasDotSegment(text string) bool {
	for rest := text; ; {
		i := strings.IndexByte(rest, '.')
		if i < 0 {
			return false
		}
		atStart := i > 0 && isSlash(rest[i-1])
		rest = strings.TrimPrefix(rest[i+1:], ".")
		after := strings.TrimLeft(rest, " ") // which file systems drop at the end of a name
		if atStart && (after == "" || isSlash(after[0]) || after[0] == ';') {
			return true
		}
	}
}

// isOverlong looks for bytes that spell a character of one byte in more than are needed
// (RFC 3629 section 3): the classic disguise of ".." and "/".
func isOverlong(text string) bool {
	for i := range len(text) {
		next := byte(0)
		if i+1 < len(text) {
			next = text[i+1]
		}
		switch c := text[i]; {
		case next < 0x80 || next > 0xbf:
		case c == 0xc0, c == 0xc1, c == 0xe0 && next < 0xa0, c == 0xf0 && next < 0x90:
			return true
		}
	}
	return false
}

func isSlash(c byte) bool { return c == '/' || c == encodedSlash }
