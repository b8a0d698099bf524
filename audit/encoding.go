package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/bits"
	"unicode/utf8"
)

// EncodingVersion is the payload encoding that this program writes and the
// newest it reads. doc.go describes it.
const EncodingVersion = 1

var errEncoding = errors.New("payload is not canonically encoded")

// Every payload is a run of fields with strictly ascending tags:
//
//	field = tag (one byte, 1..127) || length (minimal uvarint) || value
//
// A field whose value is empty is left out, so that one value has exactly one
// encoding and a hash over the bytes is a hash over the meaning.

// appendBytes appends a field with a value of any bytes.
func appendBytes(b []byte, tag byte, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	b = append(b, tag)
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

// appendText appends a string cut at limit bytes. What is cut off is replaced
// by the hash of the whole, so that a long value is still identified.
func appendText(b []byte, tag byte, s string, limit int) []byte {
	if s == "" {
		return b
	}
	s = truncate(s, limit)
	b = append(b, tag)
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

const truncationMark = "…sha256:"

// truncate cuts s at limit bytes, never inside a character, and adds the hash
// of all of it. What it has cut it leaves alone.
func truncate(s string, limit int) string {
	if len(s) <= limit || isTruncated(s, limit) {
		return s
	}
	cut := limit
	for cut > limit-utf8.UTFMax && cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	sum := sha256.Sum256([]byte(s))
	return s[:cut] + truncationMark + hex.EncodeToString(sum[:])
}

// Cut is s as the trail keeps a string: whole, or cut to its cap.
func Cut(s string) string { return truncate(s, capText) }

// CutResource is s as the trail keeps a resource.
func CutResource(s string) string { return truncate(s, capLong) }

func isTruncated(s string, limit int) bool {
	const tail = len(truncationMark) + sha256.Size*2
	cut := len(s) - tail
	return cut >= 0 && cut <= limit && s[cut:cut+len(truncationMark)] == truncationMark && isLowerHex(s[len(s)-sha256.Size*2:])
}

func fits(s string, limit int) bool { return len(s) <= limit || isTruncated(s, limit) }

// appendUint appends a number as big-endian bytes without leading zeros; zero
// is left out.
func appendUint(b []byte, tag byte, v uint64) []byte {
	if v == 0 {
		return b
	}
	n := (bits.Len64(v) + 7) / 8
	b = append(b, tag, byte(n))
	for i := n - 1; i >= 0; i-- {
		b = append(b, byte(v>>(8*i)))
	}
	return b
}

// Forms of a packed field.
const (
	packedText = 0
	packedHex  = 1
)

// appendPacked appends a string that is usually lower-case hex (a hash, a
// serial) in half its length: form byte 1 and the bytes, or form byte 0 and
// the text as it is.
func appendPacked(b []byte, tag byte, s string, limit int) []byte {
	if s == "" {
		return b
	}
	s = truncate(s, limit)
	b = append(b, tag)
	if !isLowerHex(s) {
		b = binary.AppendUvarint(b, uint64(len(s)+1))
		b = append(b, packedText)
		return append(b, s...)
	}
	b = binary.AppendUvarint(b, uint64(len(s)/2+1))
	b = append(b, packedHex)
	for i := 0; i < len(s); i += 2 {
		b = append(b, nibble(s[i])<<4|nibble(s[i+1]))
	}
	return b
}

func isLowerHex(s string) bool {
	if s == "" || len(s)%2 != 0 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func nibble(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c - 'a' + 10
}

// fields reads a payload field by field and refuses any other than the
// canonical form.
type fields struct {
	rest []byte
	last byte
	err  error
}

// next returns the next field, or false at the end or at an error.
func (f *fields) next() (tag byte, value []byte, ok bool) {
	if f.err != nil || len(f.rest) == 0 {
		return 0, nil, false
	}
	tag = f.rest[0]
	n, rest, ok := takeUvarint(f.rest[1:])
	if !ok || tag <= f.last || tag > 127 || n == 0 || n > uint64(len(rest)) {
		f.err = errEncoding
		return 0, nil, false
	}
	f.last, f.rest = tag, rest[n:]
	return tag, rest[:n], true
}

func (f *fields) uint(v []byte) uint64 {
	if len(v) > 8 || v[0] == 0 {
		f.err = errEncoding
		return 0
	}
	var n uint64
	for _, c := range v {
		n = n<<8 | uint64(c)
	}
	return n
}

func (f *fields) text(v []byte, limit int) string {
	s := string(v)
	if !fits(s, limit) {
		f.err = errEncoding
	}
	return s
}

func (f *fields) packed(v []byte) string {
	form, v := v[0], v[1:]
	switch {
	case form == packedHex && len(v) > 0 && len(v)*2 <= capText:
		return hex.EncodeToString(v)
	case form == packedText && len(v) > 0 && fits(string(v), capText) && !isLowerHex(string(v)):
		return string(v)
	}
	f.err = errEncoding
	return ""
}

// takeUvarint reads a uvarint in its shortest form.
func takeUvarint(b []byte) (v uint64, rest []byte, ok bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 || (n > 1 && b[n-1] == 0) {
		return 0, nil, false
	}
	return v, b[n:], true
}
