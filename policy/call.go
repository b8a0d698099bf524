package policy

import "fmt"

// Meaning is what a request means to the service that it goes to. A request to
// no known service has none.
type Meaning struct {
	Service string // the key of its rules
	Server  string // which one of them, by its name; empty where names do not tell
	// Calls are what the request does, in the service's own words. It is one
	// request, so all of them must be allowed.
	Calls []Call
	// Unclassified says why the request has no name; then there are no calls.
	Unclassified string
}

// Call is one thing that a request does: what all services say of it.
type Call struct {
	Operation string // "brew"
	Resource  string // "large"; empty if there is none or it is not known
	Access    Access
	// Credential: its answer is a credential, or it plants one, or decides who may do
	// what. Only a rule that names the operation exactly allows it.
	Credential bool

	// Path is where the host has what is touched, if that is not the request's own path;
	// rules about paths are asked about both. Elsewhere: no path of this host says it, and
	// OtherHost: the host is said to be one thing's own, and what is touched is not that.
	Path                 Path
	Elsewhere, OtherHost bool

	// Facts are what only the service's own clauses read of it. If they are a
	// [fmt.Stringer], a sentence about the call has their text in parentheses.
	Facts any
}

// String is the call as a person would name it.
func (c *Call) String() string {
	text := c.Operation
	if f, ok := c.Facts.(fmt.Stringer); ok {
		if s := f.String(); s != "" {
			text += " (" + s + ")"
		}
	}
	if c.Resource != "" {
		text += " on " + c.Resource
	}
	return text
}

// Outline is as much of a Call as can be told of a request before its body is read. A star
// in its Operation stands for any run of characters ("brew*"), and an Access of 0 for
// any; its Resource counts as known only if the service tells resources by the line.
type Outline struct{ Call }
