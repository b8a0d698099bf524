package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	github "sallyport/services/github/api"
)

// printed is the document that is sent in the place of one.
func printed(t testing.TB, query string) string {
	t.Helper()
	_, body, err := github.ParseGraphQL(jsonType, []byte(document(t, query)))
	require.NoError(t, err, "%q", query)
	var sent struct{ Query string }
	require.NoError(t, json.Unmarshal(body, &sent))
	return sent.Query
}

func TestDocumentsArePrintedAnew(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"\ufeff{a}":                                     `query{a}`,
		"{a,,,b # c\r\n\tc: d}":                         `query{a b c:d}`,
		"#\u00e9{b}\nquery Q @x(y: 1) {a: a}":           `query Q @x(y:1){a}`,
		"query on { on: fragment ... on on { query } }": `query on{on:fragment ... on on{query}}`,
		"{ ...@include(if: true) { a } ...f @skip(if: false) } fragment f on Query @d { b }":       `query{... @include(if:true){a} ...f @skip(if:false)} fragment f on Query @d{b}`,
		"query Q($a: [Int!]! = [1,-2] @d, $b: I = {x: null, y: [E, true]}) { a }":                  `query Q($a:[Int!]!=[1 -2] @d $b:I={x:null y:[E true]}){a}`,
		`{ a(b: -0, c: 1.50E+3, d: 12345678901234567890123, e: [], f: {}, g: $h, i: [[1][2-3]]) }`: `query{a(b:-0 c:1.50E+3 d:12345678901234567890123 e:[] f:{} g:$h i:[[1] [2 -3]])}`,
		`"""what it is""" query Q("""which""" $a: Int) { a }`:                                      `query Q($a:Int){a}`,
		// Only what runs, and what that needs, leaves.
		`query { ...f } fragment g on Query { c } fragment f on Query { a { ...h } } fragment h on A { b }`: `query{...f} fragment f on Query{a{...h}} fragment h on A{b}`,
	} {
		assert.Equal(t, want, printed(t, query), query)
		assert.Equal(t, want, printed(t, want), "printed once more")
	}
}

func TestStringsArePrintedAlike(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`""`:                           `""`,
		`"a\"\\\/\b\f\n\r\t"`:          `"a\"\\/\b\f\n\r\t"`,
		`"\u0041\u00e9\ud83d\ude00"`:   `"Aé😀"`,
		`"\u{1F600}\u{41}"`:            `"😀A"`,
		`"\\u0041\\\u0042"`:            `"\u005cu0041\\B"`,
		"\"\u007f\u0085\u2028\ufeff\"": `"\u007f\u0085\u2028\ufeff"`,
		"\"\ufffd\\ufffd\"":            "\"\ufffd\ufffd\"",
		"\"tab\there\"":                `"tab\there"`,
		`""""""`:                       `""`,
		`"""a"""`:                      `"a"`,
		`"""a "b" ""c"""`:              `"a \"b\" \"\"c"`,
		`"""\""" """`:                  `"\"\"\" "`,
		`"""\n\u0041\"""`:              ``,
		`"""\n\u0041\d"""`:             `"\\n\u005cu0041\\d"`,
		"\"\"\"\r\n  a\r\n    b\r\n\r\n  c\r\n \"\"\"": `"a\n  b\n\nc"`,
		// The first line's indentation is its own (GraphQL specification, section 2.9.4).
		"\"\"\"a\n    b\n      c\"\"\"": `"a\nb\n  c"`,
		"\"\"\"  a\n\tb\"\"\"":          `"  a\nb"`,
		"\"\"\"\n\n \t\n\"\"\"":         `""`,
		"\"\"\"a\n \n  b\"\"\"":         `"a\n\nb"`,
	} {
		query := `{ a(b: ` + value + `) }`
		if want == "" {
			_, _, err := github.ParseGraphQL(jsonType, []byte(document(t, query)))
			assert.Error(t, err, value)
			continue
		}
		assert.Equal(t, `query{a(b:`+want+`)}`, printed(t, query), value)
	}
}

