package owners

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Why somebody answers.
const (
	WhyOwner    = "owner"    // it is their own
	WhyOverride = "override" // of the team's rotation
	WhyRotation = "rotation" // it is their shift
	WhyStandsIn = "stands in"
	WhyTeam     = "team fallback"
	WhyManager  = "manager"
	WhyFallback = "fallback" // of the file
)

// Answer is who answers for what an owner has at a moment.
type Answer struct {
	Person string // "person:dana"; "" if nobody does
	Why    string // one of the words above
	// Since and Until bound a time around the moment in which the answer is the same. They are
	// zero where it does not change.
	Since, Until time.Time
}

// Accountable is the person who answers at a moment for what ref owns, "person:dana"; "" for
// nobody. On the path of every request.
func (d *Directory) Accountable(ref string, at time.Time) string {
	if d == nil {
		return ""
	}
	kept := d.kept[ref]
	if kept == nil {
		return d.Answers(ref, at).Person // an owner who is not in the file
	}
	if a := kept.Load(); a != nil && a.holds(at) {
		return a.Person
	}
	a := d.Answers(ref, at)
	kept.Store(&a)
	return a.Person
}

func (a *Answer) holds(at time.Time) bool {
	return (a.Since.IsZero() || !at.Before(a.Since)) && (a.Until.IsZero() || at.Before(a.Until))
}

// Answers says who answers at a moment for what ref owns, and why: for a person's they
// themselves or their manager, for a team's who an override names, whose shift it is, the next
// in the order who is there, the team's fallback or that one's manager; and where that leads
// to nobody, the file's fallback.
func (d *Directory) Answers(ref string, at time.Time) Answer {
	if d == nil {
		return Answer{}
	}
	q := &question{d: d, at: at}
	a := q.ask(ref)
	if a.Person == "" && d.fallback != "" {
		a = Answer{Person: d.fallback, Why: WhyFallback}
	}
	if a.Person != "" {
		a.Person = personPrefix + a.Person
	}
	a.Since, a.Until = q.since, q.until
	return a
}

// question is how an answer is found, and between which moments it is the same.
type question struct {
	d            *Directory
	at           time.Time
	since, until time.Time
}

// within narrows the time in which the answer is the same by a moment at which something
// changes.
func (q *question) within(moment time.Time) {
	switch {
	case moment.IsZero():
	case moment.After(q.at):
		if q.until.IsZero() || moment.Before(q.until) {
			q.until = moment
		}
	case moment.After(q.since):
		q.since = moment
	}
}

// isThere reports whether somebody can answer.
func (q *question) isThere(name string) bool {
	p, known := q.d.people[name]
	if !known || p.Inactive {
		return false
	}
	there := true
	for _, a := range p.Absent {
		q.within(a.From)
		q.within(a.Until)
		there = there && !a.covers(q.at)
	}
	return there
}

func (q *question) ask(ref string) Answer {
	if name, ok := strings.CutPrefix(ref, personPrefix); ok {
		if q.isThere(name) {
			return Answer{Person: name, Why: WhyOwner}
		}
		return q.managers(name)
	}
	name, ok := strings.CutPrefix(ref, teamPrefix)
	team, known := q.d.teams[name]
	if !ok || !known {
		return Answer{}
	}
	if team.Rotation != nil {
		if a := q.onCall(team.Rotation); a.Person != "" {
			return a
		}
	}
	switch {
	case team.Fallback == "":
		return Answer{}
	case q.isThere(team.Fallback):
		return Answer{Person: team.Fallback, Why: WhyTeam}
	}
	return q.managers(team.Fallback)
}

func (q *question) onCall(r *Rotation) Answer {
	for i := range r.Overrides {
		q.within(r.Overrides[i].From)
		q.within(r.Overrides[i].Until)
	}
	if o := r.override(q.at); o != nil && q.isThere(o.Person) {
		return Answer{Person: o.Person, Why: WhyOverride}
	}
	first, since, until := r.regular(q.at)
	q.within(since)
	q.within(until)
	for i := range r.Order {
		name := r.Order[(first+i)%len(r.Order)]
		if !q.isThere(name) {
			continue
		}
		if i == 0 {
			return Answer{Person: name, Why: WhyRotation}
		}
		return Answer{Person: name, Why: WhyStandsIn}
	}
	return Answer{}
}

// managers is the first above somebody who is there.
func (q *question) managers(name string) Answer {
	seen := []string{name}
	for above := q.d.people[name].Manager; above != "" && !slices.Contains(seen, above); above = q.d.people[above].Manager {
		if q.isThere(above) {
			return Answer{Person: above, Why: WhyManager}
		}
		seen = append(seen, above)
	}
	return Answer{}
}

// Schedule is who answers for what ref owns from one moment to another, one after the other
// without a gap. An answer in which only the reason changes is one of its own.
func (d *Directory) Schedule(ref string, from, until time.Time) (all []Answer) {
	for at := from; at.Before(until); {
		a := d.Answers(ref, at)
		if n := len(all); n > 0 && all[n-1].Person == a.Person && all[n-1].Why == a.Why {
			all[n-1].Until = a.Until
		} else {
			all = append(all, a)
		}
		if a.Until.IsZero() {
			return all
		}
		at = a.Until
	}
	return all
}

// keep prepares what Accountable remembers.
func (d *Directory) keep() {
	d.kept = map[string]*atomic.Pointer[Answer]{}
	for _, ref := range d.Refs() {
		d.kept[ref] = new(atomic.Pointer[Answer])
	}
}
