package audit_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// ocsfSchema is testdata/ocsf/schema.json, a part of the published schema.
type ocsfSchema struct {
	Event   ocsfObject
	Events  map[string]ocsfObject // by the name of their class
	Objects map[string]ocsfObject
}

type ocsfObject struct {
	Attributes map[string]struct {
		Requirement, Type, Profile string
		List                       bool
		Enum                       []any
	}
	AtLeastOne []string `json:"at_least_one"`
}

// check returns everything about value that the schema does not allow.
func (s *ocsfSchema) check(at string, o ocsfObject, value map[string]any, profiles []any) (wrong []string) {
	for name, a := range o.Attributes {
		if _, ok := value[name]; !ok && a.Requirement == "required" {
			wrong = append(wrong, at+"."+name+" is missing")
		}
	}
	if o.AtLeastOne != nil && !slices.ContainsFunc(o.AtLeastOne, func(name string) bool { return value[name] != nil }) {
		wrong = append(wrong, fmt.Sprintf("%s has none of %v", at, o.AtLeastOne))
	}
	for _, name := range slices.Sorted(maps.Keys(value)) {
		a, ok := o.Attributes[name]
		if !ok || (a.Profile != "" && !slices.Contains(profiles, any(a.Profile))) {
			wrong = append(wrong, at+"."+name+" is not in the schema, or its profile not named")
			continue
		}
		elements := []any{value[name]}
		if a.List {
			if elements, ok = value[name].([]any); !ok {
				wrong = append(wrong, at+"."+name+" is no list")
			}
		}
		for _, e := range elements {
			if len(a.Enum) > 0 && !slices.Contains(a.Enum, e) {
				wrong = append(wrong, fmt.Sprintf("%s.%s: %v is none of %v", at, name, e, a.Enum))
			}
			wrong = append(wrong, s.checkType(at+"."+name, a.Type, e, profiles)...)
		}
	}
	return wrong
}

func (s *ocsfSchema) checkType(at, kind string, value any, profiles []any) []string {
	ok := false
	switch kind {
	case "any":
		ok = true
	case "string":
		_, ok = value.(string)
	case "boolean":
		_, ok = value.(bool)
	case "integer":
		var n float64
		n, ok = value.(float64)
		ok = ok && n == math.Trunc(n)
	default:
		if m, isMap := value.(map[string]any); isMap {
			return s.check(at, s.Objects[kind], m, profiles)
		}
	}
	if !ok {
		return []string{fmt.Sprintf("%s: %v is no %s", at, value, kind)}
	}
	return nil
}

func readOCSF(t *testing.T) *ocsfSchema {
	t.Helper()
	data, err := os.ReadFile("testdata/ocsf/schema.json")
	require.NoError(t, err)
	schema := new(ocsfSchema)
	require.NoError(t, json.Unmarshal(data, schema))
	return schema
}

func (s *ocsfSchema) event(t *testing.T, x *audit.Exchange) (map[string]any, []string) {
	t.Helper()
	data, err := x.AppendOCSF(nil, "1.2.3")
	require.NoError(t, err)
	var event map[string]any
	require.NoError(t, json.Unmarshal(data, &event))
	metadata, _ := event["metadata"].(map[string]any)
	profiles, _ := metadata["profiles"].([]any)
	return event, s.check("event", s.Event, event, profiles)
}

