package owners

import (
	"time"
)

// Rotation is who of a team is on call: people in an order, each for one shift. Hand-overs
// come at wall-clock times of a zone, one after another without a gap: a shift over a change
// of the clocks is an hour shorter or longer. It has no beginning and no end; Start only says
// where in the order it is.
type Rotation struct {
	Zone      *time.Location
	Start     time.Time // a hand-over to the first of Order
	Every     Span
	Order     []string // of people; never empty
	Overrides []Override
}

// Span is the length of a shift. One of its fields is not zero.
type Span struct{ Hours, Days int }

// Override has somebody answer for a while, as holidays and swaps need it. Of two that overlap
// the later one in the file counts.
type Override struct {
	From, Until time.Time // until is the first moment after it
	Person      string
}

// handover is the beginning of the shift with this number, counted from Start.
func (r *Rotation) handover(n int) time.Time {
	s := r.Start.In(r.Zone)
	// A time that the clocks leave out is moved by time.Date, one that comes twice is the first.
	return time.Date(s.Year(), s.Month(), s.Day()+n*r.Every.Days, s.Hour()+n*r.Every.Hours, s.Minute(), s.Second(), 0, r.Zone)
}

// shift is the number of the shift at a moment: the last one whose hand-over has come.
func (r *Rotation) shift(at time.Time) int {
	about := time.Duration(r.Every.Days)*24*time.Hour + time.Duration(r.Every.Hours)*time.Hour
	n := int(at.Sub(r.Start) / about)
	// The clocks move a hand-over by a few hours at most, against a count of even shifts.
	const slack = 26 // hours, and so shifts: none is shorter than an hour
	for n += slack; r.handover(n).After(at); n-- {
	}
	return n
}

// regular is whose shift it is, whoever is absent, and until when the shift is.
func (r *Rotation) regular(at time.Time) (index int, since, until time.Time) {
	n := r.shift(at)
	since, until = r.handover(n), r.handover(n+1)
	for m := n + 2; !until.After(at); m++ { // two hand-overs at a time that the clocks leave out
		until = r.handover(m)
	}
	index = n % len(r.Order)
	if index < 0 {
		index += len(r.Order)
	}
	return index, since, until
}

// override is the one in force at a moment; nil for none.
func (r *Rotation) override(at time.Time) *Override {
	for i := len(r.Overrides) - 1; i >= 0; i-- {
		if o := &r.Overrides[i]; !at.Before(o.From) && at.Before(o.Until) {
			return o
		}
	}
	return nil
}

// Absence is a time in which somebody answers for nothing.
type Absence struct {
	From, Until time.Time // until is the first moment after it
}

func (a Absence) covers(at time.Time) bool { return !at.Before(a.From) && at.Before(a.Until) }
