package ijson_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/ijson"
)

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		``:                               ijson.ErrSyntax,
		` `:                              ijson.ErrSyntax,
		`{"a":1,"a":2}`:                  ijson.ErrRepeated,
		`{"a":1,"\u0061":2}`:             ijson.ErrRepeated,
		`[{"b":{"a":1,"a":2}}]`:          ijson.ErrRepeated,
		`{"a":1}{"a":2}`:                 ijson.ErrTrailing,
		`{"a":1} x`:                      ijson.ErrTrailing,
		"{}\x00":                         ijson.ErrTrailing,
		"\ufeff{}":                       ijson.ErrSyntax,
		"\"\xff\"":                       ijson.ErrUTF8,
		"\"\xed\xa0\x80\"":               ijson.ErrUTF8, // half a pair, as UTF-8 would have it
		`"\ud800"`:                       ijson.ErrSurrogate,
		`"\ud800x"`:                      ijson.ErrSurrogate,
		`"\ud800\n"`:                     ijson.ErrSurrogate,
		`"\ud800\u0041"`:                 ijson.ErrSurrogate,
		`"\udc00\ud800"`:                 ijson.ErrSurrogate,
		`{"\ud800":1}`:                   ijson.ErrSurrogate,
		`{"a\u0000":1}`:                  ijson.ErrNUL,
		"\"\x00\"":                       ijson.ErrSyntax,
		"\"\n\"":                         ijson.ErrSyntax,
		`"\x41"`:                         ijson.ErrSyntax,
		`"\u12"`:                         ijson.ErrSyntax,
		`"a`:                             ijson.ErrSyntax,
		`"\`:                             ijson.ErrSyntax,
		`{"a":1,}`:                       ijson.ErrSyntax,
		`[1,]`:                           ijson.ErrSyntax,
		`[,1]`:                           ijson.ErrSyntax,
		`{a:1}`:                          ijson.ErrSyntax,
		`{'a':1}`:                        ijson.ErrSyntax,
		`{"a"}`:                          ijson.ErrSyntax,
		`{"a":1 "b":2}`:                  ijson.ErrSyntax,
		"{/* */}":                        ijson.ErrSyntax,
		"// {}":                          ijson.ErrSyntax,
		"{\v}":                           ijson.ErrSyntax,
		"{\u00a0}":                       ijson.ErrSyntax,
		`True`:                           ijson.ErrSyntax,
		`tru`:                            ijson.ErrSyntax,
		`NaN`:                            ijson.ErrSyntax,
		`Infinity`:                       ijson.ErrSyntax,
		`01`:                             ijson.ErrSyntax,
		`-`:                              ijson.ErrSyntax,
		`+1`:                             ijson.ErrSyntax,
		`.5`:                             ijson.ErrSyntax,
		`1.`:                             ijson.ErrSyntax,
		`1e`:                             ijson.ErrSyntax,
		`0x10`:                           ijson.ErrTrailing,
		`1_000`:                          ijson.ErrTrailing,
		`1e400`:                          ijson.ErrNumber,
		`-1e400`:                         ijson.ErrNumber,
		`1e-400`:                         ijson.ErrNumber,
		`18446744073709551616`:           ijson.ErrNumber,
		`-9223372036854775809`:           ijson.ErrNumber,
		strings.Repeat("9", 100):         ijson.ErrNumber,
		`0.` + strings.Repeat("1", 100):  ijson.ErrNumber,
		strings.Repeat("[", 201) + `1`:   ijson.ErrDepth,
		strings.Repeat(`{"a":`, 100_000): ijson.ErrDepth,
		strings.Repeat("[", 3) + strings.Repeat("]", 2): ijson.ErrSyntax,
	} {
		assert.ErrorIs(t, ijson.Check([]byte(text)), want, "%.40q", text)
	}
	for _, text := range []string{``, `[]`, `"{}"`, `null`, ` [ {} ]`} {
		_, err := ijson.Object([]byte(text))
		assert.ErrorIs(t, err, ijson.ErrNoObject, text)
	}
	var many strings.Builder
	for i := range 40 {
		many.WriteString(`"` + strings.Repeat("k", i+1) + `":1,`)
	}
	assert.NoError(t, ijson.Check([]byte(`{`+many.String()+`"z":1}`)))
	assert.ErrorIs(t, ijson.Check([]byte(`{`+many.String()+`"kkk":1}`)), ijson.ErrRepeated)
	assert.ErrorIs(t, ijson.Check([]byte(`{`+many.String()+many.String()+`"z":1}`)), ijson.ErrRepeated)
}

func TestObject(t *testing.T) {
	t.Parallel()
	members, err := ijson.Object([]byte("\r\n{ \"a\\u0062\" : [ 1 , {\"c\":\"\\ud83d\\ude00\"} ] ,\"n\":-0.5E+3, \"t\": true } \n"))
	require.NoError(t, err)
	require.Len(t, members, 3)
	assert.Equal(t, "ab", members[0].Name)
	assert.Equal(t, `[ 1 , {"c":"\ud83d\ude00"} ]`, string(members[0].Value))
	assert.Equal(t, `[1,{"c":"😀"}]`, string(ijson.Append(nil, members[0].Value)))
	assert.Equal(t, `-0.5E+3`, string(ijson.Append(nil, members[1].Value)))
	elements, ok := ijson.Elements(members[0].Value)
	require.True(t, ok)
	assert.Equal(t, [][]byte{[]byte(`1`), []byte(`{"c":"\ud83d\ude00"}`)}, elements)
	_, ok = ijson.Elements(members[2].Value)
	assert.False(t, ok)
	_, ok = ijson.String(members[2].Value)
	assert.False(t, ok)
	text, ok := ijson.String([]byte(`"a\"\u00e9\/"`))
	assert.True(t, ok)
	assert.Equal(t, "a\"é/", text)
	// A replacement character that was written is no half of a pair.
	assert.NoError(t, ijson.Check([]byte("[\"\ufffd\",\"\\ufffd\",9223372036854775807,18446744073709551615,0e0,1e-300]")))
}

// What is accepted is JSON to encoding/json too, says the same when it is spelled anew,
// and is spelled in one way only.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,2.5e3,true,null,"x\n\u2028"],"b":{"":-0}}`, `{"a":1,"\u0061":2}`, `"\ud83d\ude00"`, `"\ud800"`, "\ufeff{}", `[1e400]`, `{} {}`, "\"\u007f\u0080\"",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if ijson.Check(text) != nil {
			return
		}
		require.True(t, json.Valid(text))
		anew := ijson.Append(nil, text)
		require.NoError(t, ijson.Check(anew), "%s", anew)
		assert.Equal(t, string(anew), string(ijson.Append(nil, anew)))
		assert.Equal(t, decoded(t, text), decoded(t, anew))
	})
}

func decoded(t *testing.T, text []byte) (value any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	require.NoError(t, d.Decode(&value))
	return value
}
