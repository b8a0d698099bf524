package policy

import (
	"fmt"

	"sallyport/internal/yamldoc"
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

// ParseAccess reads what String writes of an access that is known.
func ParseAccess(s string) (Access, bool) {
	for _, a := range [...]Access{Read, Write, Admin} {
		if s == a.String() {
			return a, true
		}
	}
	return 0, false
}

// ReadAccess reads an access in a policy file; a missing key is the zero Access.
func ReadAccess(n *yamldoc.Node) Access {
	if n == nil {
		return 0
	}
	a, ok := ParseAccess(n.Text)
	if n.Kind != yamldoc.Scalar || !ok {
		n.Fail("must be read, write or admin")
		return 0
	}
	return a
}

// Includes reports whether a rule with this access means a call: an allow says how much at
// most, an ask or a deny from where on. The zero Access means every call.
func (a Access) Includes(e Effect, c *Call) bool {
	switch {
	case a == 0:
		return true
	case e != Allow:
		return c.Access >= a
	}
	return c.Access != 0 && c.Access <= a
}

// Why says why a rule with this access does not mean a call.
func (a Access) Why(c *Call) string {
	return fmt.Sprintf("access %s does not match %s, which takes %s", a, c.Operation, c.Access)
}
