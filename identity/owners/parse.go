package owners

import (
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"

	"sallyport/internal/yamldoc"
)

// Parse parses the text of owners.yaml; file is only named in errors. An error is of type
// [yamldoc.Errors] and lists everything that is wrong.
func Parse(file string, data []byte) (*Directory, error) {
	doc, root := yamldoc.Read(file, data, yamldoc.Options{Empty: "is empty; name at least one person under people"})
	p := &parser{directory: &Directory{people: map[string]Person{}, teams: map[string]Team{}}}
	if root != nil {
		p.root(root)
	}
	if err := doc.Err(); err != nil {
		return nil, err
	}
	p.directory.keep()
	return p.directory, nil
}

type parser struct{ directory *Directory }

func (p *parser) root(n *yamldoc.Node) {
	if !mapping(n) {
		return
	}
	known := n.Known("people", "teams", "fallback")
	people := n.Field("people")
	if people == nil {
		if known && n.Doc().Count() == 0 {
			n.FailSub("people", "is missing; name at least one person, since someone must answer for every agent")
		}
		return
	}
	if mapping(people) {
		for _, person := range people.Below {
			p.person(person)
		}
		for _, person := range people.Below { // when all are known
			p.manager(person)
		}
	}
	if teams := n.Field("teams"); teams != nil && mapping(teams) {
		for _, team := range teams.Below {
			p.team(team)
		}
	}
	if fallback := n.Field("fallback"); fallback != nil {
		p.directory.fallback = p.fallback(fallback)
	}
}

// fallback is who is there when nobody else is.
func (p *parser) fallback(n *yamldoc.Node) string {
	name := p.knownPerson(n)
	switch person := p.directory.people[name]; {
	case name == "":
	case person.Inactive:
		n.Fail("%q is not active; name somebody who can always answer", name)
	case len(person.Absent) > 0:
		n.Fail("%q is absent at times; name somebody who can always answer, or take their absences out", name)
	}
	return name
}

// knownPerson is the name of one of the people, "" after an error.
func (p *parser) knownPerson(n *yamldoc.Node) string {
	name := text(n)
	if _, known := p.directory.people[name]; name != "" && !known {
		n.Fail("%q is not among people; add them there, or name somebody else", name)
		return ""
	}
	return name
}

func (p *parser) person(n *yamldoc.Node) {
	if !name(n) {
		return
	}
	var person Person
	if mapping(n) {
		n.Known("name", "email", "manager", "zone", "absent", "active")
		if f := n.Field("name"); f != nil {
			person.Name = text(f)
		}
		if f := n.Field("email"); f != nil {
			person.Email = email(f)
		}
		if f := n.Field("active"); f != nil {
			person.Inactive = !f.Truth()
		}
		zone := time.UTC
		if f := n.Field("zone"); f != nil {
			zone = readZone(f)
		}
		if f := n.Field("absent"); f != nil {
			person.Absent = absences(f, zone)
		}
	}
	p.directory.people[n.Label] = person
}

func (p *parser) team(n *yamldoc.Node) {
	if !name(n) {
		return
	}
	var team Team
	if mapping(n) {
		known := n.Known("members", "fallback", "oncall")
		if f := n.Field("members"); f != nil {
			team.Members = p.members(f)
		} else if known { // else it is most likely a misspelling
			n.FailSub("members", "is missing; name at least one person")
		}
		if f := n.Field("fallback"); f != nil {
			team.Fallback = p.knownPerson(f)
		}
		if f := n.Field("oncall"); f != nil {
			team.Rotation = p.rotation(f, team.Members)
		}
	}
	p.directory.teams[n.Label] = team
}

func (p *parser) members(n *yamldoc.Node) []string {
	if n.Kind != yamldoc.List || len(n.Below) == 0 {
		n.Fail("is %s; write a list of people, such as [dana]", describe(n))
		return nil
	}
	var members []string
	for _, item := range n.Below {
		name := text(item)
		_, known := p.directory.people[name]
		switch {
		case name == "":
		case slices.Contains(members, name):
			item.Fail("%q is listed twice", name)
		case !known:
			item.Fail("%q is not among people; add it there or take it out here", name)
		}
		members = append(members, name)
	}
	return members
}

// mapping reports whether n is a mapping with keys.
func mapping(n *yamldoc.Node) bool {
	if n.Kind != yamldoc.Map || len(n.Below) == 0 {
		if n.Lost {
			return false
		}
		n.Fail("is %s; write keys with values", describe(n))
		return false
	}
	return true
}

// name checks a key that names a person or a team.
func name(n *yamldoc.Node) bool {
	err := CheckName(n.Label)
	if err != nil {
		n.Doc().Fail(n.KeyLine, n.Key(), "name %v", err)
	}
	return err == nil
}

// text returns a line of text, "" after an error.
func text(n *yamldoc.Node) string {
	switch {
	case n.Kind != yamldoc.Scalar || strings.TrimSpace(n.Text) == "":
		n.Fail("is %s; write text", describe(n))
	case !n.Plain("!!str"):
		n.Fail("%s is not text; put it in quotes", n.Text)
	case strings.ContainsFunc(n.Text, unicode.IsControl):
		n.Fail("holds a control character; write one line of text")
	case len(n.Text) > maxName:
		n.Fail("is longer than %d bytes", maxName)
	default:
		return n.Text
	}
	return ""
}

func email(n *yamldoc.Node) string {
	s := text(n)
	if s == "" {
		return ""
	}
	// ParseAddress also takes "Dana <dana@example.com>".
	if a, err := mail.ParseAddress(s); err != nil || a.Address != s {
		n.Fail("%q is not an address; write name@example.com alone", s)
		return ""
	}
	return s
}

func describe(n *yamldoc.Node) string {
	switch {
	case n.Kind == yamldoc.Scalar && strings.TrimSpace(n.Text) != "":
		return "text"
	case n.Kind == yamldoc.List:
		return "a list"
	case n.Kind == yamldoc.Map && len(n.Below) > 0:
		return "a mapping"
	}
	return "empty"
}
