package yamldoc_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/yamldoc"
)

// value is what stands under a in a file that holds nothing else.
func value(t *testing.T, text string) (*yamldoc.Doc, *yamldoc.Node) {
	t.Helper()
	doc, root := yamldoc.Read("f", []byte("a: "+text+"\n"), yamldoc.Options{})
	require.NoError(t, doc.Err(), text)
	return doc, root.Field("a")
}

func TestTruthIsTrueOrFalse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"true": true, "True": true, "TRUE": true, "false": false, "False": false} {
		doc, n := value(t, text)
		assert.Equal(t, want, n.Truth(), text)
		assert.NoError(t, doc.Err(), text)
	}
	// What other readers of YAML take for a truth is none here, and never true.
	for _, text := range []string{`"true"`, "'true'", "yes", "on", "y", "1", "tRUE", "[true]", "{true: true}", "null", "~", ""} {
		doc, n := value(t, text)
		assert.False(t, n.Truth(), text)
		assert.EqualError(t, doc.Err(), "f:1: a: must be true or false", text)
	}
}

// A number is written as people write it: in tens, without underscores, and not as text.
func TestNumbersThatAreNone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"1": 1, "+7": 7, "1000": 1000} {
		doc, n := value(t, text)
		assert.Equal(t, want, n.Count(1000), text)
		assert.NoError(t, doc.Err(), text)
	}
	for _, text := range []string{"0", "-1", "1001", "1.0", "1e2", "0x10", "0o7", "1_000", "99999999999999999999", "'5'", "five", "[5]", "{5: 5}", "null", "true"} {
		doc, n := value(t, text)
		assert.Zero(t, n.Count(1000), text)
		assert.EqualError(t, doc.Err(), "f:1: a: must be a whole number from 1 to 1000", text)
	}
	for text, want := range map[string]float64{"0.5": 0.5, "10": 10, "1e1": 10, ".5": 0.5} {
		doc, n := value(t, text)
		assert.InDelta(t, want, n.Number(10), 0, text)
		assert.NoError(t, doc.Err(), text)
	}
	for _, text := range []string{"0", "-0.5", "10.001", "1e400", ".nan", ".inf", "-.inf", "'5'", "five", "[5]", "null"} {
		doc, n := value(t, text)
		assert.Zero(t, n.Number(10), text)
		assert.EqualError(t, doc.Err(), "f:1: a: must be a number above 0, at most 10", text)
	}
}

// An error says where it is in the terms of whoever wrote the file: line, and the path of keys.
func TestErrorsHaveAPlace(t *testing.T) {
	t.Parallel()
	text := "top:\n  - name: first\n    list: [x, {deep: [y, z]}]\n  - name: second\n    \"odd key\": 1\nempty:\n\nlast: 1\n"
	for name, content := range map[string]string{"as it is": text, "from Windows": strings.ReplaceAll(text, "\n", "\r\n"), "with a mark": "\ufeff" + text} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc, root := yamldoc.Read("f", []byte(content), yamldoc.Options{})
			require.NoError(t, doc.Err())
			assert.Same(t, doc, root.Doc())
			assert.Equal(t, "f", doc.File())
			first, second := root.Field("top").Below[0], root.Field("top").Below[1]
			first.Label = "first"
			root.Field("last").Fail("is odd")
			first.Field("list").Below[1].Field("deep").Below[1].Fail("is %s", "deep")
			second.Known("name")
			second.FailSub("missing", "is missing")
			second.FailSub("name", "is there")
			root.Field("empty").Fail("is empty")
			doc.Fail(0, "", "as a whole")
			assert.EqualError(t, doc.Err(), strings.Join([]string{
				"f: as a whole",
				"f:3: top[first].list[1].deep[1]: is deep",
				"f:4: top[1].missing: is missing",
				"f:4: top[1].name: is there",
				`f:5: top[1]."odd key": unknown key; known here are name`,
				"f:6: empty: is empty",
				"f:8: last: is odd",
			}, "\n"))
			assert.Equal(t, 7, doc.Count())
		})
	}
}

