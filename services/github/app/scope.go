package app

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Scope is what a token is minted for: what [credentials.Use].For holds for the kind [Minted].
// The zero Scope is for nothing, and no token is minted for it.
type Scope struct {
	// Shared: all agents with the same repositories and permissions have one.
	Shared bool

	// What the token is narrowed to.
	Owner        string   // the account, where Repositories names none; "" if the credential has but one
	Repositories []string // "owner/name", of one owner
	// Everything: all of the owner's repositories that the App may see. Without it,
	// no repositories are an error.
	Everything bool

	// What the token may do: the first of these that the App has been given.
	Permissions []PermissionSet
	// Documents is set in place of Permissions for what cannot be told beforehand: all
	// that the App has been given, of the permissions that a document can need, up to
	// this access ("read" or "write").
	Documents string

	// Told is handed the number of each repository that the token was narrowed to at its server, which
	// stays that repository's for as long as the token lives; nil if nobody wants to know.
	Told func(server, repository string, id int64, until time.Time)
}

// bound is a scope in canonical form. Two scopes with one form can share a token.
type bound struct {
	owner        string
	repositories []string // names without owner, sorted; nil for everything
	permissions  []PermissionSet
	documents    string
}

// bind checks a scope against what the credential is for. What is empty is an error
// and never means all.
func (a *app) bind(scope Scope) (bound, error) {
	b := bound{owner: strings.ToLower(scope.Owner), permissions: scope.Permissions, documents: scope.Documents}
	for _, full := range scope.Repositories {
		owner, name, ok := strings.Cut(strings.ToLower(full), "/")
		switch {
		case !ok || owner == "" || name == "":
			return b, fmt.Errorf("%q is no repository", full)
		case b.owner == "":
			b.owner = owner
		case b.owner != owner:
			return b, fmt.Errorf("one token cannot reach repositories of %s and of %s", b.owner, owner)
		}
		b.repositories = append(b.repositories, name)
	}
	if b.owner == "" && len(a.owners) == 1 {
		b.owner = a.owners[0]
	}
	switch {
	case b.owner == "":
		return b, errors.New("the request names no owner, so that it is not clear whose installation to use; pin repositories and permissions in its rule")
	case !slices.Contains(a.owners, b.owner):
		return b, fmt.Errorf("it is bound to the repositories of %s, and the request is about %s's; add the owner to its owners if that is meant", strings.Join(a.owners, ", "), b.owner)
	case len(b.repositories) == 0 && !scope.Everything:
		return b, errors.New("the request names no repository to narrow a token to")
	case len(b.permissions) == 0 && rank(b.documents) == 0:
		return b, errors.New("the request needs no permission that could be asked for")
	}
	slices.Sort(b.repositories)
	b.repositories = slices.Compact(b.repositories)
	return b, nil
}

func (b bound) permissionsText() string {
	if len(b.permissions) == 0 {
		return "documents=" + b.documents
	}
	var sets []string
	for _, set := range b.permissions {
		sets = append(sets, set.String())
	}
	return strings.Join(sets, ";")
}
