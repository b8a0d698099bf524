package audit

import (
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/uuid"

	"sallyport/internal/visible"
)

// object writes the members of one JSON object.
type object struct {
	b    []byte
	more bool

	each func(name string, value []byte) // if set, is given each member once it is written
	name string                          // of the member that is being written
	from int                             // where its value begins in b
}

func (o *object) key(k string) {
	o.ended()
	if o.more {
		o.b = append(o.b, ',', '"')
	} else {
		o.b = append(o.b, '"')
	}
	o.more = true
	o.b = append(o.b, k...)
	o.b = append(o.b, '"', ':')
	o.name, o.from = k, len(o.b)
}

// ended is called when the last member that was begun is whole.
func (o *object) ended() {
	if o.each != nil && o.more {
		o.each(o.name, o.b[o.from:])
	}
}

func (o *object) null() { o.b = append(o.b, "null"...) }

func (o *object) text(k, s string) {
	o.key(k)
	if s == "" {
		o.null()
		return
	}
	o.b = appendString(o.b, s)
}

func (o *object) number(k string, n int64) {
	o.key(k)
	o.b = strconv.AppendInt(o.b, n, 10)
}

func (o *object) positive(k string, n int64) {
	if n > 0 {
		o.number(k, n)
		return
	}
	o.key(k)
	o.null()
}

// count writes a number that may be zero once it is known.
func (o *object) count(k string, known bool, n int64) {
	if known && n >= 0 {
		o.number(k, n)
		return
	}
	o.key(k)
	o.null()
}

func (o *object) time(k string, t time.Time) {
	o.key(k)
	if t.IsZero() {
		o.null()
		return
	}
	o.b = append(o.b, '"')
	o.b = appendTime(o.b, t)
	o.b = append(o.b, '"')
}

func (o *object) uuid(k string, id uuid.UUID) {
	if id == uuid.Nil {
		o.text(k, "")
		return
	}
	o.id(k, id)
}

// id is uuid for one that is always there.
func (o *object) id(k string, id uuid.UUID) {
	o.key(k)
	o.b = append(o.b, '"')
	for i, part := range [...][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			o.b = append(o.b, '-')
		}
		o.b = hex.AppendEncode(o.b, part)
	}
	o.b = append(o.b, '"')
}

func (o *object) timings(k string, t *Timings) {
	o.key(k)
	in := object{b: append(o.b, '{')}
	for i, ms := range t.list() {
		in.millis(timingNames[i], ms)
	}
	o.b = append(in.b, '}')
}

func (o *object) millis(k string, ms float64) {
	o.key(k)
	if ms <= 0 {
		o.null()
		return
	}
	o.b = strconv.AppendFloat(o.b, ms, 'f', -1, 64)
}

func (o *object) details(k string, m map[string]any) {
	o.key(k)
	if len(m) == 0 {
		o.null()
		return
	}
	o.b = appendJSON(o.b, m)
}

// appendJSON appends a value of the types that takeValue returns.
func appendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return append(b, "null"...)
		}
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	case string:
		return appendString(b, v)
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, e)
		}
		return append(b, ']')
	case map[string]any:
		return appendJSONMap(b, v)
	}
	// Only a caller's own EventRow can hold anything else.
	return appendString(b, fmt.Sprint(v))
}

func appendJSONMap(b []byte, m map[string]any) []byte {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	b = append(b, '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, k), ':')
		b = appendJSON(b, m[k])
	}
	return append(b, '}')
}

// appendString appends s as a JSON string. A string that is not UTF-8 is
// written with \xNN for each stray byte and every backslash doubled, as is one
// that holds \x itself: so text with \x in it, and no other, is to be read
// back with these two escapes undone, and every byte survives.
func appendString(b []byte, s string) []byte {
	if plain(s) {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	return appendQuoted(b, Printable(s))
}

// Printable returns s as text: itself, or with stray bytes as \xNN and every
// backslash doubled when it is not UTF-8 or holds \x.
func Printable(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, `\x`) {
		return s
	}
	return EscapeBytes(s)
}

// EscapeBytes writes stray bytes and zero bytes of s as \xNN and doubles backslashes.
func EscapeBytes(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, r == 0:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\\':
			b.WriteString(`\\`)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// plain reports whether s needs no escape at all.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		// Not only what JSON demands: people read it in terminals too.
		case visible.Hides(r):
			b = appendEscape(b, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// appendEscape appends r by its number, beyond the first plane as a pair of surrogates.
func appendEscape(b []byte, r rune) []byte {
	const hexDigits = "0123456789abcdef"
	if first, second := utf16.EncodeRune(r); first != utf8.RuneError {
		return appendEscape(appendEscape(b, first), second)
	}
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
