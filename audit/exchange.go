package audit

import (
	"maps"
	"time"

	"github.com/google/uuid"
)

// Exchange is one request and its answer as the trail tells it: the intent,
// and the outcome once there is one.
type Exchange struct {
	Intent
	Seq     uint64 // of the intent
	Ended   bool   // Outcome is filled
	Outcome Outcome
	// OutcomeSeq is the seq of the outcome, 0 while open.
	OutcomeSeq uint64
}

// finalRefusal is the outcome's word where it has one.
func (x *Exchange) finalRefusal() string {
	if x.Outcome.Refusal != "" {
		return x.Outcome.Refusal
	}
	return x.Refusal
}

// AppendJSON appends the exchange as one JSON object. Every key is always
// there, null when unknown or not yet.
func (x *Exchange) AppendJSON(b []byte) []byte {
	o := object{b: append(b, '{')}
	x.members(&o)
	return append(o.b, '}')
}

// EachField calls fn with the members of that object in their order. The value is JSON,
// and fn's only until it returns.
func (x *Exchange) EachField(fn func(name string, value []byte)) {
	o := object{each: fn}
	x.members(&o)
	o.ended()
}

func (x *Exchange) members(o *object) {
	for _, f := range rowFields {
		f.tell(o, x)
	}
}

// MarshalJSON is AppendJSON for encoding/json.
func (x Exchange) MarshalJSON() ([]byte, error) { return x.AppendJSON(nil), nil }

// timings adds what the intent knew to what the outcome says.
func (x *Exchange) timings() Timings {
	t := x.Outcome.Timings
	if t.Authorize == 0 {
		t.Authorize = x.AuthorizeMS
	}
	if t.Credential == 0 {
		t.Credential = x.CredentialMS
	}
	return t
}

func (x *Exchange) details() map[string]any {
	if len(x.Outcome.Details) == 0 {
		return x.Details
	}
	all := make(map[string]any, len(x.Details)+len(x.Outcome.Details))
	maps.Copy(all, x.Details)
	maps.Copy(all, x.Outcome.Details)
	return all
}

// ReadIntent fills x from an intent event. A payload that retention has
// removed leaves everything but id, seq and time unknown.
func (x *Exchange) ReadIntent(e *Encoded) error {
	if !e.Removed {
		if err := e.CheckVersion(); err != nil {
			return err
		}
		if err := DecodeIntent(e.Payload, &x.Intent); err != nil {
			return eventError(e.Seq, err)
		}
	}
	x.ID, x.Seq, x.StartedAt = e.Exchange, e.Seq, FromMicros(e.At)
	return nil
}

// ReadOutcome fills the rest from the outcome event.
func (x *Exchange) ReadOutcome(e *Encoded) error {
	x.Ended, x.OutcomeSeq = true, e.Seq
	x.Outcome = Outcome{BytesSent: -1, BytesReceived: -1}
	if !e.Removed {
		if err := e.CheckVersion(); err != nil {
			return err
		}
		if err := DecodeOutcome(e.Payload, &x.Outcome); err != nil {
			return eventError(e.Seq, err)
		}
	}
	x.Outcome.EndedAt = FromMicros(e.At)
	return nil
}

// EventRow is one event as stored.
type EventRow struct {
	Seq      uint64
	ID       uuid.UUID
	Exchange uuid.UUID // Nil when it belongs to none
	Type     string
	At       time.Time
	Payload  map[string]any // nil when empty or removed by retention
}

// AppendJSON appends the event as one JSON object, every key always there.
func (r *EventRow) AppendJSON(b []byte) []byte {
	o := object{b: append(b, '{')}
	r.members(&o)
	return append(o.b, '}')
}

func (r *EventRow) members(o *object) {
	o.number("seq", int64(r.Seq))
	o.text("id", r.ID.String())
	o.uuid("exchange", r.Exchange)
	o.text("type", r.Type)
	o.time("at", r.At)
	o.details("payload", r.Payload)
}

// EachField calls fn with the members of that object in their order. The value is JSON,
// and fn's only until it returns.
func (r *EventRow) EachField(fn func(name string, value []byte)) {
	o := object{each: fn}
	r.members(&o)
	o.ended()
}

// MarshalJSON is AppendJSON for encoding/json.
func (r EventRow) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil), nil }

// Decode makes an event readable. Those of an exchange get the words of
// the exchange's JSON, without what is unknown.
func (e *Encoded) Decode() (EventRow, error) {
	r := EventRow{Seq: e.Seq, ID: e.ID, Exchange: e.Exchange, Type: e.Type, At: FromMicros(e.At)}
	if e.Removed {
		return r, nil
	}
	if err := e.CheckVersion(); err != nil {
		return r, err
	}
	var err error
	switch e.Type {
	case TypeIntent:
		var in Intent
		err = DecodeIntent(e.Payload, &in)
		r.Payload = in.known()
	case TypeOutcome:
		var out Outcome
		err = DecodeOutcome(e.Payload, &out)
		r.Payload = out.known()
	default:
		r.Payload, err = DecodeMap(e.Payload)
	}
	if err != nil {
		return r, eventError(e.Seq, err)
	}
	return r, nil
}
