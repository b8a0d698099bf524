package identity

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// maxOwnersSize bounds what a mistaken file can cost.
const maxOwnersSize = 4 << 20

// ParseOwners parses the text of owners.yaml; file is only named in errors. An
// error is of type [Errors] and lists everything that is wrong.
func ParseOwners(file string, data []byte) (*Owners, error) {
	p := &ownersParser{file: file, owners: &Owners{people: map[string]Person{}, teams: map[string]Team{}}}
	if root := p.document(data); root != nil {
		p.root(root)
	}
	if len(p.errs) > 0 {
		slices.SortStableFunc(p.errs, func(a, b Error) int { return cmp.Compare(a.Line, b.Line) })
		return nil, p.errs
	}
	return p.owners, nil
}

// ownersParser walks the YAML tree by hand, because decoding into structs
// loses the lines of what is wrong and accepts more than it should.
type ownersParser struct {
	file   string
	owners *Owners
	errs   Errors
}

func (p *ownersParser) fail(line int, key, format string, args ...any) {
	p.errs = append(p.errs, Error{File: p.file, Line: line, Key: key, Msg: fmt.Sprintf(format, args...)})
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// document returns the root of the only document, nil after an error.
func (p *ownersParser) document(data []byte) *yaml.Node {
	if len(data) > maxOwnersSize {
		p.fail(0, "", "is larger than %d bytes", maxOwnersSize)
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	if err := decoder.Decode(&first); err != nil {
		p.syntax(err)
		return nil
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		p.fail(second.Line, "", "a second YAML document begins here; use one")
		return nil
	}
	return first.Content[0]
}

func (p *ownersParser) root(n *yaml.Node) {
	var people, teams, fallback *yaml.Node
	p.mapping(n, "", func(key string, k, v *yaml.Node) {
		switch key {
		case "people":
			people = v
		case "teams":
			teams = v
		case "fallback":
			fallback = v
		default:
			p.fail(k.Line, key, "unknown key; use people, teams and fallback")
		}
	})
	if people == nil {
		if len(p.errs) == 0 {
			p.fail(n.Line, "people", "is missing; name at least one person, since someone must answer for every agent")
		}
		return
	}
	p.mapping(people, "people", p.person)
	if teams != nil {
		p.mapping(teams, "teams", p.team)
	}
	if fallback != nil {
		p.owners.fallback = p.knownPerson(fallback, "fallback")
	}
}

// knownPerson is the name of one of the people, "" after an error.
func (p *ownersParser) knownPerson(n *yaml.Node, path string) string {
	name := p.text(n, path)
	if _, known := p.owners.people[name]; name != "" && !known {
		p.fail(n.Line, path, "%q is not among people; add them there, or name somebody else", name)
		return ""
	}
	return name
}

func (p *ownersParser) person(name string, k, v *yaml.Node) {
	path := "people." + name
	if !p.name(k, path) {
		return
	}
	var person Person
	p.mapping(v, path, func(key string, k, v *yaml.Node) {
		switch key {
		case "name":
			person.Name = p.text(v, path+".name")
		case "email":
			person.Email = p.email(v, path+".email")
		default:
			p.fail(k.Line, path+"."+key, "unknown key; use name and email")
		}
	})
	p.owners.people[name] = person
}

func (p *ownersParser) team(name string, k, v *yaml.Node) {
	path := "teams." + name
	if !p.name(k, path) {
		return
	}
	var team Team
	complete := p.mapping(v, path, func(key string, k, v *yaml.Node) {
		switch key {
		case "members":
			team.Members = p.members(v, path+".members")
		case "fallback":
			team.Fallback = p.knownPerson(v, path+".fallback")
		default:
			p.fail(k.Line, path+"."+key, "unknown key; use members and fallback")
			team.Members = []string{} // most likely a misspelling: do not also say that it is missing
		}
	})
	if complete && team.Members == nil {
		p.fail(k.Line, path+".members", "is missing; name at least one person")
	}
	p.owners.teams[name] = team
}

// members never returns nil, so that the caller can tell it was asked.
func (p *ownersParser) members(n *yaml.Node, path string) []string {
	members := []string{}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		p.fail(n.Line, path, "is %s; write a list of people, such as [dana]", describe(n))
		return members
	}
	for _, item := range n.Content {
		name := p.text(item, path)
		_, known := p.owners.people[name]
		switch {
		case name == "":
		case slices.Contains(members, name):
			p.fail(item.Line, path, "%q is listed twice", name)
		case !known:
			p.fail(item.Line, path, "%q is not among people; add it there or take it out here", name)
		}
		members = append(members, name)
	}
	return members
}

// mapping calls fn for each key of n, and says whether n is a mapping with
// keys, none of them twice.
func (p *ownersParser) mapping(n *yaml.Node, path string, fn func(key string, k, v *yaml.Node)) bool {
	if n.Kind != yaml.MappingNode || n.ShortTag() != "!!map" || len(n.Content) == 0 {
		p.fail(n.Line, path, "is %s; write keys with values", describe(n))
		return false
	}
	ok := true
	first := map[string]int{}
	for i := 0; i < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			p.fail(k.Line, path, "a key is %s; use plain text", describe(k))
			ok = false
			continue
		}
		if line, twice := first[k.Value]; twice {
			p.fail(k.Line, join(path, k.Value), "is there twice, first in line %d", line)
			ok = false
			continue
		}
		first[k.Value] = k.Line
		fn(k.Value, k, v)
	}
	return ok
}

