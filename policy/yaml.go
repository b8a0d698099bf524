package policy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

type nodeKind uint8

const (
	emptyNode  nodeKind = iota // null, or nothing after the colon
	brokenNode                 // already reported; silently fails every further check
	scalarNode
	listNode
	mapNode
)

// node is one YAML value and its place in the file. Only what policy files need
// survives reading: no anchors, no tags, no types. A scalar is its text.
type node struct {
	kind   nodeKind
	line   int
	text   string
	parent *node
	label  string  // key in a mapping; in a list "", or a better name than the index
	index  int     // in a list
	below  []*node // values of a mapping, items of a list
}

// key returns the path from the top, as in rules[docs].allow.path.
func (n *node) key() string {
	if n.parent == nil {
		return ""
	}
	above := n.parent.key()
	if n.parent.kind == listNode {
		label := n.label
		if label == "" {
			label = strconv.Itoa(n.index)
		}
		return above + "[" + label + "]"
	}
	return join(above, n.label)
}

func join(above, label string) string {
	if above == "" {
		return label
	}
	return above + "." + label
}

// field returns the value under a key of a mapping, or nil.
func (n *node) field(label string) *node {
	for _, f := range n.below {
		if f.label == label {
			return f
		}
	}
	return nil
}

// reader turns YAML into nodes and collects every problem on the way.
type reader struct {
	file string
	errs Errors
}

func (r *reader) fail(line int, key, format string, args ...any) {
	r.errs = append(r.errs, Error{File: r.file, Line: max(line, 1), Key: key, Msg: fmt.Sprintf(format, args...)})
}

func (r *reader) failAt(n *node, format string, args ...any) {
	r.fail(n.line, n.key(), format, args...)
}

// err returns the problems in the order of the file, nil if there are none.
func (r *reader) err() error {
	if len(r.errs) == 0 {
		return nil
	}
	slices.SortStableFunc(r.errs, func(a, b Error) int { return cmp.Compare(a.Line, b.Line) })
	return r.errs
}

// document reads the one document of a file; nil if it is unusable as a whole.
func (r *reader) document(data []byte) *node {
	if !r.checkText(data) {
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	if err := decode(decoder, &first); errors.Is(err, io.EOF) {
		r.fail(1, "", "the file is empty; begin it with policy: NAME")
		return nil
	} else if err != nil {
		r.failSyntax(data, err)
		return nil
	}
	if err := decode(decoder, &second); err == nil {
		r.fail(second.Line, "", "a second YAML document begins here; one file holds one policy, remove the ---")
	} else if !errors.Is(err, io.EOF) {
		r.failSyntax(data, err)
	}
	return r.convert(first.Content[0], nil, "", 0)
}

// decode turns a panic of the library into an error: a bad edit must never take
// the process down, and the library has checks that panic.
func decode(decoder *yaml.Decoder, into *yaml.Node) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("yaml: the file cannot be read: %v", cause)
		}
	}()
	return decoder.Decode(into)
}

// checkText refuses what a reviewer cannot see: other encodings, control and
// format characters, bidirectional overrides among them (CVE-2021-42574).
func (r *reader) checkText(data []byte) bool {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // some editors write a byte order mark
	line := 1
	for i := 0; i < len(data); {
		c, size := rune(data[i]), 1
		if c >= utf8.RuneSelf {
			c, size = utf8.DecodeRune(data[i:])
		}
		switch {
		case c == utf8.RuneError && size == 1:
			r.fail(line, "", "the file is not UTF-8 text")
			return false
		case c == '\n':
			line++
		case c != '\t' && c != '\r' && isInvisible(c):
			r.fail(line, "", "the invisible character %U is not accepted; remove it", c)
			return false
		}
		i += size
	}
	return true
}

func isInvisible(c rune) bool {
	if c < utf8.RuneSelf {
		return c < ' ' || c == 0x7f
	}
	return unicode.In(c, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

var (
	syntaxLine    = regexp.MustCompile(`^line (\d+): `)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// failSyntax gives the library's message its line and, for the mistake that is
// made most, a hint. The library has no typed error to ask.
func (r *reader) failSyntax(data []byte, err error) {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if m := syntaxLine.FindStringSubmatch(msg); m != nil {
		line, _ = strconv.Atoi(m[1]) // digits by the expression; too many give 0, which is line 1
		msg = msg[len(m[0]):]
	}
	switch m := unknownAnchor.FindStringSubmatch(msg); {
	case m != nil:
		before, _, _ := strings.Cut(string(data), "*"+m[1])
		line = 1 + strings.Count(before, "\n")
		fallthrough
	case strings.HasSuffix(msg, "alphabetic or numeric character"):
		msg = `a value that begins with * or & must be quoted, as in host: "*.example.com"`
	case strings.HasPrefix(msg, "did not find expected"):
		line++ // the parser counts these from zero, the scanner the others from one
	}
	r.fail(line, "", "not valid YAML: %s", msg)
}

// convert copies a value and refuses what gives YAML a second meaning.
func (r *reader) convert(from *yaml.Node, parent *node, label string, index int) *node {
	n := &node{line: from.Line, parent: parent, label: label, index: index}
	switch {
	case from.Kind == yaml.AliasNode || from.Anchor != "":
		r.failAt(n, "anchors and aliases (& and *) are not accepted; write the value out, or quote it")
		n.kind = brokenNode
		return n
	case from.Style&yaml.TaggedStyle != 0:
		r.failAt(n, "tags (%s) are not accepted; remove it", quoteOdd(from.Tag))
		n.kind = brokenNode
		return n
	}
	switch from.Kind {
	case yaml.ScalarNode:
		if from.Tag != "!!null" {
			n.kind, n.text = scalarNode, from.Value
		}
	case yaml.SequenceNode:
		n.kind = listNode
		for i, item := range from.Content {
			n.below = append(n.below, r.convert(item, n, "", i))
		}
	case yaml.MappingNode:
		n.kind = mapNode
		r.convertMapping(from, n)
	case yaml.DocumentNode, yaml.AliasNode:
	}
	return n
}

func (r *reader) convertMapping(from *yaml.Node, n *node) {
	lines := make(map[string]int, len(from.Content)/2)
	for i := 0; i+1 < len(from.Content); i += 2 {
		key := from.Content[i]
		switch {
		case key.Kind != yaml.ScalarNode || key.Anchor != "" || key.Style&yaml.TaggedStyle != 0:
			r.fail(key.Line, n.key(), "a key must be a plain word")
			continue
		case key.Tag == "!!merge":
			r.fail(key.Line, n.key(), "merge keys (<<) are not accepted; write the values out")
			continue
		case lines[key.Value] != 0:
			r.fail(key.Line, join(n.key(), quoteOdd(key.Value)), "the key is given twice, first on line %d; remove one", lines[key.Value])
			continue
		}
		lines[key.Value] = key.Line
		value := r.convert(from.Content[i+1], n, key.Value, 0)
		if value.kind == emptyNode {
			value.line = key.Line // the library puts a missing value on the line after
		}
		n.below = append(n.below, value)
	}
}

// quoteOdd quotes text that could not stand in a message as it is.
func quoteOdd(s string) string {
	if s == "" || strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsGraphic(c) || unicode.IsSpace(c) }) {
		return strconv.Quote(s)
	}
	return s
}
