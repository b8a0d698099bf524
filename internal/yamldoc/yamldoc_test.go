package yamldoc_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/yamldoc"
)

// What gives YAML a second meaning, or a reviewer cannot see, is refused with its place.
func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"an anchor":                 {"a: &x 1\nb: 2\n", "f:1: a: anchors and aliases (& and *) are not accepted; write the value out, or quote it"},
		"an alias":                  {"a:\n  - &x 1\n  - *x\n", "f:3: a[1]: anchors and aliases"},
		"an anchor of a key":        {"&x a: 1\n", "f:1: a key must be a plain word"},
		"an unknown alias":          {"a: 1\nb: *x\n", "f:2: not valid YAML: a value that begins with * or & must be quoted"},
		"a tag":                     {"a: !!binary aGk=\n", "f:1: a: tags (!!binary) are not accepted; remove it"},
		"a merge":                   {"a:\n  <<: {b: 1}\n", "f:2: a: merge keys (<<) are not accepted; write the values out"},
		"a key twice":               {"a: 1\nb: {c: 1, c: 2}\n", "f:2: b.c: the key is given twice, first on line 2; remove one"},
		"a list as a key":           {"[a]: 1\n", "f:1: a key must be a plain word"},
		"a second document":         {"a: 1\n---\nb: 1\n", "f:2: a second YAML document begins here; keep one, remove the ---"},
		"what is not YAML":          {"a: [\n", "f:1: not valid YAML: did not find expected node content"},
		"another encoding":          {"a: \xff\n", "f:1: the file is not UTF-8 text"},
		"a control character":       {"a: 1\nb: \x07\n", "f:2: the invisible character U+0007 is not accepted; remove it"},
		"a bidirectional mark":      {"a: \u202ex\n", "f:1: the invisible character U+202E is not accepted"},
		"a soft hyphen":             {"# \u00ad\na: 1\n", "f:1: the invisible character U+00AD"},
		"what the parser chokes on": {"a: " + strings.Repeat("[", 20_000), "f:1: "},
		"what nobody writes":        {"a: " + strings.Repeat("{b: ", 40) + "1" + strings.Repeat("}", 40), "is nested too deeply"},
	} {
		doc, _ := yamldoc.Read("f", []byte(c.text), yamldoc.Options{})
		require.Error(t, doc.Err(), name)
		assert.ErrorContains(t, doc.Err(), c.want, name)
		var all yamldoc.Errors
		require.ErrorAs(t, doc.Err(), &all, name)
	}
}

func TestReadTakesWhatSaysOneThing(t *testing.T) {
	t.Parallel()
	doc, root := yamldoc.Read("f", []byte("\ufeff# a heading\na: 'x'\nb:\nc: [1, two, \"3\"]\nd: {e: 2.5}\n"), yamldoc.Options{})
	require.NoError(t, doc.Err())
	require.Equal(t, yamldoc.Map, root.Kind)
	assert.Equal(t, "x", root.Field("a").Text)
	assert.Equal(t, yamldoc.Empty, root.Field("b").Kind)
	assert.Equal(t, 3, root.Field("b").Line)
	c := root.Field("c")
	assert.True(t, c.Below[0].Plain("!!int"))
	assert.True(t, c.Below[2].Plain("!!str"), "it is quoted")
	assert.Equal(t, "c[2]", c.Below[2].Key())
	c.Below[1].Label = "two"
	assert.Equal(t, "c[two]", c.Below[1].Key())
	assert.Equal(t, "d.e", root.Field("d").Field("e").Key())
	assert.Nil(t, root.Field("z"))

	doc, root = yamldoc.Read("f", []byte("# nothing\n"), yamldoc.Options{})
	require.NoError(t, doc.Err())
	assert.Nil(t, root)
	doc, _ = yamldoc.Read("f", nil, yamldoc.Options{Empty: "is empty; write something"})
	assert.EqualError(t, doc.Err(), "f:1: is empty; write something")
	doc, _ = yamldoc.Read("f", make([]byte, 11), yamldoc.Options{MaxSize: 10})
	assert.EqualError(t, doc.Err(), "f: is larger than 10 bytes")
}

// All that is wrong is told at once, in the order of the file.
func TestErrorsAreGathered(t *testing.T) {
	t.Parallel()
	doc, root := yamldoc.Read("f", []byte("late: 1\nname: [x]\nlist: []\nwords: [a, a, {}]\nlimts: {}\n"), yamldoc.Options{})
	require.NoError(t, doc.Err())
	root.Mapping("name", "list", "words", "limits", "late")
	root.Required("must", "write must: 1")
	_, ok := root.Field("words").Below[0].Word("")
	assert.True(t, ok)
	assert.Len(t, root.Field("words").Words("write words: [a]"), 1)
	root.Field("list").Items("write list: [a]")
	root.Field("name").Word("write name: x")
	root.WarnSub("late", "is late")
	assert.EqualError(t, doc.Err(), strings.Join([]string{
		"f:1: must: missing; write must: 1",
		"f:2: name: must be a single value; write name: x",
		"f:3: list: the list is empty; write list: [a]",
		"f:4: words[1]: a is listed twice; remove one",
		"f:4: words[2]: must be a single value; write words: [a]",
		"f:5: limts: unknown key; known here are name, list, words, limits, late; did you mean limits?",
	}, "\n"))
	assert.Equal(t, []string{"f:1: late: is late"}, doc.Warnings())
	var one yamldoc.Error
	require.ErrorAs(t, doc.Err(), &one)
	assert.Equal(t, 1, one.Line)
}

