package config

import (
	"maps"
	"slices"
	"strings"

	"sallyport/internal/yamldoc"
)

// value is one place of sallyport.yaml. A missing value counts as empty, so that the file may
// keep a heading whose lines are all commented out.
type value struct{ *yamldoc.Node }

// fields reads a mapping of known keys, each with its own reader.
func (v value) fields(known map[string]func(value)) {
	if !v.isMapping() {
		return
	}
	v.Known(slices.Sorted(maps.Keys(known))...)
	for _, f := range v.Below {
		if read, ok := known[f.Label]; ok && f.Kind != yamldoc.Broken {
			read(value{f})
		}
	}
}

// entries reads a mapping of any keys.
func (v value) entries(each func(name string, val value)) {
	if !v.isMapping() {
		return
	}
	for _, f := range v.Below {
		if f.Kind != yamldoc.Broken {
			each(f.Label, value{f})
		}
	}
}

func (v value) isMapping() bool {
	if v.Kind == yamldoc.Empty {
		return false
	}
	if v.Kind != yamldoc.Map {
		v.Fail("must be a mapping of keys to values")
	}
	return v.Kind == yamldoc.Map
}

// list reads a list.
func (v value) list(each func(value)) {
	switch v.Kind {
	case yamldoc.Empty, yamldoc.Broken:
	case yamldoc.List:
		for _, item := range v.Below {
			if item.Kind != yamldoc.Broken {
				each(value{item})
			}
		}
	case yamldoc.Scalar, yamldoc.Map:
		v.Fail("must be a list: [one, two]")
	}
}

// isText tells the short form of an entry from its long one.
func (v value) isText() bool { return v.Kind == yamldoc.Scalar }

// plain reads a scalar of any type as it is written.
func (v value) plain() (s string, ok bool) { return v.Text, v.isText() && v.Text != "" }

// RuleText returns the lines of one rule in the text of a policy, as they were
// written, or "" if it cannot be found there.
func RuleText(policy []byte, rule string) string {
	_, root := yamldoc.Read("", policy, yamldoc.Options{})
	if root == nil || root.Kind != yamldoc.Map {
		return ""
	}
	lines := strings.Split(string(policy), "\n")
	rules, end := member(root, "rules", len(lines)+1)
	if rules == nil || rules.Kind != yamldoc.List {
		return ""
	}
	for i, item := range rules.Below {
		name := item.Field("name")
		if name == nil || name.Text != rule {
			continue
		}
		if i+1 < len(rules.Below) {
			end = rules.Below[i+1].Line
		}
		if item.Line < 1 || end > len(lines)+1 || end <= item.Line {
			return strings.TrimSpace(lines[item.Line-1]) // several on one line
		}
		return strings.TrimRight(strings.Join(lines[item.Line-1:end-1], "\n"), " \n")
	}
	return ""
}

// member returns the value of a key and the line of the key after it, or last.
func member(mapping *yamldoc.Node, key string, last int) (value *yamldoc.Node, next int) {
	for i, f := range mapping.Below {
		if f.Label != key {
			continue
		}
		if i+1 < len(mapping.Below) {
			last = mapping.Below[i+1].KeyLine
		}
		return f, last
	}
	return nil, last
}

// eachText calls visit for every text in a file, with the keys that lead to it. Nothing
// else of the file need be right.
func (s source) eachText(visit func(keys []string, text string)) error {
	doc, root := yamldoc.Read(s.path, s.data, yamldoc.Options{Secret: true})
	if root == nil && doc.Err() != nil {
		return &fileError{File: s.path, Msg: "what it refers to is not known: " + doc.Err().Error(), Hint: "mend it, or put back what is in force"}
	}
	walkTexts(root, nil, visit)
	return nil
}

func walkTexts(n *yamldoc.Node, keys []string, visit func(keys []string, text string)) {
	if n == nil {
		return
	}
	if len(keys) > 0 && n.Text != "" {
		visit(keys, n.Text)
	}
	for _, child := range n.Below {
		below := keys
		if child.Label != "" {
			below = append(slices.Clip(keys), child.Label)
		}
		walkTexts(child, below, visit)
	}
}
