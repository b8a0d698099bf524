package audit

import (
	"encoding/json"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// ocsfVersion is the version of the Open Cybersecurity Schema Framework that
// AppendOCSF writes; ai_agent came with it.
const ocsfVersion = "1.9.0"

// Values of the schema's enumerations that an exchange can have.
const (
	ocsfApplicationActivity = 6
	ocsfAPIActivity         = 6003

	ocsfCreate = 1
	ocsfRead   = 2
	ocsfUpdate = 3
	ocsfDelete = 4
	ocsfOther  = 99

	ocsfUnknown       = 0
	ocsfSuccess       = 1
	ocsfFailure       = 2
	ocsfAllowed       = 1 // action and disposition
	ocsfDenied        = 2 // action; as disposition: blocked
	ocsfInformational = 1 // severity
	ocsfLow           = 2
)

// AppendOCSF appends the exchange as one event of OCSF's class API Activity
// (6003) with the profiles ai_operation, which names the agent, and
// security_control, which tells the decision. What the class has no field for
// is under unmapped, by the trail's own words. product is Sallyport's version.
//
// Where a field goes stands in the table of fields; here is what follows from several.
func (x *Exchange) AppendOCSF(b []byte, product string) ([]byte, error) {
	activity, name := x.ocsfActivity()
	action, disposition := x.ocsfVerdict()
	event := ocsf{
		"category_uid": ocsfApplicationActivity, "category_name": "Application Activity",
		"class_uid": ocsfAPIActivity, "class_name": "API Activity",
		"activity_id": activity, "activity_name": name, "type_uid": ocsfAPIActivity*100 + activity,
		"severity_id": x.ocsfSeverity(), "time": x.StartedAt.UnixMilli(), "start_time": x.StartedAt.UnixMilli(),
		"status_id": x.ocsfStatus(), "action_id": action, "disposition_id": disposition,
		"metadata": ocsf{
			"version": ocsfVersion, "product": filled(map[string]any{"name": "Sallyport", "vendor_name": "Sallyport", "version": product}),
			"profiles": []string{"ai_operation", "security_control"}, "correlation_uid": "",
		},
	}
	for i := range table {
		f := &table[i]
		if len(f.ocsf) == 0 {
			continue
		}
		if v := ocsfValue(f.tells(x), x.Ended); v != nil {
			for _, path := range f.ocsf {
				event.set(path, v)
			}
		}
	}
	x.ocsfParties(event)
	x.ocsfRequest(event)
	x.ocsfAnswer(event)
	data, err := json.Marshal(event)
	return append(b, data...), err
}

// ocsf is an object of an event.
type ocsf map[string]any

// at is the object at a path, made if it is not there.
func (o ocsf) at(path string) ocsf {
	first, rest, deeper := strings.Cut(path, ".")
	inner, ok := o[first].(ocsf)
	if !ok {
		inner = ocsf{}
		o[first] = inner
	}
	if deeper {
		return inner.at(rest)
	}
	return inner
}

func (o ocsf) set(path string, v any) {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		o, path = o.at(path[:i]), path[i+1:]
	}
	o[path] = v
}

// ocsfValue is what a field tells, nil if that is unknown.
func ocsfValue(v any, ended bool) any {
	switch v := v.(type) {
	case string:
		return orNil(v)
	case *string:
		return orNil(*v)
	case *uuid.UUID:
		if *v != uuid.Nil {
			return v.String()
		}
	case time.Time:
		if !v.IsZero() {
			return v.UnixMilli()
		}
	case uint64:
		return v
	case *uint16:
		if *v != 0 {
			return int(*v)
		}
	case *int:
		if *v != 0 {
			return *v
		}
	case *int64:
		if ended && *v >= 0 {
			return *v
		}
	}
	return nil
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return Printable(s)
}

