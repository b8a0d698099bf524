package api

import (
	"cmp"
	"slices"
	"strings"

	"sallyport/policy"
)

// Permission is one permission of a GitHub App at one access.
type Permission struct {
	Name   string // as a token request spells it: "pull_requests"
	Access policy.Access
}

// PermissionSet is permissions that are all needed together.
type PermissionSet []Permission

// String writes the set as GitHub's header does: "contents=write,workflows=write".
func (s PermissionSet) String() string {
	var b strings.Builder
	for i, p := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(p.Name)
		b.WriteByte('=')
		b.WriteString(p.Access.String())
	}
	return b.String()
}

// greatest is the highest access in the set.
func (s PermissionSet) greatest() policy.Access {
	var most policy.Access
	for _, p := range s {
		most = max(most, p.Access)
	}
	return most
}

// Least picks the alternative that opens the least: the lowest access first, then the
// fewest permissions, then the order given. Alternatives holding a permission that
// allowed refuses are left out; ok is false if that leaves none. Nothing to choose from
// is satisfied by the empty set.
func Least(alternatives []PermissionSet, allowed func(Permission) bool) (least PermissionSet, ok bool) {
	for _, s := range alternatives {
		if slices.ContainsFunc(s, func(p Permission) bool { return !allowed(p) }) {
			continue
		}
		if !ok || cmp.Or(cmp.Compare(s.greatest(), least.greatest()), cmp.Compare(len(s), len(least))) < 0 {
			least, ok = s, true
		}
	}
	return least, ok || len(alternatives) == 0
}

// maxAccepted bounds what is read of an answer's header.
const maxAccepted = 4 << 10

// ParseAccepted reads GitHub's X-Accepted-GitHub-Permissions answer header, in which ";"
// separates alternatives and "," what is needed together. It is false for a header that
// says anything else, from which nothing is to be learnt.
func ParseAccepted(header string) ([]PermissionSet, bool) {
	if header == "" || len(header) > maxAccepted {
		return nil, false
	}
	var sets []PermissionSet
	for alternative := range strings.SplitSeq(header, ";") {
		set, ok := parseSet(alternative)
		if !ok {
			return nil, false
		}
		sets = append(sets, set)
	}
	return sets, true
}

func parseSet(s string) (PermissionSet, bool) {
	var set PermissionSet
	for pair := range strings.SplitSeq(s, ",") {
		name, access, _ := strings.Cut(strings.TrimSpace(pair), "=")
		a, ok := policy.ParseAccess(access)
		if !ok || !isPermissionName(name) {
			return nil, false
		}
		set = append(set, Permission{Name: name, Access: a})
	}
	return set, true
}

func isPermissionName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return s != ""
}
