package yamldoc

import (
	"slices"
	"strconv"
	"strings"

	"sallyport/internal/nearest"
)

// Kind is what a value is.
type Kind uint8

// The kinds.
const (
	Empty  Kind = iota // null, or nothing after the colon
	Broken             // already reported; silently fails every further check
	Scalar
	List
	Map
)

// Node is one value and its place in the file.
type Node struct {
	Kind    Kind
	Line    int
	KeyLine int     // of the key, in a mapping
	Text    string  // of a scalar, as it was written
	Label   string  // key in a mapping; in a list "", or a better name than the index
	Below   []*Node // values of a mapping, items of a list
	Lost    bool    // of a mapping: keys are not in Below, for they were reported

	doc    *Doc
	parent *Node
	index  int // in a list
	depth  int
	tag    string
}

// New is an empty mapping of a document that has none.
func (d *Doc) New() *Node { return &Node{doc: d, Kind: Map} }

func (n *Node) broken() *Node {
	n.Kind = Broken
	return n
}

// Doc is the file that the node is of.
func (n *Node) Doc() *Doc { return n.doc }

// Key returns the path from the top, as in rules[docs].allow.path.
func (n *Node) Key() string {
	if n.parent == nil {
		return ""
	}
	above := n.parent.Key()
	if n.parent.Kind == List {
		label := n.Label
		if label == "" {
			label = strconv.Itoa(n.index)
		}
		return above + "[" + label + "]"
	}
	return join(above, n.Label)
}

func join(above, label string) string {
	if above == "" {
		return label
	}
	return above + "." + label
}

// Sub is the path of a key below the node.
func (n *Node) Sub(label string) string { return join(n.Key(), label) }

// Field returns the value under a key of a mapping, or nil.
func (n *Node) Field(label string) *Node {
	for _, f := range n.Below {
		if f.Label == label {
			return f
		}
	}
	return nil
}

// Fail reports that something is wrong with the value, unless that is due to an error which was
// already reported.
func (n *Node) Fail(format string, args ...any) {
	if n.Kind != Broken {
		n.doc.Fail(max(n.Line, 1), n.Key(), format, args...)
	}
}

// FailSub reports that something is wrong with a key below the node, which may be missing.
func (n *Node) FailSub(label, format string, args ...any) {
	line := n.Line
	if f := n.Field(label); f != nil {
		line = f.KeyLine
	}
	n.doc.Fail(max(line, 1), n.Sub(label), format, args...)
}

// WarnSub warns of a key below the node.
func (n *Node) WarnSub(label, format string, args ...any) {
	line := n.Line
	if f := n.Field(label); f != nil {
		line = f.KeyLine
	}
	n.doc.Warn(line, n.Sub(label), format, args...)
}

// Mapping checks that the node is a mapping with no key beyond the known ones.
func (n *Node) Mapping(known ...string) bool {
	if n.Kind != Map {
		n.Fail("must be a mapping with the keys %s", strings.Join(known, ", "))
		return false
	}
	n.Known(known...)
	return true
}

// Known reports every key of a mapping beyond the known ones, with the one that was perhaps
// meant; ok is false if there is one.
func (n *Node) Known(known ...string) (ok bool) {
	ok = true
	for _, f := range n.Below {
		if slices.Contains(known, f.Label) {
			continue
		}
		ok = false
		hint := ""
		if slip, meant := nearest.Slip(f.Label, known); meant {
			hint = "; did you mean " + slip + "?"
		}
		n.doc.Fail(f.KeyLine, n.Sub(n.doc.shownKey(f.Label)), "unknown key; known here are %s%s", strings.Join(known, ", "), hint)
	}
	return ok
}

// Required returns the value under a key and fails where it is missing.
func (n *Node) Required(label, hint string) *Node {
	f := n.Field(label)
	if f == nil {
		n.FailSub(label, "missing; %s", hint)
	}
	return f
}

// Word reads a scalar that is not empty.
func (n *Node) Word(hint string) (string, bool) {
	if n.Kind != Scalar || n.Text == "" {
		n.Fail("must be a single value; %s", hint)
		return "", false
	}
	return n.Text, true
}

// Items reads a list that is not empty.
func (n *Node) Items(hint string) ([]*Node, bool) {
	switch {
	case n.Kind != List:
		n.Fail("must be a list; %s", hint)
		return nil, false
	case len(n.Below) == 0:
		n.Fail("the list is empty; %s", hint)
		return nil, false
	}
	return n.Below, true
}

// Words reads a list of words without repetition. A nil node, of a key that is not there, has
// none.
func (n *Node) Words(hint string) []*Node {
	if n == nil {
		return nil
	}
	all, ok := n.Items(hint)
	if !ok {
		return nil
	}
	var words []*Node
	seen := map[string]bool{}
	for _, item := range all {
		text, ok := item.Word(hint)
		switch {
		case !ok:
		case seen[text]:
			item.Fail("%s is listed twice; remove one", n.doc.Shown(text))
		default:
			seen[text] = true
			words = append(words, item)
		}
	}
	return words
}

// Plain reports whether the node is a scalar that YAML reads as text, a number ("!!int",
// "!!float") or a truth ("!!bool"): what is quoted is "!!str".
func (n *Node) Plain(tags ...string) bool {
	return n.Kind == Scalar && slices.Contains(tags, n.tag)
}

// Written reads text that is not empty, and that YAML reads as text.
func (n *Node) Written() (s string, ok bool) {
	if !n.Plain("!!str") || n.Text == "" {
		n.Fail("must be text; put it in quotes if it looks like something else")
		return "", false
	}
	return n.Text, true
}

// Number reads a number from above 0 to most; 0 after a failure.
func (n *Node) Number(most float64) float64 {
	number, err := strconv.ParseFloat(n.Text, 64)
	if !n.Plain("!!int", "!!float") || err != nil || !(number > 0 && number <= most) {
		n.Fail("must be a number above 0, at most %.0f", most)
		return 0
	}
	return number
}

// Count reads a whole number from 1 to most; 0 after a failure.
func (n *Node) Count(most int) int {
	count, err := strconv.Atoi(n.Text)
	if !n.Plain("!!int") || err != nil || count < 1 || count > most {
		n.Fail("must be a whole number from 1 to %d", most)
		return 0
	}
	return count
}

// Truth reads true or false; false after a failure.
func (n *Node) Truth() bool {
	if !n.Plain("!!bool") {
		n.Fail("must be true or false")
		return false
	}
	return strings.EqualFold(n.Text, "true")
}

// Value is what stands below n as maps, lists, texts, numbers and truth values, without its
// comments. What is broken is left out.
func (n *Node) Value() any {
	switch n.Kind {
	case Map:
		m := make(map[string]any, len(n.Below))
		for _, f := range n.Below {
			if f.Kind != Broken {
				m[f.Label] = f.Value()
			}
		}
		return m
	case List:
		list := make([]any, 0, len(n.Below))
		for _, item := range n.Below {
			if item.Kind != Broken {
				list = append(list, item.Value())
			}
		}
		return list
	case Scalar:
		return n.scalar()
	case Empty, Broken:
	}
	return nil
}

func (n *Node) scalar() any {
	switch n.tag {
	case "!!bool":
		return n.Text == "true"
	case "!!int":
		if i, err := strconv.ParseInt(strings.ReplaceAll(n.Text, "_", ""), 0, 64); err == nil {
			return i
		}
	case "!!float":
		if f, err := strconv.ParseFloat(n.Text, 64); err == nil {
			return f
		}
	}
	return n.Text
}
