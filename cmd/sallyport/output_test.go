package main_test

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	sallyport "sallyport/cmd/sallyport"
)

func TestPrintableEscapesWhatAReaderCannotSee(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/v1/messages":        "/v1/messages",
		"Zoë 日本":              "Zoë 日本",
		"a\x1b[2Jb":           `a\x1b[2Jb`,
		"a\r\nb\tc":           `a\r\nb\tc`,
		"a\u202egpj.exe":      `a\u202egpj.exe`, // right-to-left override
		"a\u2066b\u2069":      `a\u2066b\u2069`,
		"zero\u200bwidth":     `zero\u200bwidth`,
		"soft\u00adhyphen":    `soft\u00adhyphen`,
		"line\u2028separator": `line\u2028separator`,
		"c1\u009bcontrol":     `c1\u009bcontrol`,
		"bad\xff\xfeutf8":     `bad\xff\xfeutf8`,
		"tag\U000e0041":       `tag\U000e0041`,
		"replacement \ufffd":  `replacement \ufffd`,
	} {
		assert.Equal(t, want, sallyport.Printable(in))
	}
}

// FuzzPrintable: what is printed is valid, shows no control or format
// character, and is left alone the second time.
func FuzzPrintable(f *testing.F) {
	f.Add("a\x1b[2J\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		shown := sallyport.Printable(s)
		assert.True(t, utf8.ValidString(shown))
		assert.Equal(t, shown, sallyport.Printable(shown))
	})
}