// What two readers divide differently, or what one of them would not read at all, is not
// printed anew as the one that we happen to agree with.
func TestAmbiguousDocumentsAreRefused(t *testing.T) {
	t.Parallel()
	const nine = `"""""""""`
	for name, query := range map[string]string{
		// To graphql-ruby the comment goes on to the line feed, to the specification it ends here.
		"comment ended by CR":           "query { a } #\rmutation { mergePullRequest }",
		"comment ended by CR, reversed": "{ addComment # \r mergePullRequest \n }",
		"CR in a block string":          "{ a(b: \"\"\"x\ry\"\"\") }",
		"CR at the end":                 "{ a }\r",
		// To some one block string, to others several.
		"nine quotes":                    `mutation { addComment(a: ` + nine + `) { x } mergePullRequest(a: ` + nine + `) }`,
		"nine quotes, then a comment":    `mutation { addComment(a: ` + nine + ` #` + nine + "\n) }",
		"four":                           `{ a(b: """") }`,
		"five":                           `{ a(b: """"") }`,
		"seven":                          `{ a(b: """"""") }`,
		"eight":                          `{ a(b: """""""") }`,
		"twelve":                         `{ a(b: [` + strings.Repeat(`"`, 12) + `]) }`,
		"four at the end of a block":     `{ a(b: """x"""") }`,
		"six at the end of a block":      `{ a(b: ["""x""""""y"""]) }`,
		"strings that touch":             `{ a(b: ["x""y"]) }`,
		"a string and an empty one":      `{ a(b: ["x"""]) }`,
		"escaped backslash before three": `{ a(b: """x\\""" #""") }`,
		"escaped quotes and a fourth":    `{ a(b: """\"""" """) }`,
		"half a pair":                    `{ a(b: "\ud83d") }`,
		"half a pair before an escape":   `{ a(b: "\ud83d\n") }`,
		"the other half":                 `{ a(b: "\ude00") }`,
		"two first halves":               `{ a(b: "\ud83d\ud83d\ude00") }`,
		"half a pair in braces":          `{ a(b: "\u{d83d}") }`,
		"next line in a comment":         "{ a #\u0085 b\n }",
		"line separator in a comment":    "{ a #\u2028 b\n }",
		"mark within":                    "{ a \ufeff b }",
		"no-break space":                 "{ a\u00a0b }",
		"form feed":                      "{ a \f b }",
		"argument twice":                 `{ a(b: 1, b: 2) }`,
		"field of an input twice":        `{ a(b: {c: [{d: 1, d: 2}]}) }`,
		"argument of a directive twice":  `{ a @b(c: 1, c: 2) }`,
		"variable twice":                 `query Q($a: Int, $a: String) { b }`,
		"number and name":                `{ a(b: 0xF1) }`,
		"number and dots":                `{ a(b: 1.2.3) }`,
		"number with a zero":             `{ a(b: 01) }`,
		"three dots and a string": `{ ... # x
 "on" T { a } }`,
		"variable in a definition":       `query Q($a: Int @b(c: $d)) { e }`,
		"fragment with variables":        `{ ...f } fragment f($x: Int = 1) on Query { a }`,
		"fragment of nothing, far below": `{ a { b { ...f } } }`,
		"string without an end":          "{ a(b: \"x\n\") }",
		"block string without an end":    `{ a(b: """x") }`,
		"no arguments":                   `{ a() }`,
		"nothing selected":               `{ a { } }`,
	} {
		operations, body, err := github.ParseGraphQL(jsonType, []byte(document(t, query)))
		assert.Equal(t, github.ReasonSyntax, reasonOf(t, err), name)
		assert.Empty(t, operations)
		assert.Empty(t, body)
	}
	for name, rest := range map[string]string{
		"variable twice":         `,"variables":{"a":1,"a":2}`,
		"variable twice, below":  `,"variables":{"a":[{"b":1,"\u0062":2}]}`,
		"odd number":             `,"variables":{"a":1e999}`,
		"half a pair":            `,"variables":{"a":"\ud800"}`,
		"NUL in a name":          `,"variables":{"a\u0000":1}`,
		"comment":                `,"variables":{/* */}`,
		"variables twice":        `,"variables":{},"variables":{}`,
		"name that is no string": `,"operationName":1`,
	} {
		_, _, err := github.ParseGraphQL(jsonType, []byte(document(t, `{ a }`, rest)))
		assert.Equal(t, github.ReasonSyntax, reasonOf(t, err), name)
	}
}

func TestVariablesLeaveAsTheyWere(t *testing.T) {
	t.Parallel()
	const given = ` { "big" : 9007199254740993, "exact":1.10, "e":1E5 , "text":"<&>\u2028\\u0041\ud83d\ude00\u007f" , "list":[ null , true,{} ] } `
	_, body, err := github.ParseGraphQL(jsonType, []byte(document(t, `query Q($big:Int){a}`, `,"variables":`+given)))
	require.NoError(t, err)
	assert.Equal(t, document(t, `query Q($big:Int){a}`, `,"variables":{"big":9007199254740993,"exact":1.10,"e":1E5,"text":"<&>`+"\u2028"+`\\u0041😀\u007f","list":[null,true,{}]}`), string(body))
}

func TestPrintedDocumentsAreBounded(t *testing.T) {
	t.Parallel()
	_, body, err := github.ParseGraphQL(jsonType, []byte(document(t, `{ a(b: """`+strings.Repeat("x\n", 250_000)+`x""") }`)))
	require.NoError(t, err)
	assert.Less(t, len(body), github.MaxPrintedGraphQL)
	_, _, err = github.ParseGraphQL(jsonType, []byte(document(t, `{ a(b: """`+strings.Repeat("\\", 450_000)+`x""") }`)))
	require.NoError(t, err)
	_, _, err = github.ParseGraphQL(jsonType, []byte(document(t, `{ a(b: "`+strings.Repeat("\u0085", 400_000)+`") }`)))
	assert.Equal(t, github.ReasonTooLarge, reasonOf(t, err))
}