// Whoever asks for one of the errors gets it, however the whole was wrapped.
func TestOneErrorOfMany(t *testing.T) {
	t.Parallel()
	doc := yamldoc.NewDoc("f", yamldoc.Options{})
	require.NoError(t, doc.Err(), "nothing is wrong with what was not read")
	doc.Fail(9, "late", "is second")
	doc.Fail(2, "early", "is first")
	err := fmt.Errorf("load: %w", doc.Err())
	one, ok := errors.AsType[yamldoc.Error](err)
	require.True(t, ok)
	assert.Equal(t, yamldoc.Error{File: "f", Line: 2, Key: "early", Msg: "is first"}, one)
	all, ok := errors.AsType[yamldoc.Errors](err)
	require.True(t, ok)
	assert.Len(t, all, 2)
}

// A file without a document is read as an empty mapping by who wants one: all that is required
// of it is missing, on its first line.
func TestNothingIsAMappingWithoutKeys(t *testing.T) {
	t.Parallel()
	doc, root := yamldoc.Read("f", []byte("# nothing yet\n"), yamldoc.Options{})
	require.NoError(t, doc.Err())
	require.Nil(t, root)
	root = doc.New()
	assert.True(t, root.Mapping("policy"))
	assert.Nil(t, root.Required("policy", "write policy: NAME"))
	assert.EqualError(t, doc.Err(), "f:1: policy: missing; write policy: NAME")
	assert.Empty(t, root.Field("policy").Words("x"), "what is not there has no words")
}

// What was refused is kept out of what is read, and who counts on all of it can tell.
func TestWhatWasRefusedIsNotRead(t *testing.T) {
	t.Parallel()
	doc, root := yamldoc.Read("f", []byte("a: {b: 1, b: 2, [c]: 3, <<: {d: 4}, e: 5}\nf: {g: 6}\n"), yamldoc.Options{})
	require.Equal(t, 3, doc.Count())
	a := root.Field("a")
	assert.True(t, a.Lost)
	assert.Equal(t, "1", a.Field("b").Text, "the first one counts for what else is looked at")
	assert.Equal(t, "5", a.Field("e").Text)
	assert.Nil(t, a.Field("d"))
	assert.Len(t, a.Below, 2)
	assert.False(t, root.Field("f").Lost)
	assert.False(t, root.Lost)
}

// The levels that people write are read, and one more is not.
func TestLevels(t *testing.T) {
	t.Parallel()
	nested := func(levels int) string { return strings.Repeat("[", levels) + "1" + strings.Repeat("]", levels) }
	doc, _ := yamldoc.Read("f", []byte("a: "+nested(31)), yamldoc.Options{})
	require.NoError(t, doc.Err())
	doc, _ = yamldoc.Read("f", []byte("a: "+nested(32)), yamldoc.Options{})
	assert.ErrorContains(t, doc.Err(), "is nested too deeply")
	assert.Equal(t, 1, doc.Count())
}

// A slip is told with what was meant; a key that is like none is told with what there is.
func TestUnknownKeys(t *testing.T) {
	t.Parallel()
	doc, root := yamldoc.Read("f", []byte("hosts: 1\nhsots: 1\nhotss: 1\nnothing-like-it: 1\n"), yamldoc.Options{})
	require.NoError(t, doc.Err())
	assert.False(t, root.Known("hosts", "kind"))
	assert.EqualError(t, doc.Err(), strings.Join([]string{
		"f:2: hsots: unknown key; known here are hosts, kind; did you mean hosts?",
		"f:3: hotss: unknown key; known here are hosts, kind; did you mean hosts?",
		"f:4: nothing-like-it: unknown key; known here are hosts, kind",
	}, "\n"))
	_, list := value(t, "[1]")
	assert.False(t, list.Mapping("b"))
	assert.EqualError(t, list.Doc().Err(), "f:1: a: must be a mapping with the keys b")
}
