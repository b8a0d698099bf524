package identity

import (
	"fmt"
	"slices"
	"strings"
)

// Owners is who may answer for agents: the people and teams of owners.yaml. It
// is immutable; nil knows nobody.
type Owners struct {
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
func (o *Owners) Has(ref string) bool {
	if o == nil {
		return false
	}
	if name, ok := strings.CutPrefix(ref, personPrefix); ok {
		_, ok = o.people[name]
		return ok
	}
	if name, ok := strings.CutPrefix(ref, teamPrefix); ok {
		_, ok = o.teams[name]
		return ok
	}
	return false
}

// Accountable is the person now answerable for what ref owns, "person:dana": the
// owner, the team's fallback, or the file's where the team has none or ref is not
// there any more. It is "" if there is no such person either.
func (o *Owners) Accountable(ref string) string {
	if o == nil {
		return ""
	}
	if strings.HasPrefix(ref, personPrefix) && o.Has(ref) {
		return ref
	}
	name := o.fallback
	if team, ok := strings.CutPrefix(ref, teamPrefix); ok && o.teams[team].Fallback != "" {
		name = o.teams[team].Fallback
	}
	if name == "" {
		return ""
	}
	return personPrefix + name
}

// Warnings name the teams for whose agents nobody answers.
func (o *Owners) Warnings() []string {
	var all []string
	for _, ref := range o.Refs() {
		if o.Accountable(ref) == "" {
			all = append(all, fmt.Sprintf("teams.%s has no fallback, and there is none for all: nobody answers for its agents, and their rows name no accountable person; write fallback: PERSON",
				strings.TrimPrefix(ref, teamPrefix)))
		}
	}
	return all
}

// Refs returns every owner as Has takes it, people first, sorted by name.
func (o *Owners) Refs() []string {
	if o == nil {
		return nil
	}
	var people, teams []string
	for name := range o.people {
		people = append(people, personPrefix+name)
	}
	for name := range o.teams {
		teams = append(teams, teamPrefix+name)
	}
	slices.Sort(people)
	slices.Sort(teams)
	return append(people, teams...)
}
