package aws

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"unicode/utf8"
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

// texts returns the strings of a list in a JSON body: "Names": [...].
func (q *signals) texts(name string) (values []string, problem string) {
	raw, problem := q.jsonMember(name)
	if problem != "" {
		return nil, problem
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
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
	problem = jsonObject(raw, func(key string, _ json.RawMessage) { keys = append(keys, key) })
	return keys, problem
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
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil || len(items) == 0 {
		return unknown("the transaction has no items")
	}
	var calls []Call
	for _, item := range items {
		problem := jsonObject(item, func(kind string, raw json.RawMessage) {
			part := call
			part.Actions = []string{"dynamodb:" + map[string]string{
				"Get": "GetItem", "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem",
			}[kind]}
			table := json.RawMessage(nil)
			part.Unknown = jsonObject(raw, func(key string, value json.RawMessage) {
				if key == "TableName" {
					table = value
				}
			})
			name, problem := jsonText(table)
			if part.Unknown == "" && problem == "" {
				part = q.with(part, name, dynamoTable)
			} else {
				part.Unknown = "a part of the transaction cannot be read"
			}
			calls = append(calls, part)
		})
		if problem != "" {
			return unknown(problem)
		}
	}
	return calls
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

// jsonMember returns a member of the JSON body. It may be there once; a member whose
// name differs in case only makes it unknown, for some servers take that as well.
func (q *signals) jsonMember(name string) (json.RawMessage, string) {
	body, err := q.readBody()
	if err != nil {
		return nil, err.Detail
	}
	var found json.RawMessage
	odd := false
	problem := jsonObject(body, func(key string, value json.RawMessage) {
		switch {
		case key == name:
			found = value
		case strings.EqualFold(key, name):
			odd = true
		}
	})
	switch {
	case problem != "":
		return nil, problem
	case odd:
		return nil, "the body has " + name + " in another case"
	case found == nil:
		return nil, absent
	}
	return found, ""
}

// jsonObject reads exactly one JSON object. What JSON readers are known to differ in is
// refused: repeated keys, invalid UTF-8, data after the object.
func jsonObject(body []byte, take func(key string, value json.RawMessage)) (problem string) {
	const bad = "the body is not one JSON object that every server reads alike"
	if !utf8.Valid(body) {
		return bad
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return bad
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		key, ok := t.(string)
		if err != nil || !ok || seen[key] || strings.ContainsRune(key, utf8.RuneError) {
			return bad
		}
		seen[key] = true
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return bad
		}
		take(key, value)
	}
	if _, err := d.Token(); err != nil {
		return bad
	}
	if _, err := d.Token(); err != io.EOF { //nolint:errorlint // Token documents io.EOF itself
		return bad
	}
	return ""
}

// jsonText reads a string that every reader reads alike.
func jsonText(raw json.RawMessage) (value, problem string) {
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &value) != nil || strings.ContainsRune(value, utf8.RuneError) {
		return "", "the name of the resource is not a string"
	}
	return value, ""
}

// plainText reports whether a name has no control characters.
func plainText(s string) bool {
	return s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
