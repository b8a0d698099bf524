package main_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
		"no\u00a0break":       `no\u00a0break`,
		"em\u2003space":       `em\u2003space`,
		"braille\u2800blank":  `braille\u2800blank`,
		"filler\u3164":        `filler\u3164`,
		"wide\u3000space":     `wide\u3000space`,
		"private \ue000":      `private \ue000`,
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

// TestCellsCannotBeForged: whatever an agent puts into a cell, it stays one cell of its row,
// and of a width that leaves room for the others.
func TestCellsCannotBeForged(t *testing.T) {
	t.Parallel()
	long := "GET https://a.example/" + strings.Repeat("a", 2000) + "/b/end"
	other := "GET https://a.example/" + strings.Repeat("a", 1000) + "b" + strings.Repeat("a", 999) + "/b/end"
	for in, want := range map[string]string{
		"one  two":                        `one \x20two`,
		" edge ":                          `\x20edge\x20`,
		"a b":                             "a b",
		"x\u2003\u2003allow":              `x\u2003\u2003allow`,
		"\u0301on the space":              `\u0301on the space`,
		"z\u0300\u0301\u0302\u0303\u0304": "z\u0300\u0301\u0302" + `\u0303\u0304`,
		"":                                "-",
		long:                              "GET https://a.example/aaaaaaaaaaaaaaaaaaaaaaaaaa…[2028:7e000f82]…aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/b/end",
	} {
		var b bytes.Buffer
		require.NoError(t, sallyport.Table(&b, []string{"A", "B"}, [][]string{{in, "end"}}))
		line := strings.Split(b.String(), "\n")[1]
		assert.Equal(t, want, strings.TrimSuffix(strings.TrimSpace(strings.TrimSuffix(line, "end")), " "))
	}
	show := func(s string) string {
		var b bytes.Buffer
		require.NoError(t, sallyport.Table(&b, []string{"A", "B"}, [][]string{{s, ""}}))
		return b.String()
	}
	assert.Len(t, strings.Split(show(long), "\n"), 3)
	assert.NotEqual(t, show(long), show(other), "what differs in the middle only looks different")
}

// FuzzInert: whoever splits the cell where it does not end finds no formula in it, and
// what was there can be had back.
func FuzzInert(f *testing.F) {
	for _, s := range []string{"=1+1", ";=1+1", "a;=HYPERLINK(1)", "x\n@SUM(1)", "x|\" -1", "'=1", ";''+1", "＝1", "\t=1", "a\r\n=1", "[\"=1\"]", "; =1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		shown := sallyport.Inert(s)
		cells := strings.FieldsFunc(shown, func(r rune) bool { return strings.ContainsRune(";|\t\r\n", r) })
		for _, c := range cells {
			c = strings.TrimLeft(c, ` "`)
			assert.False(t, c != "" && strings.ContainsAny(c[:1], "=+-@"), "%q of %q", c, shown)
		}
		assert.Equal(t, s, readInert(shown))
	})
}

var inertMark = regexp.MustCompile(`^'+[=+\-@\t\r＝＋－＠]`)

// readInert is what docs/audit.md says of reading CSV: where a cell may begin, one ' goes.
func readInert(s string) string {
	var b strings.Builder
	begins := true
	for s != "" {
		if begins && inertMark.MatchString(s) {
			s = s[1:]
		}
		r, n := utf8.DecodeRuneInString(s)
		b.WriteString(s[:n])
		begins = strings.ContainsRune(";|\t\r\n", r) || begins && strings.ContainsRune(` "`, r)
		s = s[n:]
	}
	return b.String()
}
