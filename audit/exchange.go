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
	Seq      uint64 // of the intent
	Instance string
	Ended    bool // Outcome is filled
	Outcome  Outcome
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
	o.text("id", x.ID.String())
	o.number("seq", int64(x.Seq))
	o.time("started_at", x.StartedAt)
	o.time("ended_at", x.Outcome.EndedAt)
	o.text("instance", x.Instance)
	o.uuid("agent", x.Agent)
	o.text("agent_name", x.AgentName)
	o.text("owner", x.Owner)
	o.text("accountable", x.Accountable)
	o.text("policy", x.Policy)
	o.text("policy_hash", x.PolicyHash)
	o.text("rule", x.Rule)
	o.text("decision", x.Decision)
	o.text("refusal", x.finalRefusal())
	o.text("method", x.Method)
	o.text("scheme", x.Scheme)
	o.text("host", x.Host)
	o.positive("port", int64(x.Port))
	o.text("path", x.Path)
	o.text("operation", x.Operation)
	o.text("resource", x.Resource)
	o.text("credential", x.Credential)
	o.text("credential_fingerprint", x.CredentialFingerprint)
	o.text("cert_serial", x.CertSerial)
	o.text("client_addr", x.ClientAddr)
	o.text("upstream_addr", x.Outcome.UpstreamAddr)
	o.text("http_version", x.HTTPVersion)
	o.positive("status", int64(x.Outcome.Status))
	o.text("outcome", x.Outcome.Outcome)
	o.count("bytes_sent", x.Ended, x.Outcome.BytesSent)
	o.count("bytes_received", x.Ended, x.Outcome.BytesReceived)
	o.text("upstream_request_id", x.Outcome.UpstreamRequestID)
	o.timings("timings", x.timings())
	o.details("details", x.details())
	o.text("error", x.Outcome.Error)
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

// fromIntent fills x from an intent event. A payload that retention has
// removed leaves everything but id, seq and time unknown.
func (x *Exchange) fromIntent(e *event) error {
	if !e.removed {
		if err := decodeVersion(e); err != nil {
			return err
		}
		if err := decodeIntent(e.payload, &x.Intent, &x.Instance); err != nil {
			return eventError(e.seq, err)
		}
	}
	x.ID, x.Seq, x.StartedAt = e.exchange, e.seq, fromMicros(e.at)
	return nil
}

// fromOutcome fills the rest from the outcome event.
func (x *Exchange) fromOutcome(e *event) error {
	x.Ended, x.OutcomeSeq = true, e.seq
	x.Outcome = Outcome{BytesSent: -1, BytesReceived: -1}
	if !e.removed {
		if err := decodeVersion(e); err != nil {
			return err
		}
		if err := decodeOutcome(e.payload, &x.Outcome); err != nil {
			return eventError(e.seq, err)
		}
	}
	x.Outcome.EndedAt = fromMicros(e.at)
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

// MarshalJSON is AppendJSON for encoding/json.
func (r EventRow) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil), nil }

// decodeEvent makes an event readable. Those of an exchange get the words of
// the exchange's JSON, without what is unknown.
func decodeEvent(e *event) (EventRow, error) {
	r := EventRow{Seq: e.seq, ID: e.id, Exchange: e.exchange, Type: e.kind, At: fromMicros(e.at)}
	if e.removed {
		return r, nil
	}
	if err := decodeVersion(e); err != nil {
		return r, err
	}
	var err error
	switch e.kind {
	case TypeIntent:
		var in Intent
		var instance string
		err = decodeIntent(e.payload, &in, &instance)
		r.Payload = in.known(instance)
	case TypeOutcome:
		var out Outcome
		err = decodeOutcome(e.payload, &out)
		r.Payload = out.known()
	default:
		r.Payload, err = decodeMap(e.payload)
	}
	if err != nil {
		return r, eventError(e.seq, err)
	}
	return r, nil
}

func (in *Intent) known(instance string) map[string]any {
	m := known(map[string]any{
		"agent_name": in.AgentName, "owner": in.Owner, "accountable": in.Accountable,
		"policy": in.Policy, "policy_hash": in.PolicyHash, "rule": in.Rule, "decision": in.Decision,
		"refusal": in.Refusal, "method": in.Method, "scheme": in.Scheme, "host": in.Host, "port": int64(in.Port),
		"path": in.Path, "operation": in.Operation, "resource": in.Resource, "credential": in.Credential,
		"credential_fingerprint": in.CredentialFingerprint, "cert_serial": in.CertSerial, "client_addr": in.ClientAddr,
		"http_version": in.HTTPVersion, "instance": instance,
	})
	if in.Agent != uuid.Nil {
		m["agent"] = in.Agent.String()
	}
	if t := known(map[string]any{"authorize": in.AuthorizeMS, "credential": in.CredentialMS}); len(t) > 0 {
		m["timings"] = t
	}
	if len(in.Details) > 0 {
		m["details"] = in.Details
	}
	return m
}

func (out *Outcome) known() map[string]any {
	m := known(map[string]any{
		"outcome": out.Outcome, "refusal": out.Refusal, "status": int64(out.Status), "upstream_addr": out.UpstreamAddr,
		"upstream_request_id": out.UpstreamRequestID, "error": out.Error,
	})
	if out.BytesSent >= 0 {
		m["bytes_sent"] = out.BytesSent
	}
	if out.BytesReceived >= 0 {
		m["bytes_received"] = out.BytesReceived
	}
	t := out.Timings
	if t := known(map[string]any{
		"authorize": t.Authorize, "credential": t.Credential, "audit": t.Audit,
		"connect": t.Connect, "first_byte": t.FirstByte, "total": t.Total,
	}); len(t) > 0 {
		m["timings"] = t
	}
	if len(out.Details) > 0 {
		m["details"] = out.Details
	}
	return m
}

// known removes the zero values of m.
func known(m map[string]any) map[string]any {
	for k, v := range m {
		if v == "" || v == int64(0) || v == float64(0) {
			delete(m, k)
		}
	}
	return m
}
