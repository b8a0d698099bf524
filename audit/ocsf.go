package audit

import (
	"encoding/json"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
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
func (x *Exchange) AppendOCSF(b []byte, product string) ([]byte, error) {
	activity, name := x.ocsfActivity()
	event := filled(map[string]any{
		"category_uid": ocsfApplicationActivity, "category_name": "Application Activity",
		"class_uid": ocsfAPIActivity, "class_name": "API Activity",
		"activity_id": activity, "activity_name": name, "type_uid": ocsfAPIActivity*100 + activity,
		"severity_id": x.ocsfSeverity(), "time": x.StartedAt.UnixMilli(), "start_time": x.StartedAt.UnixMilli(),
		"status_id": x.ocsfStatus(), "status_detail": Printable(x.Outcome.Error),
		"metadata": map[string]any{
			"version": ocsfVersion, "product": filled(map[string]any{"name": "Sallyport", "vendor_name": "Sallyport", "version": product}),
			"uid": x.ID.String(), "sequence": x.Seq, "correlation_uid": Printable(x.Outcome.UpstreamRequestID),
			"profiles": []string{"ai_operation", "security_control"},
		},
		"actor":         x.ocsfActor(),
		"ai_agent":      x.ocsfAgent(),
		"api":           map[string]any{"operation": x.ocsfOperation(), "service": map[string]any{"name": orUnknown(Printable(x.Host))}},
		"src_endpoint":  endpoint("", x.ClientAddr),
		"dst_endpoint":  x.ocsfDestination(),
		"http_request":  x.ocsfRequest(),
		"http_response": x.ocsfResponse(),
		"resources":     x.ocsfResources(),
		"policy":        filled(map[string]any{"name": Printable(x.Policy), "uid": x.PolicyHash}),
		"firewall_rule": filled(map[string]any{"name": Printable(x.Rule)}),
		"unmapped":      x.ocsfUnmapped(),
	})
	if x.Ended {
		event["end_time"] = x.Outcome.EndedAt.UnixMilli()
		event["duration"] = max(x.Outcome.EndedAt.Sub(x.StartedAt).Milliseconds(), 0)
	}
	if x.Outcome.Status != 0 {
		event["status_code"] = strconv.Itoa(x.Outcome.Status)
	}
	event["action_id"], event["disposition_id"] = x.ocsfVerdict()
	data, err := json.Marshal(event)
	return append(b, data...), err
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

// ocsfActivity is what kind of call it was: by the verb of its operation where
// that tells, otherwise by the method.
func (x *Exchange) ocsfActivity() (id int, name string) {
	_, operation, _ := strings.Cut(x.Operation, "/")
	verb := strings.ToLower(operation)
	for _, kind := range []struct {
		id    int
		verbs []string
	}{
		{ocsfRead, []string{"get", "list", "describe", "head", "fetch", "download", "search", "query", "scan"}},
		{ocsfCreate, []string{"create", "put", "add", "run", "upload"}},
		{ocsfUpdate, []string{"update", "set", "push", "modify", "merge", "replace"}},
		{ocsfDelete, []string{"delete", "remove", "terminate"}},
	} {
		if slices.ContainsFunc(kind.verbs, func(v string) bool { return strings.HasPrefix(verb, v) }) {
			return kind.id, activityName(kind.id)
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

func (x *Exchange) ocsfOperation() string {
	if x.Operation != "" {
		return Printable(x.Operation)
	}
	return orUnknown(strings.TrimSpace(Printable(x.Method + " " + x.Path)))
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

// ocsfActor is the person that answers, and the agent as an application for
// readers that do not know ai_agent.
func (x *Exchange) ocsfActor() map[string]any {
	actor := filled(map[string]any{"app_name": Printable(x.AgentName), "app_uid": x.agentText()})
	if x.Accountable != "" {
		_, name, _ := strings.Cut(x.Accountable, ":")
		actor["user"] = filled(map[string]any{"uid": x.Accountable, "name": name})
	}
	if len(actor) == 0 {
		actor["app_name"] = "unknown"
	}
	return actor
}

func (x *Exchange) agentText() string {
	if x.Agent == [16]byte{} {
		return ""
	}
	return x.Agent.String()
}

func (x *Exchange) ocsfAgent() map[string]any {
	if x.agentText() == "" {
		return nil
	}
	return filled(map[string]any{"uid": x.agentText(), "name": Printable(x.AgentName), "instance_uid": x.CertSerial, "type_id": ocsfUnknown})
}

// endpoint is one side of a connection; the schema wants a name or an address.
func endpoint(hostname, address string) map[string]any {
	e := filled(map[string]any{"hostname": Printable(hostname)})
	if host, port, err := net.SplitHostPort(address); err == nil {
		e["ip"] = host
		if n, err := strconv.Atoi(port); err == nil && n > 0 {
			e["port"] = n
		}
	}
	if len(e) == 0 {
		e["name"] = "unknown"
	}
	return e
}

func (x *Exchange) ocsfDestination() map[string]any {
	e := endpoint(x.Host, x.Outcome.UpstreamAddr)
	if x.Port != 0 {
		e["port"] = int(x.Port)
	}
	return e
}

func (x *Exchange) ocsfRequest() map[string]any {
	if x.Path == "" && x.Scheme == "" {
		return nil // it was refused before it had an address
	}
	url := filled(map[string]any{"hostname": Printable(x.Host), "path": orUnknown(Printable(x.Path)), "scheme": x.Scheme})
	if x.Port != 0 {
		url["port"] = int(x.Port)
	}
	if x.Host != "" && x.Scheme != "" {
		url["url_string"] = Printable(x.Scheme + "://" + net.JoinHostPort(x.Host, strconv.Itoa(int(x.Port))) + x.Path)
	}
	request := filled(map[string]any{"version": x.HTTPVersion, "url": url})
	if slices.Contains(ocsfMethods(), x.Method) {
		request["http_method"] = x.Method
	}
	if x.Ended && x.Outcome.BytesSent >= 0 {
		request["body_length"] = x.Outcome.BytesSent
	}
	return request
}

// ocsfMethods are all that http_method may say.
func ocsfMethods() []string {
	return []string{"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
}

func (x *Exchange) ocsfResponse() map[string]any {
	if x.Outcome.Status == 0 {
		return nil
	}
	response := map[string]any{"code": x.Outcome.Status}
	if x.Outcome.BytesReceived >= 0 {
		response["body_length"] = x.Outcome.BytesReceived
	}
	if ms := x.Outcome.Timings.FirstByte; ms > 0 {
		response["latency"] = int64(ms)
	}
	return response
}

func (x *Exchange) ocsfResources() []any {
	if x.Resource == "" {
		return nil
	}
	return []any{map[string]any{"name": Printable(x.Resource), "uid": Printable(x.Resource)}}
}

// ocsfUnmapped is what only the trail knows, by its own words.
func (x *Exchange) ocsfUnmapped() map[string]any {
	u := filled(map[string]any{
		"owner": Printable(x.Owner), "accountable": Printable(x.Accountable), "credential": Printable(x.Credential),
		"credential_fingerprint": x.CredentialFingerprint, "decision": x.Decision, "refusal": x.finalRefusal(),
		"outcome": x.Outcome.Outcome, "instance": Printable(x.Instance),
	})
	if d := x.details(); len(d) > 0 {
		u["details"] = json.RawMessage(appendJSON(nil, d))
	}
	if !slices.Contains(ocsfMethods(), x.Method) && x.Method != "" {
		u["method"] = Printable(x.Method)
	}
	return u
}
