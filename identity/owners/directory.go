package owners

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
)

// Directory is who may answer for agents: the people and teams of owners.yaml. It
// is immutable; nil knows nobody.
type Directory struct {
	people   map[string]Person
	teams    map[string]Team
	fallback string // the person who answers when nobody else does; "" if the file names none

	kept map[string]*atomic.Pointer[Answer] // the last answer by owner
}

// Person is someone who can be asked.
type Person struct {
	Name, Email string
	Manager     string // the person who answers in their place; "" for none
	Absent      []Absence
	Inactive    bool // has left: answers for nothing any more
}

// Team is a group of people.
type Team struct {
	Members  []string
	Fallback string    // the person who answers for the team's agents; "" for the file's own fallback
	Rotation *Rotation // who is on call; nil for none
}

// Has says whether ref ("person:dana", "team:platform") is an owner: a person who is active, or a team.
func (d *Directory) Has(ref string) bool {
	if d == nil {
		return false
	}
	if name, ok := strings.CutPrefix(ref, personPrefix); ok {
		person, ok := d.people[name]
		return ok && !person.Inactive
	}
	if name, ok := strings.CutPrefix(ref, teamPrefix); ok {
		_, ok = d.teams[name]
		return ok
	}
	return false
}

// Person is the person that ref names; the zero Person if there is none.
func (d *Directory) Person(ref string) Person {
	name, isPerson := strings.CutPrefix(ref, personPrefix)
	if d == nil || !isPerson {
		return Person{}
	}
	return d.people[name]
}

// Team is the team that ref names; the zero Team, without members, if there is none.
func (d *Directory) Team(ref string) Team {
	name, isTeam := strings.CutPrefix(ref, teamPrefix)
	if d == nil || !isTeam {
		return Team{}
	}
	return d.teams[name]
}

// Name is the name of a person ("person:dana"), "" if there is none.
func (d *Directory) Name(ref string) string { return d.Person(ref).Name }

// Warnings name the teams for whose agents nobody answers, whoever is absent.
func (d *Directory) Warnings() []string {
	var all []string
	for _, ref := range d.Refs() {
		team, isTeam := strings.CutPrefix(ref, teamPrefix)
		if isTeam && d.fallback == "" && d.teams[team].Fallback == "" && d.teams[team].Rotation == nil {
			all = append(all, fmt.Sprintf("teams.%s has no fallback, and there is none for all: nobody answers for its agents, and their rows name no accountable person; write fallback: PERSON",
				strings.TrimPrefix(ref, teamPrefix)))
		}
	}
	return all
}

// Refs returns every owner that Has takes, people first, sorted by name.
func (d *Directory) Refs() []string {
	if d == nil {
		return nil
	}
	var people, teams []string
	for name, person := range d.people {
		if !person.Inactive {
			people = append(people, personPrefix+name)
		}
	}
	for name := range d.teams {
		teams = append(teams, teamPrefix+name)
	}
	slices.Sort(people)
	slices.Sort(teams)
	return append(people, teams...)
}
