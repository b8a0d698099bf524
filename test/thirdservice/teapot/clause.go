package teapot

import (
	"errors"
	"fmt"
	"strings"

	"sallyport/credentials"
	"sallyport/internal/yamldoc"
	"sallyport/policy"
)

// language is the key of a teapot in the rules of policies: teapot: {operations: [brew]}.
type language struct{}

// Language implements [services.Service].
func (Service) Language(func(name string) *credentials.Credential) policy.Language { return language{} }

// Words implements [policy.Language].
func (language) Words() policy.Words {
	return policy.Words{
		Key: Key, Title: "the teapot", Example: "{operations: [brew]}", Signed: true,
		Keys: []string{"operations", "access"}, Limiting: []string{"operations", "access"},
	}
}

// clause is what a rule says: which orders, and how much they may take. Its zero fields mean
// everything.
type clause struct {
	effect     policy.Effect
	operations policy.Operations
	access     policy.Access
}

// Clause implements [policy.Language]: what is wrong is said where it stands.
func (language) Clause(n *yamldoc.Node, h policy.Header) policy.Clause {
	return &clause{
		effect:     h.Effect,
		operations: policy.ReadPatterns(n.Field("operations"), "as in {operations: [brew]}", parsePattern),
		access:     policy.ReadAccess(n.Field("access")),
	}
}

// Match implements [policy.Clause].
func (m *clause) Match(c *policy.Call, _ policy.Bound) policy.Verdict {
	return min(policy.VerdictOf(m.access.Includes(m.effect, c)), m.operations.Match(c, false))
}

// Why implements [policy.Clause].
func (m *clause) Why(c *policy.Call, _ policy.Bound) string {
	if !m.access.Includes(m.effect, c) {
		return m.access.Why(c)
	}
	return m.operations.Why(c, nil)
}

// Outlook implements [policy.Clause]: what an order takes is not known before it is read.
func (m *clause) Outlook(c *policy.Call) (surely, possibly policy.Verdict) {
	surely, possibly = m.operations.Outlook(c)
	if m.access != 0 {
		surely = policy.Mismatch
	}
	return surely, possibly
}

// Meets implements [policy.Clause].
func (m *clause) Meets(other policy.Clause) bool {
	o, ok := other.(*clause)
	return ok && m.operations.Meet(o.operations)
}

// Meaning implements [policy.Language]: what a request does is in its body.
func (language) Meaning(policy.Query, []string) *policy.Meaning { return nil }

// pattern is the name of an order, or * for all.
type pattern string

func parsePattern(text string) (policy.Pattern, error) {
	if text != "*" && orders()[text] == 0 {
		return nil, fmt.Errorf("%q is no order; there are menu, brew and descale", text)
	}
	return pattern(text), nil
}

func (p pattern) String() string                { return string(p) }
func (p pattern) Matches(operation string) bool { return p == "*" || string(p) == operation }
func (p pattern) Catches(string) bool           { return false }
func (p pattern) Exact() bool                   { return p != "*" }

// Question implements [policy.Language]: it reads "teapot brew POT at HOST".
func (language) Question(text string, _ []string) (policy.Query, bool, error) {
	words := strings.Fields(text)
	if len(words) == 0 || words[0] != Key {
		return policy.Query{}, false, nil
	}
	if len(words) != 5 || words[3] != "at" || orders()[words[1]] == 0 {
		return policy.Query{}, true, errors.New("write teapot ORDER POT at HOST")
	}
	q, err := policy.ParseRequest("POST", "https://"+words[4]+"/orders")
	m := meaningOf(words[4], words[1], words[2])
	q.Meaning = &m
	return q, true, err
}
