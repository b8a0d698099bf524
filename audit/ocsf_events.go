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

// activities are the numbers of the classes' activities.
func activities(account bool) map[string]int {
	if account {
		return map[string]int{"Create": 1, "Enable": 2, "Disable": 5, "Delete": 6}
	}
	return map[string]int{"Create": 1, "Read": 2, "Update": 3, "Delete": 4, "Activate": 10, "Deactivate": 11, "Suspend": 12, "Resume": 13}
}

// AppendOCSF appends the event as one of OCSF: what was done to an agent as Account Change
// (3001), everything else, the configuration among it, as Entity Management (3004). The
// whole payload is under unmapped. product is Sallyport's version.
func (r *EventRow) AppendOCSF(b []byte, product string) ([]byte, error) {
	subject, _, _ := strings.Cut(r.Type, ".")
	typ := eventTypeOf(r.Type)
	class, name := ocsfEntityManagement, "Entity Management"
	if typ.account {
		class, name = ocsfAccountChange, "Account Change"
	}
	activity, activityName := activities(typ.account)[typ.activity], typ.activity
	if activity == 0 {
		activity, activityName = ocsfOther, r.Type
	}
	severity := ocsfInformational
	if typ.low {
		severity = ocsfLow
	}
	event := filled(map[string]any{
		"category_uid": ocsfIAM, "category_name": "Identity & Access Management", "class_uid": class, "class_name": name,
		"activity_id": activity, "activity_name": activityName, "type_uid": class*100 + activity,
		"severity_id": severity, "time": r.At.UnixMilli(), "message": r.Type,
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
