package trail

import (
	"strings"

	"github.com/google/uuid"

	"sallyport/audit"
)

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

// kindsOf narrows the kinds an exchange may be of.
func kindsOf(f *audit.Filter) condition {
	var c condition
	if f.Agent != uuid.Nil {
		c.add("agent = ?", f.Agent[:])
	}
	f.EachOfKind(func(column, want string, prefix bool) {
		switch {
		case !prefix:
			c.text(column, want)
		case want != "":
			c.add("substr("+column+", 1, ?) = ?", len([]rune(want)), want)
		}
	})
	return c
}

// segmentsOf narrows the segments by what they say of their exchanges.
func segmentsOf(f *audit.Filter) condition {
	var c condition
	if !f.Since.IsZero() {
		c.add("max_started >= ?", audit.ToMicros(f.Since))
	}
	if !f.Until.IsZero() {
		c.add("min_started <= ?", audit.ToMicros(f.Until))
	}
	if f.Before != 0 {
		c.add("first_seq < ?", int64(f.Before))
	}
	return c
}

// rowsOf narrows the rows of exchanges (as x) apart from their kind. A row that
// is open may have ended after the projection, so it always passes.
func rowsOf(f *audit.Filter) condition {
	var c condition
	if !f.Since.IsZero() {
		c.add("x.started_at >= ?", audit.ToMicros(f.Since))
	}
	if !f.Until.IsZero() {
		c.add("x.started_at <= ?", audit.ToMicros(f.Until))
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