// name checks a key that names a person or a team.
func (p *ownersParser) name(k *yaml.Node, path string) bool {
	err := checkName(k.Value)
	if err != nil {
		p.fail(k.Line, path, "name %v", err)
	}
	return err == nil
}

// text returns a line of text, "" after an error.
func (p *ownersParser) text(n *yaml.Node, path string) string {
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" || strings.TrimSpace(n.Value) == "":
		p.fail(n.Line, path, "is %s; write text", describe(n))
	case n.ShortTag() != "!!str":
		p.fail(n.Line, path, "%s is not text; put it in quotes", n.Value)
	case strings.ContainsFunc(n.Value, unicode.IsControl):
		p.fail(n.Line, path, "holds a control character; write one line of text")
	case len(n.Value) > maxNameLength:
		p.fail(n.Line, path, "is longer than %d bytes", maxNameLength)
	default:
		return n.Value
	}
	return ""
}

func (p *ownersParser) email(n *yaml.Node, path string) string {
	s := p.text(n, path)
	if s == "" {
		return ""
	}
	// ParseAddress also takes "Dana <dana@example.com>".
	if a, err := mail.ParseAddress(s); err != nil || a.Address != s {
		p.fail(n.Line, path, "%q is not an address; write name@example.com alone", s)
		return ""
	}
	return s
}

// syntax reports what the YAML parser could not read, with its line.
func (p *ownersParser) syntax(err error) {
	if errors.Is(err, io.EOF) {
		p.fail(0, "", "is empty; name at least one person under people")
		return
	}
	line := 0
	msg := err.Error()
	if m := yamlLine.FindStringSubmatch(msg); m != nil {
		line, _ = strconv.Atoi(m[1]) // 0 when the parser does not say
		msg = msg[len(m[0]):]
		// The library counts lines from 0 in errors of its parser, from 1 in
		// those of its scanner.
		if line > 0 && strings.HasPrefix(msg, "did not find expected") {
			line++
		}
	}
	p.fail(line, "", "%s", msg)
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.AliasNode:
		return "an alias"
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		if len(n.Content) == 0 {
			return "empty"
		}
		return "a mapping"
	case yaml.ScalarNode:
		if n.ShortTag() == "!!null" || strings.TrimSpace(n.Value) == "" {
			return "empty"
		}
		return "text"
	default:
		return "unreadable"
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
