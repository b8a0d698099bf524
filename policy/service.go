package policy

import (
	"slices"

	"sallyport/internal/host"
)

// Access is how much a call takes. The zero Access is not known.
type Access uint8

// The accesses, each including those before it.
const (
	Read Access = iota + 1
	Write
	Admin
)

// String returns the word that policy files use.
func (a Access) String() string {
	switch a {
	case Read:
		return "read"
	case Write:
		return "write"
	case Admin:
		return "admin"
	}
	return "none"
}

// Meaning is what a request means to the service that it goes to. A request to
// no known service has none.
type Meaning struct {
	Service string // the key of its rules: "github"
	Server  string // which one: "github.com"
	// Calls are what the request does, in the service's own words. It is one
	// request, so all of them must be allowed.
	Calls []Call
	// Unclassified says why the request has no name; then there are no calls.
	Unclassified string
}

// Call is one thing that a request does.
type Call struct {
	Operation string // "pulls/create"
	Resource  string // "acme/web"; empty if there is none or it is not known
	Container string // what Resource is in, where naming that takes it in as well
	Unknown   string // why Resource is not known, if that can be said
	Account   string // whose it is: "acme"; empty if it is not known
	Region    string // where it is done: "eu-west-1"; empty if it is not known
	Access    Access
	// Hidden: the resource is named in a form that cannot be read, so that only a
	// token narrowed to some resources bounds the call.
	Hidden bool
	// Credential: its answer is a credential, or it plants one, or decides who may do
	// what. Only a rule that names the operation exactly allows it.
	Credential bool

	// Path is where the host has what is touched, if that is not the request's own path;
	// rules about paths are asked about both. Elsewhere: no path of this host says it, and
	// OtherHost: the host is said to be one thing's own, and what is touched is not that.
	Path                 Path
	Elsewhere, OtherHost bool
	// WritesRef: it writes a ref other than by a push, and which one is not known.
	WritesRef bool

	Ref, Update string // what a push does to which ref: "refs/heads/main", "create"
	Probe       bool   // asks whether there may be a push, and changes nothing yet
}

func (c *Call) isPush() bool { return c.Ref != "" || c.Probe }

// String is the call as a person would name it.
func (c *Call) String() string {
	text := c.Operation
	if c.Ref != "" {
		text += " (" + c.Update + " " + c.Ref + ")"
	}
	if c.Resource != "" {
		text += " on " + c.Resource
	}
	return text
}

// Service is what Parse must be told of a service that rules can name, because
// this package knows none.
type Service struct {
	Key     string   // of its rules: "github"
	Title   string   // for sentences: "GitHub"
	Keys    []string // that stand in its rules, of those that this package knows
	Example string   // what a rule of it says: "{repos: [OWNER/*], access: read}"
	Default string   // the server that a rule means which names none; empty for every one
	// Signed: nothing goes to it without a credential, so that a rule which lets
	// something out has one.
	Signed bool

	// Bare reports whether a pattern means only requests that carry no credential,
	// whatever their rule names; nil for a service that has none.
	Bare func(Operations) bool
	// Narrows reports whether a credential's tokens are narrowed to the repositories of
	// the rule, so that it can allow what hides its repository; nil for none.
	Narrows func(credential string) bool
	// Signs reports whether a credential signs what leaves, in a form of its own: encoded
	// slashes as slashes, a plus as itself. A rule about hosts that gives it allows only
	// what it allows in that form too. Nil for none.
	Signs func(credential string) bool
	// Server reads the host by which a rule names another server.
	Server func(text string) (string, error)
	// Part reads the name of a part of the service, for the key service; its operations
	// are PART/OPERATION.
	Part func(name string) (string, error)
	// Operations compiles a pattern of operations, and refuses one that matches none.
	Operations func(pattern string) (Operations, error)
	// Reach says what the operations of a compiled pattern have in common; nil if that is
	// not known.
	Reach func(Operations) Reach
	// Resources compiles a pattern of resources for a rule about these operations (none
	// for all), and refuses one that they can never be told to touch.
	Resources func(pattern string, operations []Operations) (Resources, error)
	// Region refuses what cannot be a pattern of regions.
	Region func(pattern string) error
	// Hosts are those that a credential is bound to: its rules mean requests to them
	// alone. Nil for services that tell their servers apart by name.
	Hosts func(credential string) []host.Pattern
	// Meaning names what a request does, as far as its line tells; nil if it goes
	// to none of the servers.
	Meaning func(q Query, servers []string) *Meaning
	// Question reads a question in the service's own words, such as a git push; ok is
	// false if the text is in another form.
	Question func(text string, servers []string) (q Query, ok bool, err error)
}

// Operations is a compiled pattern of operations.
type Operations interface {
	String() string
	// Matches reports whether the pattern names the operation.
	Matches(operation string) bool
	// Catches reports whether the pattern may mean the operation too, though it
	// does not name it.
	Catches(operation string) bool
	// Exact reports whether the pattern is one name.
	Exact() bool
}

// Resources is a compiled pattern of resources.
type Resources interface {
	String() string
	// Matches reports whether the pattern takes in the whole resource.
	Matches(resource string) bool
	// Touches reports whether some of the resource lies in the pattern.
	Touches(resource string) bool
	// Meets reports whether some resource lies in both patterns.
	Meets(other string) bool
}

// Scope is what a rule says of a token that is minted for its requests.
type Scope struct {
	Access Access   // never more than this; 0: whatever the operation needs
	Repos  []string // the rule's own patterns, by which a call with a hidden resource is bound

	// What the rule pins instead: one wider token, the same for all its requests.
	Repositories []string // "owner/name"
	Permissions  []Permission
	Shared       bool // between agents
}

// Permission is one permission of a minted token.
type Permission struct {
	Name   string
	Access Access
}

// Pinned reports whether the rule fixes the token.
func (s *Scope) Pinned() bool { return s != nil && len(s.Permissions) > 0 }

// Equal reports whether both bound a token alike.
func (s *Scope) Equal(o *Scope) bool {
	if s == nil || o == nil {
		return s == o
	}
	return s.Access == o.Access && s.Shared == o.Shared && slices.Equal(s.Repos, o.Repos) &&
		slices.Equal(s.Repositories, o.Repositories) && slices.Equal(s.Permissions, o.Permissions)
}
