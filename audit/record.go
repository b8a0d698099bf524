package audit

import (
	"time"

	"github.com/google/uuid"
)

// Which says which records are wanted.
type Which uint8

// The sorts of records.
const (
	Exchanges  Which = 1 << iota // that have ended
	Events                       // all others
	Everything = Exchanges | Events
)

// Record is what is taken out of the trail: an exchange that has ended, or an event that
// is none of an exchange's two. One of its fields is set.
type Record struct {
	Exchange *Exchange
	Event    *EventRow
}

// Seq is where the record stands in the order in which they are told.
func (r Record) Seq() uint64 {
	if r.Exchange != nil {
		return r.Exchange.OutcomeSeq
	}
	return r.Event.Seq
}

// ID is the exchange's, or the event's own.
func (r Record) ID() uuid.UUID {
	if r.Exchange != nil {
		return r.Exchange.ID
	}
	return r.Event.ID
}

// Type is "exchange", or the event's type.
func (r Record) Type() string {
	if r.Exchange != nil {
		return "exchange"
	}
	return r.Event.Type
}

// At is when the exchange ended, or the event happened.
func (r Record) At() time.Time {
	if r.Exchange != nil {
		return r.Exchange.Outcome.EndedAt
	}
	return r.Event.At
}

// AppendJSON appends the record as one JSON object: an event's has a key "type".
func (r Record) AppendJSON(b []byte) []byte {
	if r.Exchange != nil {
		return r.Exchange.AppendJSON(b)
	}
	return r.Event.AppendJSON(b)
}

// AppendOCSF appends the record as one event of OCSF.
func (r Record) AppendOCSF(b []byte, product string) ([]byte, error) {
	if r.Exchange != nil {
		return r.Exchange.AppendOCSF(b, product)
	}
	return r.Event.AppendOCSF(b, product)
}

// EachField calls fn with the fields of either kind in one order: those of an exchange, and
// after them type, exchange and payload of an event. The value is JSON, and fn's only
// until it returns.
func (r Record) EachField(fn func(name string, value []byte)) {
	x := r.Exchange
	var beside, payload []byte
	if x == nil {
		x = &Exchange{}
		x.ID, x.Seq, x.StartedAt = r.Event.ID, r.Event.Seq, r.Event.At
		if r.Event.Exchange != uuid.Nil {
			beside = appendString(nil, r.Event.Exchange.String())
		}
		if len(r.Event.Payload) > 0 {
			payload = appendJSON(nil, r.Event.Payload)
		}
	}
	x.EachField(fn)
	fn("type", appendString(nil, r.Type()))
	fn("exchange", jsonOrNull(beside))
	fn("payload", jsonOrNull(payload))
}

func jsonOrNull(value []byte) []byte {
	if value == nil {
		return []byte("null")
	}
	return value
}

// MatchesEvent is matches for an event: by time, and by who and what it names. What only
// exchanges have no event matches.
func (f *Filter) MatchesEvent(e *EventRow) bool {
	if f.Text != "" || f.Status != 0 || f.Mark != "" {
		return false
	}
	for _, field := range searchFields {
		if want := *field.filter(f); want != "" && !e.names(field, want) {
			return false
		}
	}
	return (f.Agent == uuid.Nil || e.names(agentField, f.Agent.String())) &&
		(f.Since.IsZero() || !e.At.Before(f.Since)) && (f.Until.IsZero() || e.At.Before(f.Until)) && (f.Before == 0 || e.Seq < f.Before)
}

// names reports whether the event says that a field has this value.
func (r *EventRow) names(f *field, value string) bool {
	for _, key := range f.event {
		if have, _ := r.Payload[key].(string); have == value {
			return true
		}
	}
	return false
}