func TestOCSFMeetsTheSchema(t *testing.T) {
	t.Parallel()
	schema := readOCSF(t)
	full := audit.Exchange{Intent: *intent(), Seq: 7, Ended: true, Outcome: *outcome(), OutcomeSeq: 8}
	full.Instance = "i"
	full.Operation, full.Resource, full.Details = "github:pulls/create", "acme/web", map[string]any{"refs": []any{"a"}}
	open := full
	open.Ended, open.Outcome = false, audit.Outcome{}
	denied := full
	denied.Decision, denied.Refusal, denied.Rule = audit.DecisionDeny, "policy", ""
	denied.Outcome = audit.Outcome{EndedAt: time.Now(), Outcome: audit.OutcomeRefused, Status: 403, Refusal: "policy", Error: "no rule allows it"}
	strange := full
	strange.Method, strange.Path, strange.Host, strange.Outcome.Error = "PROPFIND", "/\xff\x00", "h\"ost", "\x1b[31m"
	for name, x := range map[string]*audit.Exchange{
		"full": &full, "open": &open, "denied": &denied, "strange": &strange,
		"empty": {Intent: audit.Intent{ID: audit.NewID(), StartedAt: time.Now()}, Ended: true, Outcome: audit.Outcome{BytesSent: -1, BytesReceived: -1}},
	} {
		_, wrong := schema.event(t, x)
		assert.Empty(t, wrong, name)
	}
	event, _ := schema.event(t, &full)
	assert.Equal(t, full.Agent.String(), event["ai_agent"].(map[string]any)["uid"])
	assert.Equal(t, full.CertSerial, event["ai_agent"].(map[string]any)["instance_uid"])
	assert.Equal(t, "person:dana", event["actor"].(map[string]any)["user"].(map[string]any)["uid"])
	assert.EqualValues(t, 600301, event["type_uid"])
	assert.EqualValues(t, 1, event["action_id"])
	assert.Equal(t, "req_011CSHoEeqs5C35K2UUqR7Fy", event["metadata"].(map[string]any)["correlation_uid"])
	event, _ = schema.event(t, &denied)
	assert.EqualValues(t, 2, event["action_id"])
	assert.EqualValues(t, 2, event["disposition_id"])
}

// TestOCSFSchemaRefuses proves that the check above can fail.
func TestOCSFSchemaRefuses(t *testing.T) {
	t.Parallel()
	schema := readOCSF(t)
	x := &audit.Exchange{Intent: *intent(), Ended: true, Outcome: *outcome()}
	event, _ := schema.event(t, x)
	for name, change := range map[string]func(map[string]any){
		"missing":  func(m map[string]any) { delete(m, "actor") },
		"unknown":  func(m map[string]any) { m["agent"] = "x" },
		"enum":     func(m map[string]any) { m["status_id"] = 7.0 },
		"type":     func(m map[string]any) { m["time"] = "now" },
		"inside":   func(m map[string]any) { m["api"] = map[string]any{} },
		"no names": func(m map[string]any) { m["src_endpoint"] = map[string]any{"port": 1.0} },
	} {
		changed := maps.Clone(event)
		change(changed)
		assert.Len(t, schema.check("event", schema.Event, changed, []any{"ai_operation", "security_control"}), 1, name)
	}
	assert.NotEmpty(t, schema.check("event", schema.Event, event, nil), "profiles must be named")
	assert.NotEqual(t, uuid.Nil, x.Agent)
}

// TestOCSFOfEventsMeetsTheSchema: every type of event that the program writes, and one that
// it does not know.
func TestOCSFOfEventsMeetsTheSchema(t *testing.T) {
	t.Parallel()
	schema := readOCSF(t)
	who := map[string]any{"uid": int64(1000), "user": "dana", "via": "socket", "sudo_user": "kim"}
	for kind, want := range map[string]int{
		"agent.created": 300101, "agent.resumed": 300102, "agent.suspended": 300105, "agent.revoked": 300106, "agent.renewed": 300199,
		"certificate.issued": 300401, "document.stored": 300401, "credential.checked": 300402, "request.calls": 300402, "push.refs": 300402,
		"configuration.loaded": 300403, "configuration.kept": 300403, "authority.changed": 300403, "trail.pruned": 300404,
		"server.started": 300410, "server.stopped": 300411, "trail.held": 300412, "trail.released": 300413, "something.new": 300499,
	} {
		for _, payload := range []map[string]any{nil, who, {"agent": uuid.NewString(), "name": "n\xff", "reason": "r", "error": "e\x00", "credential": "c", "user": "dana"}} {
			r := audit.EventRow{Seq: 7, ID: audit.NewID(), Type: kind, At: time.Now(), Payload: payload}
			data, err := r.AppendOCSF(nil, "1.2.3")
			require.NoError(t, err)
			var event map[string]any
			require.NoError(t, json.Unmarshal(data, &event))
			class := "entity_management"
			if want/100 == 3001 {
				class = "account_change"
			}
			assert.Empty(t, schema.check("event", schema.Events[class], event, nil), kind)
			assert.EqualValues(t, want, event["type_uid"], kind)
			assert.Equal(t, kind, event["message"])
		}
	}
}
