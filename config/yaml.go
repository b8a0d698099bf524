package config

import (
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// value is one place of a YAML file: it reads strictly and reports what is
// wrong there, by line and key. A zero node is an absent value.
type value struct {
	node *yaml.Node
	key  string
	to   *problems
}

// parseYAML returns the root of the only document in data; an empty document
// is an empty mapping.
func parseYAML(data []byte, to *problems) value {
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return value{node: &yaml.Node{Kind: yaml.MappingNode}, to: to}
	case err != nil:
		to.yamlError(err)
		return value{to: to}
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		to.add(second.Line, "", "more than one document; remove the `---`")
	}
	return value{node: doc.Content[0], to: to}
}

// yamlError takes the line out of the parser's own text.
func (p *problems) yamlError(err error) {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	var line int
	if rest, ok := strings.CutPrefix(msg, "line "); ok {
		if number, text, ok := strings.Cut(rest, ": "); ok {
			if n, err := strconv.Atoi(number); err == nil {
				line, msg = n, text
			}
		}
	}
	p.add(line, "", "not YAML: %s", msg)
}

func (v value) fail(format string, args ...any) {
	v.to.add(v.node.Line, v.key, format, args...)
}

func (v value) child(name string, node *yaml.Node) value {
	key := name
	if v.key != "" {
		key = v.key + "." + name
	}
	return value{node: node, key: key, to: v.to}
}

func (v value) null() bool { return v.node.Kind == yaml.ScalarNode && v.node.Tag == "!!null" }

// fields reads a mapping of known keys, each with its own reader.
func (v value) fields(known map[string]func(value)) {
	names := slices.Sorted(maps.Keys(known))
	v.entries(func(name string, key, val value) {
		read, ok := known[name]
		if !ok {
			key.fail("unknown key; known here: %s", strings.Join(names, ", "))
			return
		}
		read(val)
	})
}

// entries reads a mapping of any keys. A missing value counts as empty, so that
// a file may keep a heading whose lines are all commented out.
func (v value) entries(each func(name string, key, val value)) {
	if v.node == nil || v.null() {
		return
	}
	if v.node.Kind != yaml.MappingNode {
		v.fail("must be a mapping of keys to values")
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		k, val := v.node.Content[i], v.node.Content[i+1]
		key := v.child(k.Value, k)
		switch {
		case k.Kind != yaml.ScalarNode:
			key.fail("a key must be plain text")
		case seen[k.Value] != 0:
			key.fail("given twice, first on line %d", seen[k.Value])
		case val.Kind == yaml.AliasNode || val.Anchor != "":
			key.fail("anchors and aliases are not read; write the value out")
		default:
			seen[k.Value] = k.Line
			each(k.Value, key, v.child(k.Value, val))
		}
	}
}

// list reads a sequence.
func (v value) list(each func(value)) {
	if v.null() {
		return
	}
	if v.node.Kind != yaml.SequenceNode {
		v.fail("must be a list: [one, two]")
		return
	}
	for i, item := range v.node.Content {
		entry := value{node: item, key: v.key + "[" + strconv.Itoa(i) + "]", to: v.to}
		if item.Kind == yaml.AliasNode || item.Anchor != "" {
			entry.fail("anchors and aliases are not read; write the value out")
			continue
		}
		each(entry)
	}
}

// isText tells the short form of an entry from its long one.
func (v value) isText() bool { return v.node.Kind == yaml.ScalarNode && !v.null() }

// text reads a string that is not empty; ok is false after a failure.
func (v value) text() (s string, ok bool) {
	if v.node.Kind != yaml.ScalarNode || v.node.Tag != "!!str" || v.node.Value == "" {
		v.fail("must be text; put it in quotes if it looks like something else")
		return "", false
	}
	return v.node.Value, true
}

// plain reads a scalar of any type as it is written.
func (v value) plain() (s string, ok bool) {
	return v.node.Value, v.isText() && v.node.Value != ""
}

// number reads a number from above 0 to most.
func (v value) number(most float64) float64 {
	n, err := strconv.ParseFloat(v.node.Value, 64)
	numeric := v.node.Tag == "!!int" || v.node.Tag == "!!float"
	if v.node.Kind != yaml.ScalarNode || !numeric || err != nil || !(n > 0 && n <= most) {
		v.fail("must be a number above 0, at most %.0f", most)
		return 0
	}
	return n
}

// count reads a whole number from 1 to most.
func (v value) count(most int) int {
	n, err := strconv.Atoi(v.node.Value)
	if v.node.Kind != yaml.ScalarNode || v.node.Tag != "!!int" || err != nil || n < 1 || n > most {
		v.fail("must be a whole number from 1 to %d", most)
		return 0
	}
	return n
}

// RuleText returns the lines of one rule in the text of a policy, as they were
// written, or "" if it cannot be found there.
func RuleText(policy []byte, rule string) string {
	var doc yaml.Node
	if err := yaml.Unmarshal(policy, &doc); err != nil || len(doc.Content) == 0 {
		return ""
	}
	lines := strings.Split(string(policy), "\n")
	rules, end := member(doc.Content[0], "rules", len(lines)+1)
	if rules == nil || rules.Kind != yaml.SequenceNode {
		return ""
	}
	for i, item := range rules.Content {
		name, _ := member(item, "name", 0)
		if name == nil || name.Value != rule {
			continue
		}
		if i+1 < len(rules.Content) {
			end = rules.Content[i+1].Line
		}
		if item.Line < 1 || end > len(lines)+1 || end <= item.Line {
			return strings.TrimSpace(lines[item.Line-1]) // several on one line
		}
		return strings.TrimRight(strings.Join(lines[item.Line-1:end-1], "\n"), " \n")
	}
	return ""
}

// member returns the value of a key and the line of the key after it, or last.
func member(mapping *yaml.Node, key string, last int) (value *yaml.Node, next int) {
	if mapping.Kind != yaml.MappingNode {
		return nil, last
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value != key {
			continue
		}
		if i+2 < len(mapping.Content) {
			last = mapping.Content[i+2].Line
		}
		return mapping.Content[i+1], last
	}
	return nil, last
}

// eachText calls visit for every text in a file, with the keys that lead to it. Nothing
// else of the file need be right.
func (s source) eachText(visit func(keys []string, text string)) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(s.data, &doc); err != nil {
		return &fileError{File: s.path, Msg: "what it refers to is not known: " + err.Error(), Hint: "mend it, or put back what is in force"}
	}
	walkTexts(&doc, nil, visit)
	return nil
}

// walkTexts does not follow aliases: what they stand for is visited where it is written.
func walkTexts(n *yaml.Node, keys []string, visit func(keys []string, text string)) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			walkTexts(n.Content[i+1], append(slices.Clip(keys), n.Content[i].Value), visit)
		}
	case yaml.ScalarNode:
		if len(keys) > 0 && n.Value != "" {
			visit(keys, n.Value)
		}
	case yaml.DocumentNode, yaml.SequenceNode:
		for _, child := range n.Content {
			walkTexts(child, keys, visit)
		}
	case yaml.AliasNode:
	}
}
