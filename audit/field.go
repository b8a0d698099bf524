package audit

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// field is one thing that a row tells. What is done with rows goes by the table of all
// fields: how payloads are encoded and decoded, JSON, CSV and exported tables, the filters
// and their flags, what an exchange is found by, and where OCSF has it.
type field struct {
	// name is the key in JSON and in the payload of an intent or outcome as events tell it, and the
	// column of CSV, of exported tables and, if the field belongs to the kind, of kinds. A name
	// with a dot is a part of another field, and none of its own in a row.
	name string
	in   slot[Intent]
	out  slot[Outcome]
	row  told // nil: it is told as it is stored

	// filter is where a Filter wants it; nil: nothing is selected by it.
	filter func(*Filter) *string
	glob   bool     // * in the filter stands for any run of characters
	rank   int      // in a search, what fewer exchanges have has a lower one
	event  []string // the keys by which events that are no exchange's name it
	flag   string   // what the flag of its name says of itself; "": it has none
	listed bool     // the flag is one of lists, not of counts

	find find
	term byte // the field of its terms, unless that is its tag in intents
	ocsf []string
}

// find says by what of a field's value an exchange is found.
type find uint8

const (
	findWord     find = 1 << iota // all of it
	findText                      // any three bytes
	findBegin                     // of those, only the ones at the beginning of a long value
	findServices                  // what an operation begins with
	findMark                      // another system shows it
	findMarks                     // it has what another system shows
)

// Tags that are named elsewhere too. Those of an intent below tagPath make up what kind of
// exchange it is (who, by which rule, to where): they come first so that the projection can
// compare them as one run of bytes. A new field of an intent has a tag from 46 on, since the
// numbers of terms before it are taken.
const (
	tagOperation = 13
	tagPath      = 32
	tagResource  = 33
	tagInstance  = 39

	tagOutcome    = 1
	tagOutRefusal = 2
	tagStatus     = 3
)

