package policy

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/glob"
	"sallyport/internal/yamldoc"
)

// Pattern is a compiled pattern of operations.
type Pattern interface {
	String() string
	// Matches reports whether the pattern names the operation.
	Matches(operation string) bool
	// Catches reports whether the pattern may have been meant for the operation, though it
	// does not name it. That is enough to deny or to ask, and never to allow.
	Catches(operation string) bool
	// Exact reports whether the pattern is one name.
	Exact() bool
}

// Operations are the patterns that a rule lists; none means every operation.
type Operations []Pattern

// ReadPatterns compiles the words of a list. What parse refuses is reported where it
// stands; a missing key is an empty list.
func ReadPatterns[T any](n *yamldoc.Node, hint string, parse func(string) (T, error)) (list []T) {
	for _, f := range n.Words(hint) {
		if p, err := parse(f.Text); err != nil {
			f.Fail("%v", err)
		} else {
			list = append(list, p)
		}
	}
	return list
}

// Match reports whether the list means the call's operation. If the call is a Credential's,
// or exactly is true, only the exact name is a match; a pattern is Doubtful then.
func (l Operations) Match(c *Call, exactly bool) Verdict {
	result := VerdictOf(len(l) == 0)
	exact := false
	for _, pattern := range l {
		switch {
		case pattern.Matches(c.Operation):
			result, exact = Matched, exact || pattern.Exact()
		case result == Mismatch && pattern.Catches(c.Operation):
			result = Doubtful
		}
	}
	if !exact && (c.Credential || exactly) {
		return min(result, Doubtful)
	}
	return result
}

// Why says why Match does not say Matched. bound, if it is not nil, is why the exact name
// is needed.
func (l Operations) Why(c *Call, bound Bound) string {
	verdict := l.Match(c, bound != nil)
	switch {
	case verdict == Doubtful && c.Credential:
		return c.Operation + plants
	case verdict == Doubtful && bound != nil:
		return bound.Why(c)
	}
	text := fmt.Sprintf("operations [%s] do not include %s", Listed(l), c.Operation)
	if verdict == Doubtful {
		text += ", though its name comes close"
	}
	return text
}

// Outlook returns the weakest and the strongest verdict that Match may give once the
// operation of an outline is known.
func (l Operations) Outlook(c *Call) (surely, possibly Verdict) {
	switch {
	case !strings.Contains(c.Operation, "*"):
		v := l.Match(c, false)
		return v, v
	case len(l) == 0:
		return Doubtful, Matched // sure of no operation that has to be named
	}
	// A pattern that takes in the star takes in whatever it stands for.
	covers := func(p Pattern) bool { return p.Matches(c.Operation) }
	meets := func(p Pattern) bool { return p.String() == "*" || glob.Meet(p.String(), c.Operation) }
	switch {
	case slices.ContainsFunc(l, covers):
		return Doubtful, Matched
	case slices.ContainsFunc(l, meets):
		return Mismatch, Matched
	}
	return Mismatch, Mismatch
}

// Meet reports whether two rules name an operation in common. It may miss two patterns that
// meet in a name which neither holds.
func (l Operations) Meet(o Operations) bool {
	return glob.MeetAny(l, o, func(p, q Pattern) bool {
		return p.Matches(q.String()) || q.Matches(p.String()) || p.String() == q.String()
	})
}

// Listed are patterns as a sentence lists them.
func Listed[T fmt.Stringer](list []T) string {
	texts := make([]string, len(list))
	for i := range list {
		texts[i] = list[i].String()
	}
	return strings.Join(texts, ", ")
}
