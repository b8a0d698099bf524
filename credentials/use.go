package credentials

import (
	"net/http"
	"slices"
	"strings"
)

// Use is what a credential is retrieved for. Kinds that have one secret for
// everything look at none of it.
type Use struct {
	Agent string // whose token it will be, and no other agent's, unless
	// Shared: all agents with the same repositories and permissions have one.
	Shared bool

	// What a minted token is narrowed to.
	Owner        string   // the account, where Repositories names none; "" if the credential has but one
	Repositories []string // "owner/name", of one owner
	// Everything: all of the owner's repositories that the App may see. Without it,
	// no repositories are an error.
	Everything bool

	// What a minted token may do: the first of these that the App has been given.
	Permissions []PermissionSet
	// Documents is set in place of Permissions for what cannot be told beforehand: all
	// that the App has been given, of the permissions that a document can need, up to
	// this access ("read" or "write").
	Documents string

	// Transport takes the requests to mint by. It must record each before it leaves.
	Transport http.RoundTripper
}

// PermissionSet is permissions that are needed together, name to access.
type PermissionSet map[string]string

// String writes the set as GitHub does: "contents=read,issues=write".
func (p PermissionSet) String() string {
	pairs := make([]string, 0, len(p))
	for name, access := range p {
		pairs = append(pairs, name+"="+access)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}

// covers reports whether the set gives all that other asks.
func (p PermissionSet) covers(other PermissionSet) bool {
	for name, access := range other {
		if rank(p[name]) < rank(access) {
			return false
		}
	}
	return true
}

// rank orders accesses; 0 is none, or an unknown word.
func rank(access string) int {
	return slices.Index([]string{"read", "write", "admin"}, access) + 1
}

// documentPermissions are those that a GraphQL document can need for what is in a
// repository. What administers one, or holds secrets, is not among them.
func documentPermissions() []string {
	return []string{
		"checks", "contents", "deployments", "discussions", "issues", "metadata", "pull_requests",
		"repository_projects", "statuses",
	}
}
