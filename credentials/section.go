package credentials

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// parser gathers everything wrong with a file, so that one look mends it all.
type parser struct {
	file     string
	options  Options
	errors   Errors
	warnings []string
	env      []string                           // variables that env: secrets read
	files    []string                           // files that file: secrets are read from
	later    []func(all map[string]*Credential) // what needs the others
	sources  []source                           // of the credential that is being read
}

func (p *parser) fail(line int, key, format string, args ...any) {
	p.errors = append(p.errors, p.at(line, key, format, args...))
}

func (p *parser) warn(line int, key, format string, args ...any) {
	p.warnings = append(p.warnings, p.at(line, key, format, args...).Error())
}

func (p *parser) at(line int, key, format string, args ...any) Error {
	return Error{File: p.file, Line: line, Key: key, Msg: fmt.Sprintf(format, args...)}
}

// word is what may be repeated in an error: whatever else stands where a name
// belongs could be a secret that slipped.
var word = regexp.MustCompile(`^[a-z][a-z_-]{0,19}$`)

func show(s string) string {
	if word.MatchString(s) {
		return fmt.Sprintf("%q", s)
	}
	return "(not shown)"
}

// section is one mapping of the file with only keys that are allowed in it.
type section struct {
	*parser
	key   string // where it is: "credentials.acme"
	line  int
	pairs map[string]pair
}

// section reads n as a mapping. Keys that are not allowed, or there twice, are errors.
func (p *parser) section(n *node, key string, allowed []string) (*section, bool) {
	s := &section{parser: p, key: key, line: n.line, pairs: map[string]pair{}}
	if n.shape != mapping {
		p.fail(n.line, key, "must be a mapping with the keys %s", strings.Join(allowed, ", "))
		return s, false
	}
	for _, pair := range n.pairs {
		switch _, twice := s.pairs[pair.key]; {
		case !slices.Contains(allowed, pair.key):
			p.fail(pair.line, key, "unknown key %s; the keys here are %s", show(pair.key), strings.Join(allowed, ", "))
		case twice:
			p.fail(pair.line, s.sub(pair.key), "is there twice; keep one")
		default:
			s.pairs[pair.key] = pair
		}
	}
	return s, true
}

func (s *section) sub(key string) string {
	if s.key == "" {
		return key
	}
	return s.key + "." + key
}

// wrong reports key at its own line.
func (s *section) wrong(key, format string, args ...any) {
	line := s.line
	if pair, ok := s.pairs[key]; ok {
		line = pair.line
	}
	s.fail(line, s.sub(key), format, args...)
}

// caution warns about key at its own line.
func (s *section) caution(key, format string, args ...any) {
	s.warn(s.pairs[key].line, s.sub(key), format, args...)
}

func (s *section) has(key string) bool {
	_, ok := s.pairs[key]
	return ok
}

// text returns the value of a key that must be there.
func (s *section) text(key, example string) (string, bool) {
	pair, ok := s.pairs[key]
	switch {
	case !ok:
		s.fail(s.line, s.key, "key %q is missing; write %s: %s", key, key, example)
	case pair.value.shape != scalar:
		s.wrong(key, "must be one value; write %s: %s", key, example)
		ok = false
	}
	if !ok {
		return "", false
	}
	return pair.value.text, true
}

// texts returns the values of a list that must be there and have something in it.
func (s *section) texts(key, example string) []*node {
	pair, ok := s.pairs[key]
	if !ok {
		s.fail(s.line, s.key, "key %q is missing; write %s: %s", key, key, example)
		return nil
	}
	if pair.value.shape != sequence || len(pair.value.items) == 0 {
		s.wrong(key, "must be a list with at least one value; write %s: %s", key, example)
		return nil
	}
	for _, item := range pair.value.items {
		if item.shape != scalar {
			s.fail(item.line, s.sub(key), "every value of the list must be a plain one; write %s: %s", key, example)
			return nil
		}
	}
	return pair.value.items
}
