package audit_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// pathTold is the path of an exchange, as its JSON has it and as a reader of JSON reads it.
func pathTold(t *testing.T, path string) (raw, read string) {
	t.Helper()
	x := &audit.Exchange{}
	x.Path = path
	x.EachField(func(name string, value []byte) {
		if name == "path" {
			raw = string(value)
		}
	})
	require.NoError(t, json.Unmarshal([]byte(raw), &read))
	return raw, read
}

// TestTextIsToldAsItIs: whatever is text comes back from JSON, and no control leaves by it.
func TestTextIsToldAsItIs(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"/a b", `"quoted"`, `back\slash`, "line\nfeed\ttab", "größe", "日本語", "\x1b[31mred", "right\u202eleft", "\u00a0", "𝕏\U000e0041", "\x7f"} {
		raw, read := pathTold(t, text)
		assert.Equal(t, text, read)
		for _, r := range raw {
			assert.False(t, r < ' ' || r == 0x7f || r == 0x202e || r == 0xe0041, "%q shows %U to a terminal", text, r)
		}
	}
}

// TestBytesThatAreNoTextSurvive: each as \xNN, with backslashes doubled, so that both can be undone.
func TestBytesThatAreNoTextSurvive(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/\xff":         `/\xff`,
		"/\xffé\\":      `/\xffé\\`,
		`/\x41`:         `/\\x41`,
		"/a\\b":         `/a\b`,
		"\xed\xa0\x80":  `\xed\xa0\x80`,
		"\xf4\x90\x80z": `\xf4\x90\x80z`,
	} {
		_, read := pathTold(t, path)
		assert.Equal(t, want, read)
		assert.Equal(t, want, audit.Printable(path))
		assert.True(t, utf8.ValidString(read))
	}
	assert.Equal(t, `a\x00\\b\xff`, audit.EscapeBytes("a\x00\\b\xff"))
	seen := map[string]string{}
	for _, path := range []string{"/\xff", `/\xff`, `/\\xff`, "/\\\xff", "/ÿ"} {
		text := audit.Printable(path)
		assert.Empty(t, seen[text], "%q is told as another is", path)
		seen[text] = path
	}
}

func TestAnEmptyTextIsUnknown(t *testing.T) {
	t.Parallel()
	x := &audit.Exchange{}
	x.EachField(func(name string, value []byte) {
		if name == "path" {
			assert.Equal(t, "null", string(value))
		}
	})
}

// TestDetailsAreJSON: of any value that the trail stores, keys in one order.
func TestDetailsAreJSON(t *testing.T) {
	t.Parallel()
	r := audit.EventRow{Type: "x", Payload: map[string]any{
		"z": nil, "b": true, "i": int64(-7), "f": 2.5, "e": 1e300, "s": "a\"b", "l": []any{int64(1), []any{}, "x"},
		"m": map[string]any{"k\n": map[string]any{}}, "nan": math.NaN(), "inf": math.Inf(-1),
	}}
	r.EachField(func(name string, value []byte) {
		if name == "payload" {
			//nolint:testifylint // the order of the keys is what is asserted
			assert.Equal(t, `{"b":true,"e":1e+300,"f":2.5,"i":-7,"inf":null,"l":[1,[],"x"],"m":{"k\u000a":{}},"nan":null,"s":"a\"b","z":null}`, string(value))
		}
	})
	r.Payload = map[string]any{"odd": []int{1, 2}}
	assert.Contains(t, string(r.AppendJSON(nil)), `"odd":"[1 2]"`, "a value that no payload can hold is told as text")
}

// TestLinesAreLines: a row is one line whatever an agent puts in it, so that logs can be read by lines.
func TestLinesAreLines(t *testing.T) {
	t.Parallel()
	x := full()
	x.Path, x.Outcome.Error, x.Details = "/\n\r\u2028\u2029\u0085", "a\nb", map[string]any{"k\n": "v\u2028"}
	line := string(x.AppendJSON(nil))
	assert.False(t, strings.ContainsAny(line, "\n\r\u2028\u2029\u0085"))
	assert.True(t, json.Valid([]byte(line)))
}

func TestATimeIsToldInUTCToTheMicrosecond(t *testing.T) {
	t.Parallel()
	x := &audit.Exchange{}
	assert.Nil(t, rowOf(t, x)["started_at"])
	x.StartedAt = minute(5)
	assert.Equal(t, "2026-01-01T00:05:00.000000Z", rowOf(t, x)["started_at"])
}
