package credentials

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
)

// shortSecret is the length below which a secret is too likely to stand in a value
// by chance: it is searched for as a whole word only. Redacting every "abc" would
// break answers, and would tell an agent that can make a server echo its guesses
// which of them is right.
const shortSecret = 8

// minEncoded is the shortest piece of an encoding that is taken for the secret.
const minEncoded = 8

// rounds is how many layers of escapes are looked through: a URL in JSON in a URL.
const rounds = 3

// scrubber finds one secret in header fields, in the forms that servers give back what they
// were sent: as it is, in base64 and base64url, base32 and hex (RFC 4648), in any case, and all
// of these under percent and JSON escapes. Who means to hide it finds another. It is
// immutable.
type scrubber struct {
	needles  []needle
	shortest int
}

// needle is one form of the secret, in lower case, as is what is searched: HTTP/2 has names
// in lower case, and servers change cases as they like.
type needle struct {
	text          []byte
	before, after int  // digits at each side that hold bits of the secret too
	word          bool // only where no letter or digit touches it
}

// newScrubber prepares the search for a secret, and for the form it is written in.
func newScrubber(secret, written string) *scrubber {
	s := &scrubber{}
	short := len(secret) < shortSecret
	s.add(needle{text: []byte(secret), word: short})
	s.add(needle{text: []byte(strings.ReplaceAll(secret, " ", "+")), word: short}) // as a form writes it
	if !strings.Contains(written, secret) {
		_, token, _ := strings.Cut(written, " ")
		s.add(needle{text: []byte(token)}) // of "Basic TOKEN"
	}
	for shift := range 3 {
		s.add(aligned(base64.RawStdEncoding.EncodeToString, 6, secret, shift))
		s.add(aligned(base64.RawURLEncoding.EncodeToString, 6, secret, shift))
	}
	for shift := range 5 {
		s.add(aligned(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString, 5, secret, shift))
	}
	s.add(aligned(hex.EncodeToString, 4, secret, 0))
	return s
}

// also searches for another secret beside the first.
func (s *scrubber) also(secret string) {
	if secret == "" {
		return
	}
	for _, n := range newScrubber(secret, secret).needles {
		s.add(n)
	}
}

// aligned is what the secret always looks like in the encoding of a text in which it begins
// after shift bytes of a group: without the digits at either end that depend on its
// neighbours. A digit holds so many bits.
func aligned(encode func([]byte) string, bits int, secret string, shift int) needle {
	digits := encode(append(make([]byte, shift), secret...))
	n := needle{}
	digits = digits[(shift*8+bits-1)/bits:]
	if shift*8%bits != 0 {
		n.before = 1
	}
	if (shift+len(secret))*8%bits != 0 && digits != "" {
		digits, n.after = digits[:len(digits)-1], 1
	}
	if len(digits) >= minEncoded {
		n.text = []byte(digits)
	}
	return n
}

func (s *scrubber) add(n needle) {
	n.text = lower(bytes.Clone(n.text))
	same := func(o needle) bool { return bytes.Equal(o.text, n.text) }
	if len(n.text) == 0 || slices.ContainsFunc(s.needles, same) {
		return
	}
	s.needles = append(s.needles, n)
	if s.shortest == 0 || len(n.text) < s.shortest {
		s.shortest = len(n.text)
	}
}

// header redacts the values of h in place, and removes fields that have the secret for a
// name. It allocates only where there is a hit.
func (s *scrubber) header(h http.Header) (hits int) {
	for name, values := range h {
		if s.names(name) {
			delete(h, name)
			hits++
			continue
		}
		for i, value := range values {
			// An escaped form is never shorter than what it stands for.
			if len(value) < s.shortest || !s.in(value) {
				continue
			}
			var n int
			values[i], n = s.redact(value)
			hits += n
		}
	}
	return hits
}

// text redacts a text that is no field.
func (s *scrubber) text(text string) string {
	quoted := http.Header{"": {text}}
	s.header(quoted)
	return quoted[""][0]
}

// names reports whether the secret is in a field's name. A short one is a word like any.
func (s *scrubber) names(name string) bool {
	return len(name) >= s.shortest && len(s.needles) > 0 && !s.needles[0].word && s.in(name)
}

// in reports whether the secret is in value, through its layers of escapes.
func (s *scrubber) in(value string) bool {
	var buffer [1024]byte
	text := lower(append(buffer[:0], value...))
	for range rounds {
		for i := range s.needles {
			if start, _ := s.needles[i].next(text, 0); start >= 0 {
				return true
			}
		}
		if bytes.IndexByte(text, '%') < 0 && bytes.IndexByte(text, '\\') < 0 {
			return false
		}
		text = lower(unescape(text, nil))
	}
	return false
}

// span is a part of a header value.
type span struct{ start, end int }