// table is all fields in the order in which rows tell them.
var table = []field{
	{name: "id", row: toldID(func(x *Exchange) uuid.UUID { return x.ID }), ocsf: []string{"metadata.uid"}},
	{name: "seq", row: toldSeq(func(x *Exchange) uint64 { return x.Seq }), ocsf: []string{"metadata.sequence"}},
	{name: "started_at", row: toldTime(func(x *Exchange) time.Time { return x.StartedAt }), ocsf: []string{"time", "start_time"}},
	{name: "ended_at", row: toldTime(func(x *Exchange) time.Time { return x.Outcome.EndedAt }), ocsf: []string{"end_time"}},
	{name: "instance", in: words(tagInstance, capText, func(i *Intent) *string { return &i.Instance }), ocsf: []string{"unmapped.instance"}},
	{
		name: "agent", in: slot[Intent]{1, id[Intent](func(i *Intent) *uuid.UUID { return &i.Agent })}, find: findWord, event: []string{"agent"},
		ocsf: []string{"actor.app_uid", "ai_agent.uid"},
	},
	{
		name: "agent_name", in: words(2, capText, func(i *Intent) *string { return &i.AgentName }), find: findWord, event: []string{"name", "agent_name"},
		filter: func(f *Filter) *string { return &f.AgentName }, rank: 3, ocsf: []string{"actor.app_name", "ai_agent.name"},
	},
	{
		name: "owner", in: words(3, capText, func(i *Intent) *string { return &i.Owner }), find: findWord, event: []string{"owner"},
		filter: func(f *Filter) *string { return &f.Owner }, rank: 9, flag: "only of this owner, as person:dana", ocsf: []string{"unmapped.owner"},
	},
	{
		name: "accountable", in: words(4, capText, func(i *Intent) *string { return &i.Accountable }), find: findWord, event: []string{"accountable"},
		filter: func(f *Filter) *string { return &f.Accountable }, rank: 7, flag: "only when this person answered for the agent, as person:dana",
		ocsf: []string{"unmapped.accountable", "actor.user.uid"},
	},
	{
		name: "policy", in: words(5, capText, func(i *Intent) *string { return &i.Policy }), find: findWord, event: []string{"policy"},
		filter: func(f *Filter) *string { return &f.Policy }, rank: 10, flag: "only decided by this policy", ocsf: []string{"policy.name"},
	},
	{name: "policy_hash", in: hashed(34, func(i *Intent) *string { return &i.PolicyHash }), ocsf: []string{"policy.uid"}},
	{
		name: "rule", in: words(6, capText, func(i *Intent) *string { return &i.Rule }), find: findWord,
		filter: func(f *Filter) *string { return &f.Rule }, rank: 6, flag: "only decided by this rule", ocsf: []string{"firewall_rule.name"},
	},
	{
		name: "decision", in: words(7, capShort, func(i *Intent) *string { return &i.Decision }), find: findWord,
		filter: func(f *Filter) *string { return &f.Decision }, rank: 13, flag: "only with this decision: allow, deny or ask", ocsf: []string{"unmapped.decision"},
	},
	{
		name: "refusal", in: words(8, capShort, func(i *Intent) *string { return &i.Refusal }),
		out: words(tagOutRefusal, capShort, func(o *Outcome) *string { return &o.Refusal }),
		row: toldText((*Exchange).finalRefusal), ocsf: []string{"unmapped.refusal"},
	},
	{name: "method", in: words(9, capShort, func(i *Intent) *string { return &i.Method }), ocsf: []string{"http_request.http_method"}},
	{name: "scheme", in: words(10, capShort, func(i *Intent) *string { return &i.Scheme }), ocsf: []string{"http_request.url.scheme"}},
	{
		name: "host", in: words(11, capText, func(i *Intent) *string { return &i.Host }), find: findWord,
		filter: func(f *Filter) *string { return &f.Host }, rank: 5, flag: "only to this host",
		ocsf: []string{"dst_endpoint.hostname", "http_request.url.hostname", "api.service.name"},
	},
	{name: "port", in: slot[Intent]{12, port[Intent](func(i *Intent) *uint16 { return &i.Port })}, ocsf: []string{"dst_endpoint.port", "http_request.url.port"}},
	{
		name: "path", in: words(tagPath, capPath, func(i *Intent) *string { return &i.Path }), find: findText | findBegin,
		ocsf: []string{"http_request.url.path"},
	},
	{
		name: "operation", in: words(tagOperation, capText, func(i *Intent) *string { return &i.Operation }), find: findWord | findServices,
		filter: func(f *Filter) *string { return &f.Operation }, glob: true, rank: 4,
		flag: "only this operation, as github:pulls/create or github:pulls/*", ocsf: []string{"api.operation"},
	},
	{
		name: "resource", in: words(tagResource, capLong, func(i *Intent) *string { return &i.Resource }), find: findWord | findText,
		filter: func(f *Filter) *string { return &f.Resource }, rank: 1, flag: "only on this resource, as acme/web", listed: true,
	},
	{
		name: "credential", in: words(14, capText, func(i *Intent) *string { return &i.Credential }), find: findWord, event: []string{"credential"},
		filter: func(f *Filter) *string { return &f.Credential }, rank: 8, flag: "only with this credential", ocsf: []string{"unmapped.credential"},
	},
	{
		name: "credential_fingerprint", in: hashed(35, func(i *Intent) *string { return &i.CredentialFingerprint }), find: findMark,
		ocsf: []string{"unmapped.credential_fingerprint"},
	},
	{name: "cert_serial", in: hashed(36, func(i *Intent) *string { return &i.CertSerial }), ocsf: []string{"ai_agent.instance_uid"}},
	{name: "client_addr", in: words(37, capText, func(i *Intent) *string { return &i.ClientAddr })},
	{name: "upstream_addr", out: words(4, capText, func(o *Outcome) *string { return &o.UpstreamAddr })},
	{name: "http_version", in: words(38, capShort, func(i *Intent) *string { return &i.HTTPVersion }), ocsf: []string{"http_request.version"}},
	{
		name: "status", out: slot[Outcome]{tagStatus, number[Outcome](func(o *Outcome) *int { return &o.Status })}, find: findWord, term: fieldStatus, rank: 11,
		ocsf: []string{"http_response.code"},
	},
	{
		name: "outcome", out: words(tagOutcome, capShort, func(o *Outcome) *string { return &o.Outcome }), find: findWord, term: fieldOutcome, rank: 12,
		filter: func(f *Filter) *string { return &f.Outcome }, flag: "only with this outcome: " + strings.Join(Outcomes(), ", "), ocsf: []string{"unmapped.outcome"},
	},
	{name: "bytes_sent", out: slot[Outcome]{5, count[Outcome](func(o *Outcome) *int64 { return &o.BytesSent })}, ocsf: []string{"http_request.body_length"}},
	{name: "bytes_received", out: slot[Outcome]{6, count[Outcome](func(o *Outcome) *int64 { return &o.BytesReceived })}, ocsf: []string{"http_response.body_length"}},
	{
		name: "upstream_request_id", out: words(7, capText, func(o *Outcome) *string { return &o.UpstreamRequestID }), find: findMark,
		ocsf: []string{"metadata.correlation_uid"},
	},
	{name: "timings.authorize", in: slot[Intent]{40, duration[Intent](func(i *Intent) *float64 { return &i.AuthorizeMS })}},
	{name: "timings.credential", in: slot[Intent]{41, duration[Intent](func(i *Intent) *float64 { return &i.CredentialMS })}},
	{
		name: "timings", out: slot[Outcome]{8, durations[Outcome](func(o *Outcome) *Timings { return &o.Timings })},
		row: toldTimings((*Exchange).timings),
	},
	{
		name: "details", in: slot[Intent]{42, details[Intent](func(i *Intent) *map[string]any { return &i.Details })}, out: slot[Outcome]{9, details[Outcome](func(o *Outcome) *map[string]any { return &o.Details })},
		find: findMarks, row: toldDetails((*Exchange).details),
	},
	{name: "error", out: words(10, capLong, func(o *Outcome) *string { return &o.Error }), find: findText, ocsf: []string{"status_detail"}},
}

