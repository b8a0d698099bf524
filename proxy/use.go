package proxy

import (
	"strings"

	"sallyport/credentials"
	"sallyport/policy"
	github "sallyport/services/github/api"
)

// Kinds of credentials that are treated apart here.
const (
	mintedKind = "github_app"
	fixedKind  = "github_token"
)

// goesBare reports whether the request goes to a part of GitHub that takes no
// token: to a link that is signed, or where GitHub itself gave the authorization.
func (x *exchange) goesBare(kind string) bool {
	if x.classified == nil || kind != mintedKind && kind != fixedKind {
		return false
	}
	surface := x.classified.surface
	return surface == github.Download || surface == github.LFS || surface == github.Manage
}

// use says what the credential is needed for: a token for this request and no more.
func (x *exchange) use(kind string) (credentials.Use, *refusal) {
	use := credentials.Use{Agent: x.agent.key, Request: x.r, Memory: x.memoryFor(kind)}
	scope := x.decision.Scope
	switch {
	case kind == fixedKind && x.hidesRepository() && scope != nil && len(scope.Repos) > 0:
		return use, x.denied("GraphQL hides its repository, and the fixed token of credential " + x.credential + " cannot be narrowed to the repos of the rule.")
	case kind == roleKind:
		return use, x.useOfSession(&use)
	case kind != mintedKind:
		return use, nil
	}
	errand := x.errand()
	use.Transport, use.Cleanup, use.Admit = errand, unbound{errand}, x.admitTo
	if scope.Pinned() {
		use.Repositories, use.Shared = scope.Repositories, scope.Shared
		use.Permissions = []credentials.PermissionSet{permissionsOf(scope.Permissions)}
		return use, nil
	}
	if x.classified == nil || len(x.classified.operations) == 0 {
		return use, x.denied("The request has no name at GitHub, so that no token can be minted for it; its rule has to pin repositories and permissions.")
	}
	if x.hidesRepository() {
		x.useForDocument(&use)
		return use, nil
	}
	return use, x.useForOperation(&use, x.classified.operations[0])
}

func (x *exchange) denied(detail string) *refusal {
	refusal := deniedByPolicy.because(detail)
	refusal.rule = x.decision.Rule
	return refusal
}

func (x *exchange) hidesRepository() bool {
	return x.classified != nil && len(x.classified.meaning.Calls) > 0 && x.classified.meaning.Calls[0].Hidden
}

// useForDocument narrows the token of a GraphQL document to the repositories of its
// rule, which policy has found to be one owner's, and to what the document does.
func (x *exchange) useForDocument(use *credentials.Use) {
	access := policy.Read
	for i := range x.classified.meaning.Calls {
		access = max(access, x.classified.meaning.Calls[i].Access)
	}
	use.Documents = min(access, policy.Write).String()
	for _, pattern := range x.decision.Scope.Repos {
		owner, name, _ := strings.Cut(pattern, "/")
		if name == "*" {
			use.Owner, use.Everything = owner, true
			return
		}
		use.Repositories = append(use.Repositories, pattern)
	}
	use.Everything = len(use.Repositories) == 0
}

// useForOperation narrows the token to the operation's repository, and to the least
// permissions that it works with, never beyond the rule's access.
func (x *exchange) useForOperation(use *credentials.Use, o github.Operation) *refusal {
	use.Owner = o.Owner
	if o.Repo != "" {
		use.Repositories = []string{strings.TrimSuffix(o.Repo, ".wiki")}
	} else {
		use.Everything = true // of one owner: the operation is about the account
	}
	alternatives := o.Permissions
	if learned, ok := x.p.learned.Load(o.Name); ok && !o.Settled {
		alternatives = learned.([]github.PermissionSet)
	}
	most := github.Admin
	if scope := x.decision.Scope; scope != nil && scope.Access != 0 {
		most = github.Access(scope.Access)
	}
	allowed := func(p github.Permission) bool { return p.Access <= most }
	least, ok := github.Least(alternatives, allowed)
	if !ok {
		return x.denied("GitHub asks for more than access " + most.String() + " for " + o.Name + ", which is all that the rule gives.")
	}
	use.Permissions = append(use.Permissions, setOf(least))
	for _, other := range alternatives { // in case the App has not been given the least
		if _, ok := github.Least([]github.PermissionSet{other}, allowed); ok && other.String() != least.String() {
			use.Permissions = append(use.Permissions, setOf(other))
		}
	}
	return nil
}

// setOf is what to ask GitHub for; an operation that needs nothing is given what every
// token has.
func setOf(s github.PermissionSet) credentials.PermissionSet {
	set := credentials.PermissionSet{}
	for _, p := range s {
		set[p.Name] = p.Access.String()
	}
	if len(set) == 0 {
		set["metadata"] = github.Read.String()
	}
	return set
}

func permissionsOf(list []policy.Permission) credentials.PermissionSet {
	set := credentials.PermissionSet{}
	for _, p := range list {
		set[p.Name] = p.Access.String()
	}
	return set
}

// learn takes from GitHub's answer which permissions an operation really needs, where
// its published description leaves that open.
func (x *exchange) learn(accepted string) {
	if x.classified == nil || len(x.classified.operations) != 1 || x.classified.surface != github.API {
		return
	}
	o := &x.classified.operations[0]
	if o.Settled || accepted == "" {
		return
	}
	if sets, ok := github.ParseAccepted(accepted); ok {
		x.p.learned.Store(o.Name, sets) // names are the table's, so there is an end to them
	}
}
