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

// matches decides exactly; the SQL below only narrows.
func (f *Filter) matches(x *Exchange) bool {
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

// condition is a part of a WHERE clause and its arguments.
type condition struct {
	terms []string
	args  []any
}

func (c *condition) add(term string, args ...any) {
	c.terms = append(c.terms, term)
	c.args = append(c.args, args...)
}

func (c *condition) text(column, value string) {
	if value != "" {
		c.add(column+" = ?", value)
	}
}

func (c *condition) String() string {
	if len(c.terms) == 0 {
		return "1"
	}
	return strings.Join(c.terms, " AND ")
}

// kinds narrows the kinds an exchange may be of.
func (f *Filter) kinds() condition {
	var c condition
	if f.Agent != uuid.Nil {
		c.add("agent = ?", f.Agent[:])
	}
	for _, field := range searchFields {
		want := *field.filter(f)
		prefix, _, wild := strings.Cut(want, "*")
		switch {
		case field.in.tag == 0 || field.in.tag >= tagPath: // no column of kinds
		case !field.glob || !wild:
			c.text(field.name, want)
		case prefix != "":
			c.add("substr("+field.name+", 1, ?) = ?", len([]rune(prefix)), prefix)
		}
	}
	return c
}

// segments narrows the segments by what they say of their exchanges.
func (f *Filter) segments() condition {
	var c condition
	if !f.Since.IsZero() {
		c.add("max_started >= ?", toMicros(f.Since))
	}
	if !f.Until.IsZero() {
		c.add("min_started <= ?", toMicros(f.Until))
	}
	if f.Before != 0 {
		c.add("first_seq < ?", int64(f.Before))
	}
	return c
}

// rows narrows the rows of exchanges (as x) apart from their kind. A row that
// is open may have ended after the projection, so it always passes.
func (f *Filter) rows() condition {
	var c condition
	if !f.Since.IsZero() {
		c.add("x.started_at >= ?", toMicros(f.Since))
	}
	if !f.Until.IsZero() {
		c.add("x.started_at <= ?", toMicros(f.Until))
	}
	if f.Before != 0 {
		c.add("x.seq < ?", int64(f.Before))
	}
	if f.Outcome != "" {
		c.add("(x.outcome_seq IS NULL OR x.outcome = ?)", f.Outcome)
	}
	if f.Status != 0 {
		c.add("(x.outcome_seq IS NULL OR x.status = ?)", f.Status)
	}
	return c
}

// EventFilter selects events. An empty field matches everything.
type EventFilter struct {
	Type  string
	After uint64 // only events after this seq
	Limit int    // 0 means all
}
