package audit

import (
	"slices"
	"strings"
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
	// row is how a row tells it where that is not as it is stored.
	row func(*Exchange) any

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

// slot is a field's place in the payload of an intent or an outcome. The value that it points to
// is a *string, *uuid.UUID, *uint16, *int, *int64 (a count), *float64 (milliseconds), *Timings or
// *map[string]any; its type says how it is stored.
type slot[T any] struct {
	tag    byte // 0: it is not there
	limit  int
	packed bool // usually hexadecimal digits
	of     func(*T) any
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

func in(tag byte, limit int, of func(*Intent) any) slot[Intent] {
	return slot[Intent]{tag: tag, limit: limit, of: of}
}

func out(tag byte, limit int, of func(*Outcome) any) slot[Outcome] {
	return slot[Outcome]{tag: tag, limit: limit, of: of}
}

func packed(tag byte, of func(*Intent) any) slot[Intent] {
	return slot[Intent]{tag: tag, limit: capText, packed: true, of: of}
}

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
	{name: "id", row: func(x *Exchange) any { return x.ID.String() }, ocsf: []string{"metadata.uid"}},
	{name: "seq", row: func(x *Exchange) any { return &x.Seq }, ocsf: []string{"metadata.sequence"}},
	{name: "started_at", row: func(x *Exchange) any { return &x.StartedAt }, ocsf: []string{"time", "start_time"}},
	{name: "ended_at", row: func(x *Exchange) any { return &x.Outcome.EndedAt }, ocsf: []string{"end_time"}},
	{name: "instance", in: in(tagInstance, capText, func(i *Intent) any { return &i.Instance }), ocsf: []string{"unmapped.instance"}},
	{
		name: "agent", in: in(1, 0, func(i *Intent) any { return &i.Agent }), find: findWord, event: []string{"agent"},
		ocsf: []string{"actor.app_uid", "ai_agent.uid"},
	},
	{
		name: "agent_name", in: in(2, capText, func(i *Intent) any { return &i.AgentName }), find: findWord, event: []string{"name", "agent_name"},
		filter: func(f *Filter) *string { return &f.AgentName }, rank: 3, ocsf: []string{"actor.app_name", "ai_agent.name"},
	},
	{
		name: "owner", in: in(3, capText, func(i *Intent) any { return &i.Owner }), find: findWord, event: []string{"owner"},
		filter: func(f *Filter) *string { return &f.Owner }, rank: 9, flag: "only of this owner, as person:dana", ocsf: []string{"unmapped.owner"},
	},
	{
		name: "accountable", in: in(4, capText, func(i *Intent) any { return &i.Accountable }), find: findWord, event: []string{"accountable"},
		filter: func(f *Filter) *string { return &f.Accountable }, rank: 7, flag: "only when this person answered for the agent, as person:dana",
		ocsf: []string{"unmapped.accountable", "actor.user.uid"},
	},
	{
		name: "policy", in: in(5, capText, func(i *Intent) any { return &i.Policy }), find: findWord, event: []string{"policy"},
		filter: func(f *Filter) *string { return &f.Policy }, rank: 10, flag: "only decided by this policy", ocsf: []string{"policy.name"},
	},
	{name: "policy_hash", in: packed(34, func(i *Intent) any { return &i.PolicyHash }), ocsf: []string{"policy.uid"}},
	{
		name: "rule", in: in(6, capText, func(i *Intent) any { return &i.Rule }), find: findWord,
		filter: func(f *Filter) *string { return &f.Rule }, rank: 6, flag: "only decided by this rule", ocsf: []string{"firewall_rule.name"},
	},
	{
		name: "decision", in: in(7, capShort, func(i *Intent) any { return &i.Decision }), find: findWord,
		filter: func(f *Filter) *string { return &f.Decision }, rank: 13, flag: "only with this decision: allow, deny or ask", ocsf: []string{"unmapped.decision"},
	},
	{
		name: "refusal", in: in(8, capShort, func(i *Intent) any { return &i.Refusal }),
		out: out(tagOutRefusal, capShort, func(o *Outcome) any { return &o.Refusal }),
		row: func(x *Exchange) any { return x.finalRefusal() }, ocsf: []string{"unmapped.refusal"},
	},
	{name: "method", in: in(9, capShort, func(i *Intent) any { return &i.Method }), ocsf: []string{"http_request.http_method"}},
	{name: "scheme", in: in(10, capShort, func(i *Intent) any { return &i.Scheme }), ocsf: []string{"http_request.url.scheme"}},
	{
		name: "host", in: in(11, capText, func(i *Intent) any { return &i.Host }), find: findWord,
		filter: func(f *Filter) *string { return &f.Host }, rank: 5, flag: "only to this host",
		ocsf: []string{"dst_endpoint.hostname", "http_request.url.hostname", "api.service.name"},
	},
	{name: "port", in: in(12, 0, func(i *Intent) any { return &i.Port }), ocsf: []string{"dst_endpoint.port", "http_request.url.port"}},
	{
		name: "path", in: in(tagPath, capPath, func(i *Intent) any { return &i.Path }), find: findText | findBegin,
		ocsf: []string{"http_request.url.path"},
	},
	{
		name: "operation", in: in(tagOperation, capText, func(i *Intent) any { return &i.Operation }), find: findWord | findServices,
		filter: func(f *Filter) *string { return &f.Operation }, glob: true, rank: 4,
		flag: "only this operation, as github:pulls/create or github:pulls/*", ocsf: []string{"api.operation"},
	},
	{
		name: "resource", in: in(tagResource, capLong, func(i *Intent) any { return &i.Resource }), find: findWord | findText,
		filter: func(f *Filter) *string { return &f.Resource }, rank: 1, flag: "only on this resource, as acme/web", listed: true,
	},
	{
		name: "credential", in: in(14, capText, func(i *Intent) any { return &i.Credential }), find: findWord, event: []string{"credential"},
		filter: func(f *Filter) *string { return &f.Credential }, rank: 8, flag: "only with this credential", ocsf: []string{"unmapped.credential"},
	},
	{
		name: "credential_fingerprint", in: packed(35, func(i *Intent) any { return &i.CredentialFingerprint }), find: findMark,
		ocsf: []string{"unmapped.credential_fingerprint"},
	},
	{name: "cert_serial", in: packed(36, func(i *Intent) any { return &i.CertSerial }), ocsf: []string{"ai_agent.instance_uid"}},
	{name: "client_addr", in: in(37, capText, func(i *Intent) any { return &i.ClientAddr })},
	{name: "upstream_addr", out: out(4, capText, func(o *Outcome) any { return &o.UpstreamAddr })},
	{name: "http_version", in: in(38, capShort, func(i *Intent) any { return &i.HTTPVersion }), ocsf: []string{"http_request.version"}},
	{
		name: "status", out: out(tagStatus, 0, func(o *Outcome) any { return &o.Status }), find: findWord, term: fieldStatus, rank: 11,
		ocsf: []string{"http_response.code"},
	},
	{
		name: "outcome", out: out(tagOutcome, capShort, func(o *Outcome) any { return &o.Outcome }), find: findWord, term: fieldOutcome, rank: 12,
		filter: func(f *Filter) *string { return &f.Outcome }, flag: "only with this outcome: " + strings.Join(Outcomes(), ", "), ocsf: []string{"unmapped.outcome"},
	},
	{name: "bytes_sent", out: out(5, 0, func(o *Outcome) any { return &o.BytesSent }), ocsf: []string{"http_request.body_length"}},
	{name: "bytes_received", out: out(6, 0, func(o *Outcome) any { return &o.BytesReceived }), ocsf: []string{"http_response.body_length"}},
	{
		name: "upstream_request_id", out: out(7, capText, func(o *Outcome) any { return &o.UpstreamRequestID }), find: findMark,
		ocsf: []string{"metadata.correlation_uid"},
	},
	{name: "timings.authorize", in: in(40, 0, func(i *Intent) any { return &i.AuthorizeMS })},
	{name: "timings.credential", in: in(41, 0, func(i *Intent) any { return &i.CredentialMS })},
	{
		name: "timings", out: out(8, 0, func(o *Outcome) any { return &o.Timings }),
		row: func(x *Exchange) any { t := x.timings(); return &t },
	},
	{
		name: "details", in: in(42, maxDetails, func(i *Intent) any { return &i.Details }), out: out(9, maxDetails, func(o *Outcome) any { return &o.Details }),
		find: findMarks, row: func(x *Exchange) any { d := x.details(); return &d },
	},
	{name: "error", out: out(10, capLong, func(o *Outcome) any { return &o.Error }), find: findText, ocsf: []string{"status_detail"}},
}

// tagged is the table by the tags of one of the two payloads.
type tagged struct {
	order []*field // by their tags
	of    [128]*field
}

func byTag(tag func(*field) byte) *tagged {
	t := new(tagged)
	for i := range table {
		if n := tag(&table[i]); n != 0 {
			t.of[n] = &table[i]
		}
	}
	for _, f := range t.of {
		if f != nil {
			t.order = append(t.order, f)
		}
	}
	return t
}

// What follows is the table again, in the orders in which it is gone through.
var (
	intentFields  = byTag(func(f *field) byte { return f.in.tag })  //nolint:gochecknoglobals // nothing changes it
	outcomeFields = byTag(func(f *field) byte { return f.out.tag }) //nolint:gochecknoglobals // nothing changes it
	agentField    = fieldOf("agent")                                //nolint:gochecknoglobals // nothing changes it
	rowFields     = ofRows()                                        //nolint:gochecknoglobals // nothing changes it
	searchFields  = byRank()                                        //nolint:gochecknoglobals // nothing changes it
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
	case f.in.of != nil:
		at = f.in.of(&x.Intent)
	case f.out.of != nil:
		at = f.out.of(&x.Outcome)
	}
	if s, ok := at.(*string); ok {
		return *s
	}
	return ""
}

// tells is the value as the row tells it.
func (f *field) tells(x *Exchange) any {
	switch {
	case f.row != nil:
		return f.row(x)
	case f.in.of != nil:
		return f.in.of(&x.Intent)
	}
	return f.out.of(&x.Outcome)
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
