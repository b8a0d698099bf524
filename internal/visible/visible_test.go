package visible_test

import (
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"

	"sallyport/internal/visible"
)

func TestHides(t *testing.T) {
	t.Parallel()
	for _, r := range "aZ09 ~/é日本語кириллицаשלום😀…’" {
		assert.False(t, visible.Hides(r), "%U is seen", r)
	}
	for _, r := range []rune{
		0, '\t', '\n', '\r', 0x1b, 0x7f, 0x85, 0x9b, // control
		0xa0, 0x1680, 0x2000, 0x2003, 0x200a, 0x202f, 0x205f, 0x3000, 0x2800, 0x3164, 0xffa0, 0x115f, 0x1160, // blanks
		0xad, 0x34f, 0x61c, 0x17b4, 0x180b, 0x180e, 0x200b, 0x200d, 0x2060, 0x2064, 0xfeff, 0xfe0f, 0xe0100, 0xe0041, 0x1d159, // nothing
		0x200e, 0x200f, 0x202a, 0x202e, 0x2066, 0x2069, 0x2028, 0x2029, // order and lines
		0xfffc, 0xfffd, 0xe000, 0xfdd0, 0xd800, 0x10ffff, 0x378, // no character at all
	} {
		assert.True(t, visible.Hides(r), "%U is not seen", r)
	}
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.White_Space, r) {
			assert.True(t, visible.Hides(r), "%U", r)
		}
	}
}
