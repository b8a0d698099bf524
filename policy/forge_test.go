package policy_test

import (
	"errors"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sallyport/internal/yamldoc"
	"sallyport/policy"
)

// forge is the language of a small made-up service, put together from what policy has for all
// of them: forge: {host: …, operations: […], access: …, things: […], guard: true}.
type forge struct{ signed bool }

func (f forge) Words() policy.Words {
	return policy.Words{
		Key: "forge", Title: "the forge", Default: "forge.example", Example: "{access: read}", Signed: f.signed,
		Keys: []string{"host", "operations", "access", "things", "guard"}, Limiting: []string{"operations", "access", "things"},
	}
}

func (forge) Clause(n *yamldoc.Node, h policy.Header) policy.Clause {
	m := &wrought{
		effect:     h.Effect,
		place:      policy.Place{Server: "forge.example"},
		operations: policy.ReadPatterns(n.Field("operations"), "write operations: [pulls/create]", parseWords),
		access:     policy.ReadAccess(n.Field("access")),
		guards:     n.Field("guard") != nil,
		scope:      &token{pinned: h.Pinned != nil},
	}
	if f := n.Field("host"); f != nil {
		m.place.Server, _ = f.Word("write host: forge.example")
	}
	for _, f := range n.Field("things").Words("write things: [a]") {
		m.things = append(m.things, f.Text)
	}
	return m
}

func (forge) Meaning(q policy.Query, servers []string) *policy.Meaning {
	name := q.Authority.Name.String()
	if !slices.Contains(servers, name) {
		return nil
	}
	m := meaning(policy.Call{Operation: strings.TrimPrefix(q.Path.String(), "/"), Access: policy.Read})
	m.Server = name
	return m
}

func (forge) Question(text string, _ []string) (policy.Query, bool, error) {
	operation, ours := strings.CutPrefix(text, "forge ")
	q, err := policy.ParseRequest("POST", "https://forge.example/x")
	q.Meaning = meaning(policy.Call{Operation: operation, Access: policy.Write})
	if operation == "" {
		err = errors.New("forge what?")
	}
	return q, ours, err
}

func (forge) Signs(credential string) bool { return credential == "keys" }

func (forge) PinKeys() []string { return []string{"pinned"} }

func (forge) Pin(n *yamldoc.Node, credential string) policy.Scope {
	switch f := n.Field("pinned"); {
	case f == nil:
		return nil
	case credential == "":
		f.Fail("has no credential")
	}
	return &token{pinned: true}
}

// Relate: what is loose is bounded by a rule that guards the thing.
func (forge) Relate(all []policy.Ruled) policy.Relation {
	guarded := map[string]guard{}
	for _, r := range all {
		if m := r.Clause.(*wrought); m.guards {
			for _, thing := range m.things {
				guarded[thing] = guard(r.Rule)
			}
		}
	}
	return guards(guarded)
}

// token is what a rule says of the forge's credentials.
type token struct{ pinned bool }

func (t *token) Equal(o policy.Scope) bool  { return *o.(*token) == *t }
func (t *token) Serves(c *policy.Call) bool { return !t.pinned && c.Resource != "hidden" }

// loose are the facts of a call that is not in the words of others.
type loose struct{ how string }

func (l loose) String() string { return l.how }

type guards map[string]guard

func (g guards) Bound(_ string, c *policy.Call) policy.Bound {
	if name, ok := g[c.Resource]; ok && c.Facts != nil {
		return name
	}
	return nil
}

type guard string

func (g guard) Why(c *policy.Call) string {
	return c.Operation + " is loose, and rule " + string(g) + " guards"
}
func (g guard) Refusal(*policy.Call) string { return "which rule " + string(g) + " guards" }

// words is a pattern of operations, in which a star is a run of characters but "/".
type words string

func parseWords(s string) (policy.Pattern, error) {
	if !strings.Contains(s, "/") {
		return nil, errors.New("did you mean pulls/create")
	}
	return words(s), nil
}

func (w words) String() string { return string(w) }
func (w words) Exact() bool    { return !strings.Contains(string(w), "*") }

func (w words) Matches(operation string) bool {
	ok, _ := path.Match(string(w), operation)
	return ok
}

// Catches: a field of a document is caught by its own name.
func (w words) Catches(operation string) bool {
	_, field, found := strings.Cut(operation, ".")
	ok, _ := path.Match(string(w), "graphql/"+field)
	return w.Matches(operation) || found && ok
}

// wrought is the forge's clause.
type wrought struct {
	effect     policy.Effect
	place      policy.Place
	operations policy.Operations
	access     policy.Access
	things     []string
	guards     bool
	scope      *token
}

func (m *wrought) Place() *policy.Place { return &m.place }
func (m *wrought) Scope() policy.Scope  { return m.scope }

func (m *wrought) Match(c *policy.Call, b policy.Bound) policy.Verdict {
	return min(policy.VerdictOf(m.access.Includes(m.effect, c)), m.operations.Match(c, b != nil && m.effect == policy.Allow), m.matchThing(c))
}

func (m *wrought) matchThing(c *policy.Call) policy.Verdict {
	if len(m.things) > 0 && c.Resource == "" {
		return policy.Doubtful
	}
	return policy.VerdictOf(len(m.things) == 0 || slices.Contains(m.things, c.Resource))
}

func (m *wrought) Why(c *policy.Call, b policy.Bound) string {
	if m.effect != policy.Allow {
		b = nil
	}
	switch {
	case !m.access.Includes(m.effect, c):
		return m.access.Why(c)
	case m.operations.Match(c, b != nil) != policy.Matched:
		return m.operations.Why(c, b)
	}
	return "things do not include " + c.Resource
}

func (m *wrought) Outlook(c *policy.Call) (surely, possibly policy.Verdict) {
	surely, possibly = m.operations.Outlook(c)
	if c.Access == 0 && m.access != 0 {
		surely = policy.Mismatch
	} else {
		v := policy.VerdictOf(m.access.Includes(m.effect, c))
		surely, possibly = min(surely, v), min(possibly, v)
	}
	return min(surely, m.matchThing(c)), min(possibly, m.matchThing(c))
}

func (m *wrought) Meets(other policy.Clause) bool {
	o := other.(*wrought)
	return m.operations.Meet(o.operations)
}

func (m *wrought) Bare() bool {
	return len(m.operations) > 0 && !slices.ContainsFunc(m.operations, func(p policy.Pattern) bool { return p.String() != "download/get" })
}

func (m *wrought) Warnings() []policy.Warning {
	if m.guards && len(m.things) == 0 {
		return []policy.Warning{{Key: "guard", Msg: "guards nothing"}, {Msg: "is strange"}}
	}
	return nil
}

func forged(t testing.TB, rules string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("test.yaml", []byte("policy: test\nrules:\n"+rules), forge{})
	require.NoError(t, err)
	return p
}

func meaning(calls ...policy.Call) *policy.Meaning {
	m := &policy.Meaning{Service: "forge", Server: "forge.example", Calls: calls}
	if len(calls) == 0 {
		m.Unclassified = "the path says nothing"
	}
	return m
}

// means asks about a request to the forge that makes these calls; none stands for
// one without a name.
func means(t testing.TB, calls ...policy.Call) policy.Query {
	t.Helper()
	q, err := policy.ParseRequest("POST", "https://forge.example/x")
	require.NoError(t, err)
	q.Meaning = meaning(calls...)
	return q
}

// call is one on "web".
func call(operation string, access policy.Access) policy.Call {
	return policy.Call{Operation: operation, Resource: "web", Access: access}
}
