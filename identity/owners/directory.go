package owners

import (
	"fmt"
	"slices"
	"strings"
)

// Directory is who may answer for agents: the people and teams of owners.yaml. It
// is immutable; nil knows nobody.
type Directory struct {
	people   map[string]Person
	teams    map[string]Team
	fallback string // the person who answers when nobody else does; "" if the file names none
}

// Person is someone who can be asked.
type Person struct{ Name, Email string }

// Team is a group of people.
type Team struct {
	Members  []string
	Fallback string // the person who answers for the team's agents; "" for the file's own fallback
}

// Has says whether ref ("person:dana", "team:platform") is an owner.
func (d *Directory) Has(ref string) bool {
	if d == nil {
		return false
	}
	if name, ok := strings.CutPrefix(ref, personPrefix); ok {
		_, ok = d.people[name]
		return ok
	}
	if name, ok := strings.CutPrefix(ref, teamPrefix); ok {
		_, ok = d.teams[name]
		return ok
	}
	return false
}

// Name is the name of a person ("person:dana"), "" if there is none.
func (d *Directory) Name(ref string) string {
	if d == nil {
		return ""
	}
	person, isPerson := strings.CutPrefix(ref, personPrefix)
	if !isPerson {
		return ""
	}
	return d.people[person].Name
}

// Accountable is the person now answerable for what ref owns, "person:dana": the
// owner, the team's fallback, or the file's where the team has none or ref is not
// there any more. It is "" if there is no such person either.
func (d *Directory) Accountable(ref string) string {
	if d == nil {
		return ""
	}
	if strings.HasPrefix(ref, personPrefix) && d.Has(ref) {
		return ref
	}
	name := d.fallback
	if team, ok := strings.CutPrefix(ref, teamPrefix); ok && d.teams[team].Fallback != "" {
		name = d.teams[team].Fallback
	}
	if name == "" {
		return ""
	}
	return personPrefix + name
}

// Warnings name the teams for whose agents nobody answers.
func (d *Directory) Warnings() []string {
	var all []string
	for _, ref := range d.Refs() {
		if d.Accountable(ref) == "" {
			all = append(all, fmt.Sprintf("teams.%s has no fallback, and there is none for all: nobody answers for its agents, and their rows name no accountable person; write fallback: PERSON",
				strings.TrimPrefix(ref, teamPrefix)))
		}
	}
	return all
}

// Refs returns every owner as Has takes it, people first, sorted by name.
func (d *Directory) Refs() []string {
	if d == nil {
		return nil
	}
	var people, teams []string
	for name := range d.people {
		people = append(people, personPrefix+name)
	}
	for name := range d.teams {
		teams = append(teams, teamPrefix+name)
	}
	slices.Sort(people)
	slices.Sort(teams)
	return append(people, teams...)
}