// redact replaces every hit in value.
func (s *scrubber) redact(value string) (string, int) {
	text := lower([]byte(value))
	origin := make([]int, len(text)+1) // where each byte of text begins in value
	for i := range origin {
		origin[i] = i
	}
	var spans []span
	for range rounds {
		for _, n := range s.needles {
			for from := 0; ; {
				start, end := n.next(text, from)
				if start < 0 {
					break
				}
				spans = append(spans, span{origin[start], origin[end]})
				from = end
			}
		}
		text = lower(unescape(text, origin))
	}
	return cut(value, spans)
}

// cut puts "[redacted]" in the place of each run of overlapping spans.
func cut(value string, spans []span) (string, int) {
	slices.SortFunc(spans, func(a, b span) int { return a.start - b.start })
	var out strings.Builder
	hits, end := 0, 0
	for _, sp := range spans {
		if hits == 0 || sp.start >= end {
			out.WriteString(value[end:sp.start])
			out.WriteString(redacted)
			hits++
		}
		end = max(end, sp.end)
	}
	out.WriteString(value[end:])
	return out.String(), hits
}

// next finds the needle in text from an index on, with the base64 digits that belong
// to it. start is -1 when there is none.
func (n *needle) next(text []byte, from int) (start, end int) {
	for {
		at := bytes.Index(text[from:], n.text)
		if at < 0 {
			return -1, -1
		}
		start, end = from+at, from+at+len(n.text)
		if !n.word || !alphanumericAt(text, start-1) && !alphanumericAt(text, end) {
			break
		}
		from = start + 1
	}
	for range n.before {
		if start > from {
			start--
		}
	}
	for i := 0; i < n.after && end < len(text) && digitAt(text, end); i++ {
		end++
	}
	return start, end
}

// lower makes ASCII's letters small, in place.
func lower(text []byte) []byte {
	for i, c := range text {
		if 'A' <= c && c <= 'Z' {
			text[i] = c | 0x20
		}
	}
	return text
}

func alphanumericAt(text []byte, i int) bool {
	if i < 0 || i >= len(text) {
		return false
	}
	c := text[i]
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func digitAt(text []byte, i int) bool {
	return alphanumericAt(text, i) || strings.IndexByte("+/-_", text[i]) >= 0
}

// unescape decodes, in place, %XX and the escapes of JSON strings; what is not a
// whole escape stays. origin, if given, is kept in step.
func unescape(text []byte, origin []int) []byte {
	to := 0
	for from := 0; from < len(text); to++ {
		c, length := unescapeAt(text, from)
		text[to] = c
		if origin != nil {
			origin[to] = origin[from]
		}
		from += length
	}
	if origin != nil {
		origin[to] = origin[len(text)]
	}
	return text[:to]
}

// unescapeAt returns the byte that text[i:] begins with and how long its form is.
func unescapeAt(text []byte, i int) (c byte, length int) {
	rest := text[i:]
	switch {
	case rest[0] == '%' && len(rest) >= 3 && isHex(rest[1]) && isHex(rest[2]):
		return unhex(rest[1])<<4 | unhex(rest[2]), 3
	case rest[0] == '\\' && len(rest) >= 6 && rest[1] == 'u' && rest[2] == '0' && rest[3] == '0' && isHex(rest[4]) && isHex(rest[5]):
		return unhex(rest[4])<<4 | unhex(rest[5]), 6
	case rest[0] == '\\' && len(rest) >= 2 && strings.IndexByte(`"\/`, rest[1]) >= 0:
		return rest[1], 2
	}
	return rest[0], 1
}

// RequestScrubber returns what takes the values that a request authenticates with out of
// an answer's header, or of a text put into one, and returns the number of hits. A signature
// is good for its request alone, and not searched for; a session's token is, in whatever field
// that calls itself one.
func RequestScrubber(r *http.Request) func(http.Header) int {
	s := &scrubber{}
	for name, values := range r.Header {
		for _, value := range values {
			switch {
			case name == "Authorization":
				if _, token, _ := strings.Cut(value, " "); !strings.Contains(token, "Signature=") {
					s.also(token)
				}
			case strings.Contains(strings.ToLower(name), "token"):
				s.also(value)
			}
		}
	}
	if len(s.needles) == 0 {
		return func(http.Header) int { return 0 }
	}
	return s.header
}

// CleanError takes a secret out of an error's text, in which an upstream may have had it
// quoted, by what takes it out of headers. What the error wraps is still there to be
// classified, and never to be printed.
func CleanError(err error, scrub func(http.Header) int) error {
	quoted := http.Header{"": {err.Error()}}
	if scrub(quoted) == 0 {
		return err
	}
	return Reworded(err, quoted[""][0])
}

// Reworded is an error with another text.
func Reworded(err error, text string) error { return &cleanedError{text: text, err: err} }

// cleanedError is an error with another text.
type cleanedError struct {
	text string
	err  error
}

func (e *cleanedError) Error() string { return e.text }

func (e *cleanedError) Unwrap() error { return e.err }
