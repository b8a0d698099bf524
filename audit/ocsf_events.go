package audit

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Classes of what is no exchange, all of the category Identity & Access Management.
const (
	ocsfIAM              = 3
	ocsfAccountChange    = 3001
	ocsfEntityManagement = 3004
)

// ocsfActivities are what the last word of an event's type means in each of the classes;
// what is not here is "Other", by the event's own type.
func ocsfActivities(class int) map[string]int {
	if class == ocsfAccountChange {
		return map[string]int{"created": 1, "resumed": 2, "suspended": 5, "revoked": 6}
	}
	return map[string]int{
		"created": 1, "issued": 1, "stored": 1, "made": 1, "checked": 2, "refs": 2, "calls": 2, "rejected": 2, "loaded": 3, "changed": 3, "kept": 3, "restored": 3,
		"pruned": 4, "revoked": 4, "started": 10, "stopped": 11, "drained": 11, "held": 12, "released": 13,
	}
}

func activityNames(class int) map[int]string {
	if class == ocsfAccountChange {
		return map[int]string{1: "Create", 2: "Enable", 5: "Disable", 6: "Delete"}
	}
	return map[int]string{1: "Create", 2: "Read", 3: "Update", 4: "Delete", 10: "Activate", 11: "Deactivate", 12: "Suspend", 13: "Resume"}
}

// AppendOCSF appends the event as one of OCSF: what was done to an agent as Account Change
// (3001), everything else, the configuration among it, as Entity Management (3004). The
// whole payload is under unmapped. product is Sallyport's version.
func (r *EventRow) AppendOCSF(b []byte, product string) ([]byte, error) {
	subject, word, _ := strings.Cut(r.Type, ".")
	class, name := ocsfEntityManagement, "Entity Management"
	if subject == "agent" {
		class, name = ocsfAccountChange, "Account Change"
	}
	activity, known := ocsfActivities(class)[word]
	activityName := activityNames(class)[activity]
	if !known {
		activity, activityName = ocsfOther, r.Type
	}
	event := filled(map[string]any{
		"category_uid": ocsfIAM, "category_name": "Identity & Access Management", "class_uid": class, "class_name": name,
		"activity_id": activity, "activity_name": activityName, "type_uid": class*100 + activity,
		"severity_id": r.ocsfSeverity(), "time": r.At.UnixMilli(), "message": r.Type,
		"status_id": ocsfSuccess, "status_detail": Printable(r.word("error")),
		"metadata": filled(map[string]any{
			"version": ocsfVersion, "product": filled(map[string]any{"name": "Sallyport", "vendor_name": "Sallyport", "version": product}),
			"uid": r.ID.String(), "sequence": r.Seq, "event_code": r.Type, "correlation_uid": r.exchangeText(),
		}),
		"actor": r.ocsfActor(), "unmapped": r.ocsfUnmapped(),
	})
	if r.word("error") != "" {
		event["status_id"] = ocsfFailure
	}
	if class == ocsfAccountChange {
		event["user"] = filled(map[string]any{"uid": orUnknown(r.word("agent")), "name": Printable(r.word("name"))})
	} else {
		event["entity"] = r.ocsfEntity(subject)
		event["comment"] = Printable(r.word("reason"))
	}
	data, err := json.Marshal(filled(event))
	return append(b, data...), err
}

// word is a text of the payload, "" if it has none of this key.
func (r *EventRow) word(key string) string {
	s, _ := r.Payload[key].(string)
	return s
}

func (r *EventRow) exchangeText() string {
	if r.Exchange == [16]byte{} {
		return ""
	}
	return r.Exchange.String()
}

func (r *EventRow) ocsfSeverity() int {
	switch r.Type {
	case TypeAgentSuspended, TypeAgentRevoked, TypeAuthorityChanged, TypeConfigurationKept, TypeTrailHeld, TypeTrailPruned:
		return ocsfLow
	}
	return ocsfInformational
}

// ocsfActor is the local user that asked, or the server.
func (r *EventRow) ocsfActor() map[string]any {
	user := filled(map[string]any{"name": Printable(r.word("user"))})
	if uid, ok := r.Payload["uid"].(int64); ok {
		user["uid"] = fmt.Sprint(uid)
	}
	if len(user) == 0 {
		return map[string]any{"app_name": "sallyport"}
	}
	return map[string]any{"user": user, "app_name": "sallyport"}
}

// ocsfEntity is what the event is about: by the first of these that it names.
func (r *EventRow) ocsfEntity(subject string) map[string]any {
	for _, key := range []string{"credential", "serial", "sha256", "authority", "policy", "agent"} {
		if s := r.word(key); s != "" {
			return map[string]any{"type": subject, "type_id": ocsfOther, "name": Printable(s)}
		}
	}
	return map[string]any{"type": subject, "type_id": ocsfOther, "name": subject}
}

func (r *EventRow) ocsfUnmapped() map[string]any {
	if len(r.Payload) == 0 {
		return nil
	}
	return map[string]any{"payload": json.RawMessage(appendJSON(nil, r.Payload))}
}
