package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/bits"
	"unicode/utf8"

	"github.com/google/uuid"
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
	if len(s) > limit {
		s = truncate(s, limit)
	}
	if len(s) < 0x80 { // nearly all: their length is a byte
		b = append(b, tag, byte(len(s)))
	} else {
		b = binary.AppendUvarint(append(b, tag), uint64(len(s)))
	}
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
	if n := len(s) / 2; len(s)%2 == 0 {
		packed := append(binary.AppendUvarint(b, uint64(n+1)), packedHex)
		if packed, ok := appendUnhexed(packed, s); ok {
			return packed
		}
	}
	b = binary.AppendUvarint(b, uint64(len(s)+1))
	b = append(b, packedText)
	return append(b, s...)
}

// appendUnhexed appends the bytes of a lower-case hexadecimal string of even length, or is false.
func appendUnhexed(b []byte, s string) ([]byte, bool) {
	for ; len(s) >= 8; s = s[8:] {
		v, ok := unhex8(s)
		if !ok {
			return b, false
		}
		b = binary.BigEndian.AppendUint32(b, v)
	}
	for ; len(s) > 0; s = s[2:] {
		if !isLowerHex(s[:2]) {
			return b, false
		}
		b = append(b, nibble(s[0])<<4|nibble(s[1]))
	}
	return b, true
}

// unhex8 is the value of eight digits, all at once: three such strings are in the row of nearly every
// exchange, and digit by digit they cost a third of its encoding.
func unhex8(s string) (v uint32, ok bool) {
	const each = 0x0101010101010101 // times a byte: that byte in each of eight
	x := uint64(s[7]) | uint64(s[6])<<8 | uint64(s[5])<<16 | uint64(s[4])<<24 |
		uint64(s[3])<<32 | uint64(s[2])<<40 | uint64(s[1])<<48 | uint64(s[0])<<56
	n := x&(0x0f*each) + 9*(x>>6&each)         // the value of each, if it is a digit
	letter := (n + 0x76*each) >> 7 & each      // 1 where it is above 9
	again := n + '0'*each + ('a'-'9'-1)*letter // the digit of that value
	ok = again == x && n&(0xf0*each) == 0
	n = (n | n>>4) & 0x00ff00ff00ff00ff
	n = (n | n>>8) & 0x0000ffff0000ffff
	return uint32(n | n>>16), ok
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

// check notes whether a value was encoded as it must be.
func (f *fields) check(ok bool) {
	if !ok {
		f.err = errEncoding
	}
}

// readUint reads a number up to a greatest.
func readUint(v []byte, most uint64) (n uint64, ok bool) {
	if len(v) > 8 || v[0] == 0 {
		return 0, false
	}
	for _, c := range v {
		n = n<<8 | uint64(c)
	}
	return n, n <= most
}

func readText(v []byte, limit int) (s string, ok bool) {
	s = string(v)
	return s, fits(s, limit)
}

func readPacked(v []byte) (s string, ok bool) {
	form, v := v[0], v[1:]
	switch {
	case form == packedHex && len(v) > 0 && len(v)*2 <= capText:
		var digits [capText]byte
		return string(digits[:hex.Encode(digits[:], v)]), true
	case form == packedText && len(v) > 0 && fits(string(v), capText) && !isLowerHex(string(v)):
		return string(v), true
	}
	return "", false
}

func readID(v []byte) (id uuid.UUID, ok bool) {
	id, err := uuid.FromBytes(v)
	return id, err == nil && id != uuid.Nil
}

// takeUvarint reads a uvarint in its shortest form.
func takeUvarint(b []byte) (v uint64, rest []byte, ok bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 || (n > 1 && b[n-1] == 0) {
		return 0, nil, false
	}
	return v, b[n:], true
}
