package app

import (
	"slices"
	"strings"
)

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
