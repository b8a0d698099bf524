package api

import (
	"bytes"
	"encoding/base64"
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
		return isAgent(text)
	}
	elements, ok := ijson.Elements(value)
	if !ok {
		return string(value) != "null"
	}
	return slices.ContainsFunc(elements, namesAgent)
}

// isAgent reports whether a login may be a bot's, or one of the coding agents' that GitHub takes
// by a shorter name too.
func isAgent(login string) bool {
	login = strings.ToLower(strings.TrimSpace(login))
	return strings.HasSuffix(login, "[bot]") || strings.HasSuffix(login, "-agent") ||
		slices.ContainsFunc([]string{"copilot", "claude", "codex"}, func(name string) bool { return strings.Contains(login, name) })
}

// assigns reports whether a printed document may give an issue to an agent: it says so, it
// names whom by login, or it has the id of a bot.
func (r *graphQLRequest) assigns() bool {
	var variables []byte
	if r.variables != nil {
		variables = ijson.Append(nil, r.variables) // without escapes that are not needed
	}
	for _, text := range []string{r.query, string(variables)} {
		for _, sign := range []string{"agentAssignment", "assigneeLogins", "actorLogins"} {
			if strings.Contains(text, sign) {
				return true
			}
		}
		if hasString(text, isBot) {
			return true
		}
	}
	return false
}

// hasString reports whether some string of a JSON text or a printed document is like this. A
// string that cannot be read counts as one.
func hasString(text string, is func(string) bool) bool {
	for {
		begin := strings.IndexByte(text, '"')
		if begin < 0 {
			return false
		}
		end := begin + 1
		for end < len(text) && text[end] != '"' {
			if text[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(text) {
			return true
		}
		if one, ok := ijson.String([]byte(text[begin : end+1])); !ok || is(one) {
			return true
		}
		text = text[end+1:]
	}
}

// isBot reports whether a string may be the id of a bot: "BOT_kgDO...", or of the older form,
// "03:Bot1" in base64, whose decoders leave out what does not belong there.
func isBot(id string) bool {
	plain := strings.Map(func(c rune) rune {
		switch {
		case c == '-':
			return '+'
		case c == '_':
			return '/'
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '+', c == '/':
			return c
		}
		return -1
	}, id)
	if len(plain) > 3 && strings.EqualFold(plain[:4], "BOT/") {
		return true
	}
	const kind = 16 // characters, in which the kind is told
	plain = plain[:min(len(plain), kind)]

	decoded, _ := base64.RawStdEncoding.DecodeString(plain) // all but an odd last character
	return bytes.Contains(bytes.ToLower(decoded), []byte(":bot"))
}

// mayAssign is [Operation.MayAssign] for documents. A draft becomes an issue, and a pull request
// is given to an agent like one.
func mayAssign(operation string) bool {
	switch operation {
	case "graphql/mutation.createIssue", "graphql/mutation.updateIssue", "graphql/mutation.addAssigneesToAssignable",
		"graphql/mutation.updatePullRequest", "graphql/mutation.addProjectV2DraftIssue", "graphql/mutation.updateProjectV2DraftIssue":
		return true
	}
	return false
}
