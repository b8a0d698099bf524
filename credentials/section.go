package credentials

import (
	"strings"
	"time"

	"sallyport/internal/yamldoc"
)

// parser gathers everything wrong with a file, so that one look mends it all.
type parser struct {
	doc     *yamldoc.Doc
	options Options
	env     []string                           // variables that env: secrets read
	files   []string                           // files that file: secrets are read from
	argv    [][]string                         // commands that exec: secrets are printed by
	later   []func(all map[string]*Credential) // what needs the others
	sources []source                           // of the credential that is being read
}

// reading is how credentials.yaml is read.
func fileOptions() yamldoc.Options { return yamldoc.Options{Secret: true, MaxSize: maxFile} }

// Section is one mapping of the file with only keys that are allowed in it: an entry, or a part
// of one. What is wrong with it is reported through it, and never repeats a value that could be
// a secret.
type Section struct {
	*parser
	node *yamldoc.Node
}

// section reads n as a mapping. Keys that are not allowed are errors.
func (p *parser) section(n *yamldoc.Node, allowed []string) (*Section, bool) {
	s := &Section{parser: p, node: n}
	if n.Kind != yamldoc.Map {
		n.Fail("must be a mapping with the keys %s", strings.Join(allowed, ", "))
		return s, false
	}
	n.Known(allowed...)
	return s, true
}

// Wrong reports that something is wrong with a key, at its own line.
func (s *Section) Wrong(key, format string, args ...any) { s.node.FailSub(key, format, args...) }

// WrongAt is Wrong at the line of an item of the key's list.
func (s *Section) WrongAt(item *yamldoc.Node, key, format string, args ...any) {
	s.doc.Fail(item.Line, s.node.Sub(key), format, args...)
}

// Missing reports that a key is missing, with what to write.
func (s *Section) Missing(format string, args ...any) {
	s.doc.Fail(s.node.KeyLine, s.node.Key(), format, args...)
}

// Caution warns about a key at its own line.
func (s *Section) Caution(key, format string, args ...any) { s.node.WarnSub(key, format, args...) }

// Has reports whether a key is there.
func (s *Section) Has(key string) bool { return s.node.Field(key) != nil }

// Text returns the value of a key that must be there.
func (s *Section) Text(key, example string) (string, bool) {
	f := s.node.Field(key)
	switch {
	case f == nil:
		s.Missing("key %q is missing; write %s: %s", key, key, example)
	case f.Kind == yamldoc.Broken:
	case f.Kind != yamldoc.Scalar:
		s.Wrong(key, "must be one value; write %s: %s", key, example)
	default:
		return f.Text, true
	}
	return "", false
}

// Texts returns the values of a list that must be there and have something in it.
func (s *Section) Texts(key, example string) []*yamldoc.Node {
	f := s.node.Field(key)
	if f == nil {
		s.Missing("key %q is missing; write %s: %s", key, key, example)
		return nil
	}
	if f.Kind != yamldoc.List || len(f.Below) == 0 {
		if f.Kind != yamldoc.Broken {
			s.Wrong(key, "must be a list with at least one value; write %s: %s", key, example)
		}
		return nil
	}
	for _, item := range f.Below {
		if item.Kind != yamldoc.Scalar {
			if item.Kind != yamldoc.Broken {
				s.WrongAt(item, key, "every value of the list must be a plain one; write %s: %s", key, example)
			}
			return nil
		}
	}
	return f.Below
}

// Pairs returns the values of a mapping that must be there and have something in it; what each
// is of is its label.
func (s *Section) Pairs(key, example string) []*yamldoc.Node {
	f := s.node.Field(key)
	switch {
	case f == nil:
		s.Missing("key %q is missing; write %s: %s", key, key, example)
		return nil
	case f.Kind == yamldoc.Broken:
		return nil
	case f.Kind != yamldoc.Map || len(f.Below) == 0:
		s.Wrong(key, "must be a mapping with at least one value; write %s: %s", key, example)
		return nil
	}
	for _, item := range f.Below {
		if item.Kind != yamldoc.Scalar {
			if item.Kind != yamldoc.Broken {
				s.WrongAt(item, key, "every value of the mapping must be a plain one; write %s: %s", key, example)
			}
			return nil
		}
	}
	return f.Below
}

// Shown is a value of the file as an error may show it: never one that could be a secret.
func (s *Section) Shown(value string) string { return s.doc.Shown(value) }

// Later has finish called once all entries are read, for what an entry says of others. all are
// the credentials by name.
func (s *Section) Later(finish func(all map[string]*Credential)) { s.later = append(s.later, finish) }

// Now is the clock of whoever reads the file.
func (s *Section) Now() func() time.Time { return s.options.Now }
