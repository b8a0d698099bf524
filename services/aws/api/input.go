package api

import (
	"strings"
	"unicode/utf8"

	"sallyport/internal/ijson"
)

const absent = "the request does not name its resource"

// text returns a member of the request: of the path, of the form or of the JSON body.
func (q *signals) text(name string) (value, problem string) {
	if value, ok := q.pathMember(name); ok {
		return value, ""
	}
	if q.protocol == query {
		value, count := lookup(q.form, name)
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

// optional is text for a member that may be absent. What is there and cannot be read is
// a problem still: the service may read it.
func (q *signals) optional(name string) (value string, given bool, problem string) {
	value, problem = q.text(name)
	if problem == absent {
		return "", false, ""
	}
	return value, problem == "", problem
}

// texts returns the strings of a list in a JSON body: "Names": [...].
func (q *signals) texts(name string) (values []string, problem string) {
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
func (q *signals) keys(name string) (keys []string, problem string) {
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
func transacted(q *signals, call Call) []Call {
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
func (q *signals) transactedPart(part Call, item []byte) (Call, bool) {
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
func (q *signals) pathMember(name string) (string, bool) {
	for i, value := range q.segments {
		if i < len(q.names) && q.names[i] == name {
			return value, true
		}
	}
	return "", false
}

// jsonMember returns a member of the JSON body.
func (q *signals) jsonMember(name string) (raw []byte, problem string) {
	members, problem := q.jsonMembers()
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

// jsonMembers reads the body, all of it, as the one JSON object that every server reads
// alike. It leaves as it is, for its signature covers its bytes.
func (q *signals) jsonMembers() (members []ijson.Member, problem string) {
	if q.membersRead {
		return q.members, q.membersProblem
	}
	q.membersRead = true
	q.members, q.membersProblem = q.readMembers()
	return q.members, q.membersProblem
}

func (q *signals) readMembers() (members []ijson.Member, problem string) {
	switch {
	case q.protocol == cbor:
		return nil, "what it touches is in CBOR, which is not read here; let the client speak JSON"
	case q.media != "" && q.media != "application/json" && !strings.HasPrefix(q.media, amzJSON):
		return nil, "what it touches is in its body, whose Content-Type does not say that it is JSON in UTF-8"
	}
	body, unread := q.readBody()
	if unread != nil {
		return nil, unread.Detail
	}
	members, err := ijson.Object(body)
	if err != nil {
		return nil, "the body " + err.Error()
	}
	return members, ""
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
