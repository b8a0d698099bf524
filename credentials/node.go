package credentials

import (
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// shape is what a YAML value is.
type shape uint8

const (
	null shape = iota
	scalar
	mapping
	sequence
)

// maxDepth is deeper than any credential needs; yaml.v3 itself would go to 10,000.
const maxDepth = 16

// node is a YAML value and its line: all that the rest of the package knows of YAML.
type node struct {
	line  int
	shape shape
	text  string  // of a scalar
	pairs []pair  // of a mapping, in the file's order
	items []*node // of a sequence
}

type pair struct {
	key   string
	line  int
	value *node
}

// parseNode reads data, which must be one YAML document without anchors, aliases
// and tags. It returns nil when there is nothing to read; what is wrong is in p.
func (p *parser) parseNode(data []byte) *node {
	decoder := yaml.NewDecoder(strings.NewReader(string(data)))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil {
		p.syntax(err)
		return nil
	}
	if err := decoder.Decode(&yaml.Node{}); err == nil || err.Error() != "EOF" {
		p.fail(0, "", "more than one YAML document; keep one")
	}
	if len(document.Content) == 0 {
		return nil
	}
	return p.convert(document.Content[0], 0)
}

// yamlLine finds the line in yaml.v3's messages, which carry it nowhere else.
var yamlLine = regexp.MustCompile(`line (\d+): `)

// syntax reports what yaml.v3 cannot read. Of its text only what is known to hold no
// part of the file is kept: an anchor's name, for one, could be a pasted secret.
func (p *parser) syntax(err error) {
	message := err.Error()
	if message == "EOF" {
		return
	}
	line := 0
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1])
	}
	message = message[strings.LastIndex(message, ": ")+len(": "):]
	if strings.ContainsAny(message, "'\"`") || !strings.Contains(message, " ") {
		message = "a form that YAML does not allow"
	}
	if strings.Contains(err.Error(), "anchor") {
		message = "anchors and aliases are not supported; write the value out"
	}
	p.fail(line, "", "not valid YAML: %s", message)
}

func (p *parser) convert(y *yaml.Node, depth int) *node {
	n := &node{line: y.Line}
	switch {
	case depth > maxDepth:
		p.fail(y.Line, "", "nested too deeply")
	case y.Kind == yaml.AliasNode || y.Anchor != "":
		p.fail(y.Line, "", "anchors and aliases are not supported; write the value out")
	case y.Style&yaml.TaggedStyle != 0:
		p.fail(y.Line, "", "YAML tags are not supported; write the plain value")
	case y.Kind == yaml.MappingNode:
		n.shape = mapping
		for i := 0; i+1 < len(y.Content); i += 2 {
			key, value := y.Content[i], y.Content[i+1]
			if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
				p.fail(key.Line, "", "a key must be a plain word")
				continue
			}
			n.pairs = append(n.pairs, pair{key: key.Value, line: key.Line, value: p.convert(value, depth+1)})
		}
	case y.Kind == yaml.SequenceNode:
		n.shape = sequence
		for _, item := range y.Content {
			n.items = append(n.items, p.convert(item, depth+1))
		}
	case y.Kind == yaml.ScalarNode && y.Tag != "!!null":
		n.shape, n.text = scalar, y.Value
	}
	return n
}
