package audit

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// Filter selects exchanges. An empty field matches everything.
type Filter struct {
	Agent       uuid.UUID
	AgentName   string
	Owner       string
	Accountable string
	Host        string
	Operation   string // * stands for any run of characters
	Resource    string
	Text        string // somewhere in the path, the resource or the error; three bytes at least
	Credential  string
	Policy      string
	Rule        string
	Decision    string
	Outcome     string
	Status      int
	// Mark is what another system shows of the exchange: its request id, the
	// SHA-256 of the token (hex), the access key id, session name or source
	// identity of the AWS session, or a commit that a push moved a ref to or from.
	Mark   string
	Since  time.Time // started at or after
	Until  time.Time // started before
	Before uint64    // intents before this seq only: the cursor for the next page
	Limit  int       // 0 means all
}

// Matches decides exactly, by the exchange alone: what is found by terms or by columns is held to it.
func (f *Filter) Matches(x *Exchange) bool {
	for _, field := range searchFields {
		want := *field.filter(f)
		if want == "" {
			continue
		}
		if have := field.value(x); have != want && (!field.glob || !globMatch(want, have)) {
			return false
		}
	}
	return (f.Agent == uuid.Nil || f.Agent == x.Agent) &&
		(f.Text == "" || x.hasText(f.Text)) &&
		(f.Status == 0 || f.Status == x.Outcome.Status) &&
		(f.Since.IsZero() || !x.StartedAt.Before(f.Since)) &&
		(f.Until.IsZero() || x.StartedAt.Before(f.Until)) &&
		(f.Before == 0 || x.Seq < f.Before)
}

// MatchesOperation reports whether an operation is the one that is wanted, or of the pattern.
func (f *Filter) MatchesOperation(operation string) bool {
	return f.Operation == "" || globMatch(f.Operation, operation)
}

// EachOfKind calls fn with what is wanted of the fields that make up the kind of an exchange: the
// column of the field and, where a pattern is wanted, only what it begins with.
func (f *Filter) EachOfKind(fn func(column, want string, prefix bool)) {
	for _, field := range searchFields {
		want := *field.filter(f)
		first, _, wild := strings.Cut(want, "*")
		switch {
		case field.in.tag == 0 || field.in.tag >= tagPath: // it makes up no kind
		case !field.glob || !wild:
			fn(field.name, want, false)
		default:
			fn(field.name, first, true)
		}
	}
}

// hasText reports whether a field that is found by any part of it has this text.
func (x *Exchange) hasText(text string) bool {
	for i := range table {
		if f := &table[i]; f.find&findText != 0 && strings.Contains(f.value(x), text) {
			return true
		}
	}
	return false
}

// globMatch matches s against a pattern in which * is any run of characters.
func globMatch(pattern, s string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == s
	}
	s, ok := strings.CutPrefix(s, first)
	for ok {
		first, rest, wild = strings.Cut(rest, "*")
		if !wild {
			return strings.HasSuffix(s, first)
		}
		_, s, ok = strings.Cut(s, first)
	}
	return false
}

// EventFilter selects events. An empty field matches everything.
type EventFilter struct {
	Type  string
	After uint64 // only events after this seq
	Limit int    // 0 means all
}