// filled removes what is unknown: empty strings, maps and lists.
func filled(m map[string]any) map[string]any {
	maps.DeleteFunc(m, func(_ string, v any) bool {
		switch v := v.(type) {
		case string:
			return v == ""
		case map[string]any:
			return len(v) == 0
		case []any:
			return len(v) == 0
		}
		return v == nil
	})
	return m
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// ocsfActivity is what sort of call it was: by the verb of its operation where
// that tells, otherwise by the method.
func (x *Exchange) ocsfActivity() (id int, name string) {
	_, operation, _ := strings.Cut(x.Operation, "/")
	verb := strings.ToLower(operation)
	for _, sort := range []struct {
		id    int
		verbs []string
	}{
		{ocsfRead, []string{"get", "list", "describe", "head", "fetch", "download", "search", "query", "scan"}},
		{ocsfCreate, []string{"create", "put", "add", "run", "upload"}},
		{ocsfUpdate, []string{"update", "set", "push", "modify", "merge", "replace"}},
		{ocsfDelete, []string{"delete", "remove", "terminate"}},
	} {
		if slices.ContainsFunc(sort.verbs, func(v string) bool { return strings.HasPrefix(verb, v) }) {
			return sort.id, activityName(sort.id)
		}
	}
	switch x.Method {
	case "GET", "HEAD", "OPTIONS":
		return ocsfRead, activityName(ocsfRead)
	case "POST":
		return ocsfCreate, activityName(ocsfCreate)
	case "PUT", "PATCH":
		return ocsfUpdate, activityName(ocsfUpdate)
	case "DELETE":
		return ocsfDelete, activityName(ocsfDelete)
	case "":
		return ocsfUnknown, "Unknown"
	}
	return ocsfOther, Printable(x.Method)
}

func activityName(id int) string {
	return [...]string{ocsfCreate: "Create", ocsfRead: "Read", ocsfUpdate: "Update", ocsfDelete: "Delete"}[id]
}

func (x *Exchange) ocsfSeverity() int {
	if x.finalRefusal() != "" {
		return ocsfLow
	}
	return ocsfInformational
}

func (x *Exchange) ocsfStatus() int {
	switch {
	case !x.Ended:
		return ocsfUnknown
	case x.Outcome.Outcome == OutcomeCompleted && x.Outcome.Status < 400:
		return ocsfSuccess
	}
	return ocsfFailure
}

// ocsfVerdict is action and disposition: whether the request was let out.
func (x *Exchange) ocsfVerdict() (action, disposition int) {
	switch {
	case x.finalRefusal() != "" || x.Outcome.Outcome == OutcomeRefused:
		return ocsfDenied, 2 // blocked
	case x.Decision == DecisionAllow:
		return ocsfAllowed, ocsfAllowed
	}
	return ocsfUnknown, ocsfUnknown
}

// ocsfParties tells the person that answers, the agent (as an application too, for readers
// that do not know ai_agent), and the two ends of the connection.
func (x *Exchange) ocsfParties(event ocsf) {
	actor := event.at("actor")
	if x.Accountable != "" {
		if _, name, _ := strings.Cut(x.Accountable, ":"); name != "" {
			event.set("actor.user.name", name)
		}
	}
	if len(actor) == 0 {
		actor["app_name"] = "unknown"
	}
	if x.Agent == uuid.Nil {
		delete(event, "ai_agent")
	} else {
		event.set("ai_agent.type_id", ocsfUnknown)
	}
	addEndpoint(event.at("src_endpoint"), x.ClientAddr)
	addEndpoint(event.at("dst_endpoint"), x.Outcome.UpstreamAddr)
}

// addEndpoint adds the address of one side of a connection; the schema wants a name or an
// address.
func addEndpoint(e ocsf, address string) {
	if host, port, err := net.SplitHostPort(address); err == nil {
		e["ip"] = host
		if n, err := strconv.Atoi(port); err == nil && n > 0 && e["port"] == nil {
			e["port"] = n
		}
	}
	if len(e) == 0 {
		e["name"] = "unknown"
	}
}

// ocsfRequest tells what was asked for.
func (x *Exchange) ocsfRequest(event ocsf) {
	if x.Operation == "" {
		event.set("api.operation", orUnknown(strings.TrimSpace(Printable(x.Method+" "+x.Path))))
	}
	if x.Host == "" {
		event.set("api.service.name", "unknown")
	}
	if x.Resource != "" {
		event["resources"] = []any{map[string]any{"name": Printable(x.Resource), "uid": Printable(x.Resource)}}
	}
	if request := event.at("http_request"); !slices.Contains(ocsfMethods(), x.Method) && x.Method != "" {
		delete(request, "http_method")
		event.set("unmapped.method", Printable(x.Method))
	}
	if x.Path == "" && x.Scheme == "" {
		delete(event, "http_request") // it was refused before it had an address
		return
	}
	if x.Path == "" {
		event.set("http_request.url.path", "unknown")
	}
	if x.Host != "" && x.Scheme != "" {
		event.set("http_request.url.url_string", Printable(x.Scheme+"://"+net.JoinHostPort(x.Host, strconv.Itoa(int(x.Port)))+x.Path))
	}
}

// ocsfMethods are all that http_method may say.
func ocsfMethods() []string {
	return []string{"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
}

// ocsfAnswer tells what came of it, and what only the trail knows.
func (x *Exchange) ocsfAnswer(event ocsf) {
	if x.Ended {
		event["duration"] = max(x.Outcome.EndedAt.Sub(x.StartedAt).Milliseconds(), 0)
	}
	if d := x.details(); len(d) > 0 {
		event.set("unmapped.details", json.RawMessage(appendJSON(nil, d)))
	}
	if x.Outcome.Status == 0 {
		delete(event, "http_response")
		return
	}
	event["status_code"] = strconv.Itoa(x.Outcome.Status)
	if ms := x.Outcome.Timings.FirstByte; ms > 0 {
		event.set("http_response.latency", int64(ms))
	}
}
