package owners

import (
	"regexp"
	"slices"
	"strconv"
	"time"

	"sallyport/internal/yamldoc"
)

// manager reads who is above a person.
func (p *parser) manager(n *yamldoc.Node) {
	f := n.Field("manager")
	if f == nil {
		return
	}
	person, known := p.directory.people[n.Label]
	if name := p.knownPerson(f); known && name != "" {
		person.Manager = name
		if name == n.Label {
			f.Fail("%q would be their own manager; leave it out", name)
		}
		p.directory.people[n.Label] = person
	}
}

// rotation reads who of a team is on call.
func (p *parser) rotation(n *yamldoc.Node, members []string) *Rotation {
	r := &Rotation{Zone: time.UTC}
	if !mapping(n) || !n.Known("zone", "start", "every", "order", "overrides") {
		return nil
	}
	if f := n.Field("zone"); f != nil {
		r.Zone = readZone(f)
	}
	if f := n.Required("start", "write the time of a hand-over: start: 2026-11-30 09:00"); f != nil {
		r.Start, _ = moment(f, r.Zone)
	}
	if f := n.Required("every", "write the length of a shift: every: 1w"); f != nil {
		r.Every = span(f)
	}
	if f := n.Field("order"); f != nil {
		r.Order = p.members(f)
	} else {
		r.Order = slices.Clone(members)
	}
	if f := n.Field("overrides"); f != nil {
		r.Overrides = p.overrides(f, r.Zone)
	}
	if len(r.Order) == 0 || r.Start.IsZero() || r.Every == (Span{}) {
		return nil // reported
	}
	return r
}

func (p *parser) overrides(n *yamldoc.Node, zone *time.Location) (all []Override) {
	items, ok := n.Items("write a list: [{from: 2026-12-24 09:00, until: 2026-12-25 09:00, person: kim}]")
	if !ok {
		return nil
	}
	for _, item := range items {
		if !mapping(item) || !item.Known("from", "until", "person") {
			continue
		}
		var o Override
		o.From, o.Until = period(item, zone)
		if f := item.Required("person", "write who answers meanwhile"); f != nil {
			o.Person = p.knownPerson(f)
		}
		all = append(all, o)
	}
	return all
}

func absences(n *yamldoc.Node, zone *time.Location) (all []Absence) {
	items, ok := n.Items("write a list: [{from: 2026-12-24, until: 2027-01-02}]")
	if !ok {
		return nil
	}
	for _, item := range items {
		if !mapping(item) || !item.Known("from", "until") {
			continue
		}
		var a Absence
		a.From, a.Until = period(item, zone)
		all = append(all, a)
	}
	return all
}

// period reads from and until. A day alone is meant from its beginning, and to its end.
func period(n *yamldoc.Node, zone *time.Location) (from, until time.Time) {
	if f := n.Required("from", "write from: 2026-12-24, or a time"); f != nil {
		from, _ = moment(f, zone)
	}
	f := n.Required("until", "write until: 2027-01-02, the last day, or a time")
	if f == nil {
		return from, until
	}
	until, isDay := moment(f, zone)
	if isDay {
		until = time.Date(until.Year(), until.Month(), until.Day()+1, 0, 0, 0, 0, zone)
	}
	if !from.IsZero() && !until.IsZero() && !until.After(from) {
		f.Fail("%s is not after %s", f.Text, n.Field("from").Text)
	}
	return from, until
}

// moment reads a wall-clock time of a zone, or a day, or a time with its own zone.
func moment(n *yamldoc.Node, zone *time.Location) (at time.Time, isDay bool) {
	if n.Plain("!!str", "!!timestamp") {
		for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", "2006-01-02 15:04:05"} {
			if at, err := time.ParseInLocation(layout, n.Text, zone); err == nil {
				return at, layout == time.DateOnly
			}
		}
		if at, err := time.Parse(time.RFC3339, n.Text); err == nil {
			return at, false
		}
	}
	n.Fail("%q is no time; write 2026-11-30 or 2026-11-30 09:00", n.Text)
	return time.Time{}, false
}

func readZone(n *yamldoc.Node) *time.Location {
	name := text(n)
	if name == "" {
		return time.UTC
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		n.Fail("%q is no time zone; write one as Europe/Berlin", name)
		return time.UTC
	}
	return zone
}

var spanForm = regexp.MustCompile(`^([1-9][0-9]{0,3})([hdw])$`)

// maxSpan is longer than anybody is on call.
const maxSpan = 366

// span reads the length of a shift.
func span(n *yamldoc.Node) (s Span) {
	m := spanForm.FindStringSubmatch(n.Text)
	if m == nil {
		n.Fail("%q is no length of a shift; write hours, days or weeks: 12h, 1d or 1w", n.Text)
		return Span{}
	}
	count, _ := strconv.Atoi(m[1]) // four digits
	switch m[2] {
	case "h":
		s.Hours = count
	case "d":
		s.Days = count
	case "w":
		s.Days = 7 * count
	}
	if s.Days > maxSpan || s.Hours > 24*maxSpan {
		n.Fail("%s is longer than a year", n.Text)
		return Span{}
	}
	return s
}
