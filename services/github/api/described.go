package api

import (
	"bytes"
	"encoding/json"
)

// Described is a repository as an answer describes it.
type Described struct {
	ID   int64  `json:"id"`
	Full string `json:"full_name"`
}

// Describes reports whether an operation's answer describes repositories: itself, or each
// member of its list. Answers in which others have a say, such as a deployment with the
// payload of whoever made it, are not among them.
func Describes(operation string) bool {
	switch operation {
	case "repos/get", "repos/update", "repos/create-in-org", "repos/create-fork", "repos/create-using-template",
		"repos/list-for-org", "repos/list-for-user", "repos/list-for-authenticated-user", "repos/list-forks",
		"apps/list-repos-accessible-to-installation", "search/repos", "teams/list-repos-in-org":
		return true
	}
	return false
}

// Repositories reads what such an answer describes, as far as it is there: its end may be
// cut off.
func Repositories(answer []byte) (all []Described) {
	d := json.NewDecoder(bytes.NewReader(answer))
	first, err := d.Token()
	switch {
	case err != nil:
	case first == json.Delim('['):
		all = elements(d)
	case first == json.Delim('{'):
		var one Described
		eachMember(d, func(key string) error {
			switch key {
			case "id":
				return d.Decode(&one.ID)
			case "full_name":
				return d.Decode(&one.Full)
			case "repositories", "items":
				if open, err := d.Token(); err != nil || open != json.Delim('[') {
					return errNoList
				}
				all = elements(d)
				_, err := d.Token()
				return err
			}
			return skip(d)
		})
		if one.ID != 0 && one.Full != "" {
			all = append(all, one)
		}
	}
	return all
}

// errNoList ends the reading of what is not what it should be.
var errNoList = unresolved(ReasonSyntax, "not a list")

// elements reads the members of a list, up to its end or the cut.
func elements(d *json.Decoder) (all []Described) {
	for d.More() {
		var one Described
		if d.Decode(&one) != nil {
			return all
		}
		if one.ID != 0 && one.Full != "" {
			all = append(all, one)
		}
	}
	return all
}

// eachMember hands on the keys of an object whose beginning was read; take reads each one's
// value.
func eachMember(d *json.Decoder, take func(key string) error) {
	for d.More() {
		key, err := d.Token()
		name, isText := key.(string)
		if err != nil || !isText || take(name) != nil {
			return
		}
	}
}

func skip(d *json.Decoder) error {
	var value json.RawMessage
	return d.Decode(&value)
}