// tagged is the table by the tags of one of the two payloads.
type tagged[T any] struct {
	slots []slot[T] // by their tags
	order []*field  // of the same
	of    [128]*field
}

func byTag[T any](of func(*field) slot[T]) *tagged[T] {
	t := new(tagged[T])
	for i := range table {
		if n := of(&table[i]).tag; n != 0 {
			t.of[n] = &table[i]
		}
	}
	for _, f := range t.of {
		if f != nil {
			t.order = append(t.order, f)
			t.slots = append(t.slots, of(f))
		}
	}
	return t
}

// What follows is the table again, in the orders in which it is gone through.
var (
	intentFields  = byTag(func(f *field) slot[Intent] { return f.in })   //nolint:gochecknoglobals // nothing changes it
	outcomeFields = byTag(func(f *field) slot[Outcome] { return f.out }) //nolint:gochecknoglobals // nothing changes it
	agentField    = fieldOf("agent")                                     //nolint:gochecknoglobals // nothing changes it
	rowFields     = ofRows()                                             //nolint:gochecknoglobals // nothing changes it
	searchFields  = byRank()                                             //nolint:gochecknoglobals // nothing changes it
)

// ofRows are the fields that rows tell, without the parts of others.
func ofRows() []*field {
	var list []*field
	for i := range table {
		if !strings.Contains(table[i].name, ".") {
			list = append(list, &table[i])
		}
	}
	return list
}

// byRank is what a search looks for, what few exchanges have first.
func byRank() []*field {
	var list []*field
	for i := range table {
		if table[i].filter != nil {
			list = append(list, &table[i])
		}
	}
	slices.SortStableFunc(list, func(a, b *field) int { return a.rank - b.rank })
	return list
}

// fieldOf is the field with this name.
func fieldOf(name string) *field {
	for i := range table {
		if table[i].name == name {
			return &table[i]
		}
	}
	return nil
}

// value is what an exchange has in the field, which is a text of its own in one of the two
// payloads; "" where it is none.
func (f *field) value(x *Exchange) string {
	var at any
	switch {
	case f == nil:
	case f.in.tag != 0:
		at = f.in.at(&x.Intent)
	case f.out.tag != 0:
		at = f.out.at(&x.Outcome)
	}
	if s, ok := at.(*string); ok {
		return *s
	}
	return ""
}

// tell writes the value as a row tells it.
func (f *field) tell(o *object, x *Exchange) {
	switch {
	case f.row != nil:
		f.row.tell(o, f.name, x)
	case f.in.tag != 0:
		f.in.tell(o, f.name, &x.Intent, x.Ended)
	default:
		f.out.tell(o, f.name, &x.Outcome, x.Ended)
	}
}

// tells is the value as the row tells it, or where it is.
func (f *field) tells(x *Exchange) any {
	switch {
	case f.row != nil:
		return f.row.value(x)
	case f.in.tag != 0:
		return f.in.at(&x.Intent)
	}
	return f.out.at(&x.Outcome)
}

// terms is the field of the terms of the field's values.
func (f *field) terms() byte {
	if f.term != 0 {
		return f.term
	}
	return f.in.tag
}

// Flag is a filter by one field as a command line has it.
type Flag struct {
	Name, Usage string
	List        bool // it is one of lists, not of counts
	Value       func(*Filter) *string
}

// Flags are the filters by one field.
func Flags() []Flag {
	var list []Flag
	for i := range table {
		if f := &table[i]; f.flag != "" {
			list = append(list, Flag{Name: f.name, Usage: f.flag, List: f.listed, Value: f.filter})
		}
	}
	return list
}
