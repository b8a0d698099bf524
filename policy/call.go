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
	// Credential: the call hands out a credential, plants one, or changes who may do what.
	// Only a rule that names its operation exactly allows it.
	Credential bool

	// Path is the path of what the call touches, where that is another than the request's
	// own, as with the source of a copy. Rules about paths are asked about both.
	Path Path
	// Elsewhere: what the call touches has no path at this host, so that a rule about a path
	// can only be in doubt about it.
	Elsewhere bool
	// OtherHost: the host belongs to one thing, as a bucket's own does, and the call touches
	// another. A rule that names this host alone does not allow it.
	OtherHost bool

	// Facts are what only the service's own clauses know of the call. If they are a
	// [fmt.Stringer], a sentence about the call shows their text in parentheses.
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

// Outline is as much of a Call as is known of a request before its body is read. A star in
// its Operation stands for any run of characters ("brew*"), and an Access of 0 for any. Its
// Resource is believed only by clauses of services whose request lines name the resource.
type Outline struct{ Call }
