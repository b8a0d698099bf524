package proxy_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"

	"sallyport/proxy"
)

const (
	opcodeClose = 8
	noCode      = 1005
)

// frame is one as it is sent (RFC 6455, section 5.2).
func frame(opcode byte, payload []byte, masked bool) []byte {
	b := []byte{0x80 | opcode}
	mask := byte(0)
	if masked {
		mask = 0x80
	}
	switch n := len(payload); {
	case n < 126:
		b = append(b, mask|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
	if !masked {
		return append(b, payload...)
	}
	key := []byte{1, 2, 3, 4}
	b = append(b, key...)
	for i, c := range payload {
		b = append(b, c^key[i%4])
	}
	return b
}

func TestFramesAreFollowedInAnyPieces(t *testing.T) {
	t.Parallel()
	for _, masked := range []bool{false, true} {
		var said []byte
		for _, n := range []int{0, 1, 125, 126, 70000} {
			said = append(said, frame(2, make([]byte, n), masked)...)
		}
		said = append(said, frame(9, []byte("\x88\x02"), masked)...) // a ping that looks like a Close
		for end, code := range map[string]uint16{"\x03\xe8bye": 1000, "\x10\x01": 4097, "": noCode, "x": noCode} {
			all := append(append([]byte{}, said...), frame(opcodeClose, []byte(end), masked)...)
			for _, piece := range []int{1, 2, 3, 1000, len(all)} {
				var pieces [][]byte
				for at := 0; at < len(all); at += piece {
					pieces = append(pieces, all[at:min(at+piece, len(all))])
				}
				got := proxy.FollowFrames(pieces...)
				assert.True(t, got.Closed, "%q in pieces of %d", end, piece)
				assert.Equal(t, code, got.Code)
				assert.False(t, proxy.FollowFrames(said).Closed)
			}
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(frame(opcodeClose, []byte("\x03\xe8"), true), 1)
	f.Add([]byte("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff1234x"), 3)
	f.Add([]byte("\x88\x7e\x00\x7e"), 2)
	f.Fuzz(func(t *testing.T, said []byte, cut int) {
		cut = max(0, min(cut, len(said)))
		whole, parts := proxy.FollowFrames(said), proxy.FollowFrames(said[:cut], said[cut:])
		if whole != parts {
			t.Fatalf("%q cut at %d: %+v and %+v", said, cut, whole, parts)
		}
		if whole.Kept > 16 {
			t.Fatalf("%q: %d bytes are kept", said, whole.Kept)
		}
	})
}
