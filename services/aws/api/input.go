package api

import (
	"strings"
	"unicode/utf8"

	"sallyport/internal/ijson"
)

// input is what a request that has a name says of what it touches.
type input struct {
	*head
	body     *payload
	protocol string   // by which it was named
	segments []string // of a REST path, decoded
	names    []string // of its parameters, empty for what is fixed
}

const absent = "the request does not name its resource"

// text returns a member of the request: of the path, of the form or of the JSON body.
func (q *input) text(name string) (value, problem string) {
	if value, ok := q.pathMember(name); ok {
		return value, ""
	}
	if q.protocol == query {
		value, count := lookup(q.body.form, name)
		inQuery, more := q.parameter(name)
		switch {
		case count+more > 1:
			return "", name + " is there more than once"
		case count == 1:
			return value, ""
		case more == 1:
			return inQuery, ""
		}
		return "", absent
	}
	raw, problem := q.jsonMember(name)
	if problem != "" {
		return "", problem
	}
	return jsonText(raw)
}

// optional is text for a member that may be absent. It is a problem if the member is there and
// cannot be read here, since the service may be able to read it.
func (q *input) optional(name string) (value string, given bool, problem string) {
	value, problem = q.text(name)
	if problem == absent {
		return "", false, ""
	}
	return value, problem == "", problem
}

// texts returns the strings of a list in a JSON body: "Names": [...].
func (q *input) texts(name string) (values []string, problem string) {
	raw, problem := q.jsonMember(name)
	if problem != "" {
		return nil, problem
	}
	list, ok := ijson.Elements(raw)
	if !ok {
		return nil, name + " is not a list"
	}
	for _, raw := range list {
		value, problem := jsonText(raw)
		if problem != "" {
			return nil, problem
		}
		values = append(values, value)
	}
	return values, ""
}

// keys returns the keys of a JSON object that is a member.
func (q *input) keys(name string) (keys []string, problem string) {
	raw, problem := q.jsonMember(name)
	if problem != "" {
		return nil, problem
	}
	members, err := ijson.Object(raw)
	if err != nil {
		return nil, name + " " + err.Error()
	}
	for _, m := range members {
		keys = append(keys, m.Name)
	}
	return keys, ""
}

// transacted are the parts of a transaction, each an operation of its own.
func transacted(q *input, call Call) []Call {
	unknown := func(problem string) []Call {
		call.Unknown = problem
		return []Call{call}
	}
	raw, problem := q.jsonMember("TransactItems")
	if problem != "" {
		return unknown(problem)
	}
	items, ok := ijson.Elements(raw)
	if !ok || len(items) == 0 {
		return unknown("the transaction has no items")
	}
	if len(items) > maxListed {
		return unknown("the transaction has more items than any service takes at once")
	}
	calls := make([]Call, 0, len(items))
	for _, item := range items {
		part, ok := q.transactedPart(call, item)
		if !ok {
			return unknown("a part of the transaction cannot be read")
		}
		calls = append(calls, part)
	}
	return calls
}

// transactedPart reads {"Put": {"TableName": "t", ...}}.
func (q *input) transactedPart(part Call, item []byte) (Call, bool) {
	kinds, err := ijson.Object(item)
	if err != nil || len(kinds) != 1 {
		return Call{}, false
	}
	action := map[string]string{
		"Get": "GetItem", "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem",
	}[kinds[0].Name]
	members, err := ijson.Object(kinds[0].Value)
	if err != nil || action == "" {
		return Call{}, false
	}
	raw, problem := memberOf(members, "TableName")
	if problem != "" {
		return Call{}, false
	}
	table, problem := jsonText(raw)
	if problem != "" {
		return Call{}, false
	}
	part.Actions = []string{"dynamodb:" + action}
	return q.with(part, table, dynamoTable), true
}

// pathMember returns a parameter of a REST path.
func (q *input) pathMember(name string) (string, bool) {
	for i, value := range q.segments {
		if i < len(q.names) && q.names[i] == name {
			return value, true
		}
	}
	return "", false
}

// jsonMember returns a member of the JSON body.
func (q *input) jsonMember(name string) (raw []byte, problem string) {
	members, problem := q.body.object(q.protocol)
	if problem != "" {
		return nil, problem
	}
	return memberOf(members, name)
}

// memberOf finds a member of an object, of which the names are there once. One whose name
// differs in case only makes it unknown, for some servers take that as well.
func memberOf(members []ijson.Member, name string) (raw []byte, problem string) {
	problem = absent
	for _, m := range members {
		switch {
		case m.Name == name:
			raw = m.Value
			if problem == absent {
				problem = ""
			}
		case strings.EqualFold(m.Name, name):
			problem = "the body has " + name + " in another case"
		}
	}
	return raw, problem
}

// jsonText reads a string that every reader reads alike.
func jsonText(raw []byte) (value, problem string) {
	value, ok := ijson.String(raw)
	if !ok || strings.ContainsRune(value, utf8.RuneError) {
		return "", "the name of the resource is not a string"
	}
	return value, ""
}

// plainText reports whether a name has no control characters.
func plainText(s string) bool {
	return s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
