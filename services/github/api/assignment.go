package api

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"sallyport/internal/ijson"
)

// MaxAssignment bounds the body that is read to find an assignment: an issue's text has at
// most 64 KiB.
const MaxAssignment = 1 << 20

// MayAssign reports whether a request of the REST API can give an issue to GitHub's own coding
// agent, which then writes a branch (GitHub docs, "Assign an issue to Copilot").
func (o Operation) MayAssign() bool {
	switch o.Name {
	case "issues/create", "issues/update", "issues/add-assignees":
		return true
	}
	return false
}

// AssignsAgent reports whether the body of a request that [Operation.MayAssign] may do so. A
// body that has more than one reading may.
func AssignsAgent(h http.Header, body []byte) bool {
	if len(bytes.TrimSpace(body)) == 0 {
		return false
	}
	if !plainEncoding(h) {
		return true
	}
	members, err := ijson.Object(body)
	if err != nil {
		return true
	}
	return slices.ContainsFunc(members, func(m ijson.Member) bool {
		switch {
		case strings.EqualFold(m.Name, "agent_assignment"):
			return string(m.Value) != "null"
		case strings.EqualFold(m.Name, "assignees"), strings.EqualFold(m.Name, "assignee"):
			return namesAgent(m.Value)
		}
		return false
	})
}

// namesAgent reports whether a login, or one of a list, may be a bot's.
func namesAgent(value []byte) bool {
	if text, ok := ijson.String(value); ok {
		login := strings.ToLower(strings.TrimSpace(text))
		return strings.Contains(login, "copilot") || strings.HasSuffix(login, "[bot]")
	}
	elements, ok := ijson.Elements(value)
	if !ok {
		return string(value) != "null"
	}
	return slices.ContainsFunc(elements, namesAgent)
}

// assigns reports whether a printed document may give an issue to an agent: it says so, or it
// names a bot by its id ("BOT_...", or in base64 as "03:Bot...").
func assigns(printed []byte) bool {
	for _, sign := range []string{"agentAssignment", `"BOT_`, `"MDM6Qm90`} {
		if bytes.Contains(printed, []byte(sign)) {
			return true
		}
	}
	return false
}

// mayAssign is [Operation.MayAssign] for documents.
func mayAssign(operation string) bool {
	switch operation {
	case "graphql/mutation.createIssue", "graphql/mutation.updateIssue", "graphql/mutation.addAssigneesToAssignable":
		return true
	}
	return false
}