// What was reported is silent in every further check.
func TestWhatIsBrokenIsReportedOnce(t *testing.T) {
	t.Parallel()
	doc, root := yamldoc.Read("f", []byte("a: !x 1\n"), yamldoc.Options{})
	n := root.Field("a")
	n.Mapping("b")
	n.Word("")
	n.Items("")
	n.Fail("is odd")
	assert.Equal(t, 1, doc.Count())
}

func TestASecretIsNotRepeated(t *testing.T) {
	t.Parallel()
	const secret = "sk7f3a9QxZw0dCaNaRy"
	for _, text := range []string{
		"a: {%s: 1}", "a: {%s: 1, %s: 2}", "a: &%s 1", "a: *%s", "a: !%s 1", "a: '%s", "%%%s x", "a: %s: b: c", "? [%s]\n: 1", "a: \"\\%s\"",
	} {
		doc, root := yamldoc.Read("f", []byte(strings.ReplaceAll(text, "%s", secret)), yamldoc.Options{Secret: true})
		if root != nil {
			root.Known("b")
			if a := root.Field("a"); a != nil {
				a.Known("kind")
			}
		}
		require.Error(t, doc.Err(), text)
		assert.NotContains(t, doc.Err().Error(), secret[:6], text)
	}
	doc, _ := yamldoc.Read("f", []byte("a: 1"), yamldoc.Options{Secret: true})
	assert.Equal(t, `"kind"`, doc.Shown("kind"))
	assert.Equal(t, "(not shown)", doc.Shown(secret))
}

// FuzzRead: no text takes the process down, and each is read or explained.
func FuzzRead(f *testing.F) {
	for _, text := range []string{"a: 1\n", "a: &x [*x]", "- - -", "a: {b: [c, 'd']}\n---\n", "\ufeff? a\n: b", "a: !!map {<<: {}}", "%YAML 1.1\n---\na"} {
		f.Add([]byte(text), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, secret bool) {
		doc, root := yamldoc.Read("f", data, yamldoc.Options{Secret: secret})
		if err := doc.Err(); err != nil {
			for _, e := range err.(yamldoc.Errors) { //nolint:errorlint // the type is the contract
				require.Equal(t, "f", e.File)
				require.NotEmpty(t, e.Msg)
			}
		}
		var walk func(n *yamldoc.Node)
		walk = func(n *yamldoc.Node) {
			_ = n.Key()
			n.Known("a")
			for _, below := range n.Below {
				walk(below)
			}
		}
		if root != nil {
			walk(root)
		}
	})
}

func TestNumbersAndTextAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for text, c := range map[string]struct {
		read func(n *yamldoc.Node) any
		want any // nil for an error
	}{
		"a: 3":      {func(n *yamldoc.Node) any { return n.Count(3) }, 3},
		"a: 4":      {func(n *yamldoc.Node) any { return n.Count(3) }, nil},
		"a: 0":      {func(n *yamldoc.Node) any { return n.Count(3) }, nil},
		"a: \"3\"":  {func(n *yamldoc.Node) any { return n.Count(3) }, nil},
		"a: 2.5":    {func(n *yamldoc.Node) any { return n.Number(3) }, 2.5},
		"a: .inf":   {func(n *yamldoc.Node) any { return n.Number(3) }, nil},
		"a: -1":     {func(n *yamldoc.Node) any { return n.Number(3) }, nil},
		"a: [1]":    {func(n *yamldoc.Node) any { return n.Number(3) }, nil},
		"a: one":    {func(n *yamldoc.Node) any { s, _ := n.Written(); return s }, "one"},
		"a: \"1\"":  {func(n *yamldoc.Node) any { s, _ := n.Written(); return s }, "1"},
		"a: 1":      {func(n *yamldoc.Node) any { s, _ := n.Written(); return s }, nil},
		"a: \"\"":   {func(n *yamldoc.Node) any { s, _ := n.Written(); return s }, nil},
		"a: {b: c}": {func(n *yamldoc.Node) any { s, _ := n.Written(); return s }, nil},
	} {
		doc, root := yamldoc.Read("x.yaml", []byte(text), yamldoc.Options{})
		require.NotNil(t, root, text)
		got := c.read(root.Field("a"))
		if c.want == nil {
			assert.ErrorContains(t, doc.Err(), "x.yaml:1: a: must be", text)
			assert.Zero(t, got, text)
			continue
		}
		assert.Equal(t, c.want, got, text)
		assert.NoError(t, doc.Err(), text)
	}
}
