package identity

import (
	"slices"
	"strings"
)

// Owners is who may answer for agents: the people and teams of owners.yaml. It
// is immutable; nil knows nobody.
type Owners struct {
	people map[string]Person
	teams  map[string]Team
}

// Person is someone who can be asked.
type Person struct{ Name, Email string }

// Team is a group of people.
type Team struct{ Members []string }

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

// Accountable is the person now answerable for what ref owns, "person:dana"; ""
// for a team, which does not say who is on call, and for a stranger.
func (o *Owners) Accountable(ref string) string {
	if strings.HasPrefix(ref, personPrefix) && o.Has(ref) {
		return ref
	}
	return ""
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
