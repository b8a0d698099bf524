package yamldoc

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Options say what kind of file is read.
type Options struct {
	// Empty is what is wrong with a file without a value. Without it such a file is read as
	// nothing.
	Empty string
	// One is why there is one document: "one file holds one policy".
	One string
	// Secret: the file refers to secrets, and one may have slipped to where it does not
	// belong. Errors repeat only what looks like a word.
	Secret bool
	// MaxSize in bytes; 4 MiB if 0.
	MaxSize int
}

const (
	defaultMaxSize = 4 << 20
	// maxDepth is deeper than people write; the library itself would go to 10,000.
	maxDepth = 32
)

// Read reads the one document of a file. root is nil if there is none, or if the file cannot be
// used as a whole; then [Doc.Err] says why.
func Read(file string, data []byte, o Options) (d *Doc, root *Node) {
	d = NewDoc(file, o)
	most := o.MaxSize
	if most == 0 {
		most = defaultMaxSize
	}
	if len(data) > most {
		d.Fail(0, "", "is larger than %d bytes", most)
		return d, nil
	}
	if !d.checkText(data) {
		return d, nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	if err := decode(decoder, &first); errors.Is(err, io.EOF) {
		if o.Empty != "" {
			d.Fail(1, "", "%s", o.Empty)
		}
		return d, nil
	} else if err != nil {
		d.failSyntax(data, err)
		return d, nil
	}
	if err := decode(decoder, &second); err == nil {
		d.Fail(second.Line, "", "a second YAML document begins here; %s, remove the ---", cmp.Or(o.One, "keep one"))
	} else if !errors.Is(err, io.EOF) {
		d.failSyntax(data, err)
	}
	return d, d.convert(first.Content[0], nil, "", 0)
}

// decode turns a panic of the library into an error: it has checks that panic.
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
func (d *Doc) checkText(data []byte) bool {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // some editors write a byte order mark
	line := 1
	for i := 0; i < len(data); {
		c, size := rune(data[i]), 1
		if c >= utf8.RuneSelf {
			c, size = utf8.DecodeRune(data[i:])
		}
		switch {
		case c == utf8.RuneError && size == 1:
			d.Fail(line, "", "the file is not UTF-8 text")
			return false
		case c == '\n':
			line++
		case c != '\t' && c != '\r' && isInvisible(c):
			d.Fail(line, "", "the invisible character %U is not accepted; remove it", c)
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
func (d *Doc) failSyntax(data []byte, err error) {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if m := syntaxLine.FindStringSubmatch(msg); m != nil {
		line, _ = strconv.Atoi(m[1]) // digits by the expression; too many give 0, which is line 1
		line, msg = max(line, 1), msg[len(m[0]):]
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
	case d.secret && strings.ContainsAny(msg, "'\"`"): // it quotes the file
		msg = "a form that YAML does not allow"
	}
	last := 1 + bytes.Count(bytes.TrimRight(data, "\n"), []byte("\n"))
	d.Fail(min(line, last), "", "not valid YAML: %s", msg)
}

// convert copies a value and refuses what gives YAML a second meaning.
func (d *Doc) convert(from *yaml.Node, parent *Node, label string, index int) *Node {
	n := &Node{doc: d, Line: from.Line, parent: parent, Label: label, index: index}
	if parent != nil {
		n.depth = parent.depth + 1
	}
	switch {
	case n.depth > maxDepth:
		n.Fail("is nested too deeply")
		return n.broken()
	case from.Kind == yaml.AliasNode || from.Anchor != "":
		n.Fail("anchors and aliases (& and *) are not accepted; write the value out, or quote it")
		defer n.broken() // what is below is read for those who only look what there is
	case from.Style&yaml.TaggedStyle != 0:
		n.Fail("tags (%s) are not accepted; remove it", d.Shown(from.Tag))
		return n.broken()
	}
	switch from.Kind {
	case yaml.ScalarNode:
		n.tag = from.Tag
		if from.Tag != "!!null" {
			n.Kind, n.Text = Scalar, from.Value
		}
	case yaml.SequenceNode:
		n.Kind = List
		for i, item := range from.Content {
			n.Below = append(n.Below, d.convert(item, n, "", i))
		}
	case yaml.MappingNode:
		n.Kind = Map
		d.convertMapping(from, n)
	case yaml.DocumentNode, yaml.AliasNode: // an alias stands for what is read where it is written
	}
	return n
}

func (d *Doc) convertMapping(from *yaml.Node, n *Node) {
	lines := make(map[string]int, len(from.Content)/2)
	defer func() { n.Lost = len(n.Below) < len(from.Content)/2 }()
	for i := 0; i+1 < len(from.Content); i += 2 {
		key := from.Content[i]
		switch {
		case key.Kind != yaml.ScalarNode || key.Anchor != "" || key.Style&yaml.TaggedStyle != 0:
			d.Fail(key.Line, n.Key(), "a key must be a plain word")
			continue
		case key.Tag == "!!merge":
			d.Fail(key.Line, n.Key(), "merge keys (<<) are not accepted; write the values out")
			continue
		case lines[key.Value] != 0:
			d.Fail(key.Line, join(n.Key(), d.shownKey(key.Value)), "the key is given twice, first on line %d; remove one", lines[key.Value])
			continue
		}
		lines[key.Value] = key.Line
		value := d.convert(from.Content[i+1], n, key.Value, 0)
		value.KeyLine = key.Line
		if value.Kind == Empty {
			value.Line = key.Line // the library puts a missing value on the line after
		}
		n.Below = append(n.Below, value)
	}
}

// word is what may be repeated of a file that refers to secrets.
var word = regexp.MustCompile(`^[a-z][a-z_-]{0,19}$`)

// Shown is text of the file as an error may repeat it.
func (d *Doc) Shown(s string) string {
	switch {
	case !d.secret:
		return Quote(s)
	case word.MatchString(s):
		return strconv.Quote(s)
	}
	return notShown
}

// shownKey is a key as a path may repeat it.
func (d *Doc) shownKey(s string) string {
	if d.secret && !word.MatchString(s) {
		return notShown
	}
	return Quote(s)
}

const notShown = "(not shown)"

// Quote quotes text that could not stand in a message as it is.
func Quote(s string) string {
	if s == "" || strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsGraphic(c) || unicode.IsSpace(c) }) {
		return strconv.Quote(s)
	}
	return s
}
