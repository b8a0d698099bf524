package github

import (
	"fmt"
	"strings"

	"sallyport/credentials"
	"sallyport/policy"
	"sallyport/services"
	"sallyport/services/github/api"
	"sallyport/services/github/app"
)

// Narrow implements [services.Narrower]: a token for this request and no more.
func (*sites) Narrow(n *services.Need, to services.Visit) (bare bool, err error) {
	v, _ := to.(*visit) // nil where the credential is used elsewhere
	if v.goesBare() {
		return true, nil
	}
	scope, _ := n.Decision.Scope.(*Scope) // nil for a rule about hosts that pins nothing
	if n.Kind == app.Fixed {
		if v != nil && v.hidesRepository() && scope != nil && len(scope.Repos) > 0 {
			return false, &services.Denied{Detail: "GraphQL hides its repository, and the fixed token of credential " + n.Credential + " cannot be narrowed to the repos of the rule."}
		}
		return false, nil
	}
	n.Use.Transport, n.Use.Cleanup = n.Errands()
	n.Use.Admit = n.Admit
	var narrowed app.Scope
	switch {
	case scope.Pinned():
		narrowed = app.Scope{
			Repositories: scope.Repositories, Shared: scope.Shared, Permissions: []app.PermissionSet{permissionsOf(scope.Permissions)},
		}
	case v == nil || len(v.operations) == 0:
		return false, &services.Denied{Detail: "The request has no name at GitHub, so that no token can be minted for it; its rule has to pin repositories and permissions."}
	case v.hidesRepository():
		narrowed = v.scopeOfDocument(scope)
	default:
		narrowed, err = v.scopeOfOperation(scope, v.operations[0])
	}
	if v != nil {
		narrowed.Told = v.tellRepository
	}
	n.Use.For = narrowed
	return false, err
}

// goesBare reports whether the request goes to a part of GitHub that takes no token: a signed
// link, or a place for which GitHub itself gave an authorization.
func (v *visit) goesBare() bool {
	return v != nil && (v.surface == api.Front || v.surface == api.Download || v.surface == api.LFS || v.surface == api.Manage)
}

// scopeOfDocument narrows the token of a GraphQL document to the repositories of its
// rule, which policy has found to be one owner's, and to what the document does.
func (v *visit) scopeOfDocument(rule *Scope) (s app.Scope) {
	access := policy.Read
	for i := range v.meaning.Calls {
		access = max(access, v.meaning.Calls[i].Access)
	}
	s.Documents = min(access, policy.Write).String()
	for _, pattern := range rule.Repos {
		owner, name, _ := strings.Cut(pattern, "/")
		if name == "*" {
			s.Owner, s.Everything = owner, true
			return s
		}
		s.Repositories = append(s.Repositories, pattern)
	}
	s.Everything = len(s.Repositories) == 0
	return s
}

// scopeOfOperation narrows the token to the operation's repository, and to the least
// permissions that it works with, never beyond the rule's access.
func (v *visit) scopeOfOperation(rule *Scope, o api.Operation) (s app.Scope, err error) {
	if s.Owner = o.Owner; s.Owner == "" && rule != nil {
		s.Owner = firstOwner(rule.Repos) // it tells nothing of any account, so that each one's token will do
	}
	if o.Repo != "" {
		s.Repositories = []string{strings.TrimSuffix(o.Repo, ".wiki")}
	} else {
		s.Everything = true // of one owner: the operation is about the account
	}
	alternatives := o.Permissions
	if learned, ok := v.service.learned.Load(learnt{v.server.Host(), o.Name}); ok && !o.Settled {
		alternatives = learned.([]api.PermissionSet)
	}
	most := policy.Admin
	if rule != nil && rule.Access != 0 {
		most = rule.Access
	}
	allowed := func(p api.Permission) bool { return p.Access <= most }
	least, ok := api.Least(alternatives, allowed)
	if !ok {
		return app.Scope{}, &services.Denied{Detail: "GitHub asks for more than access " + most.String() + " for " + o.Name + ", which is all that the rule gives."}
	}
	s.Permissions = append(s.Permissions, setOf(least))
	for _, other := range alternatives { // in case the App has not been given the least
		if _, ok := api.Least([]api.PermissionSet{other}, allowed); ok && other.String() != least.String() {
			s.Permissions = append(s.Permissions, setOf(other))
		}
	}
	return s, nil
}

// firstOwner is the first account that patterns of repositories name; "" for none.
func firstOwner(patterns []string) string {
	for _, pattern := range patterns {
		if owner, _, _ := strings.Cut(pattern, "/"); !strings.Contains(owner, "*") {
			return owner
		}
	}
	return ""
}

// setOf is what to ask GitHub for; an operation that needs nothing is given what every
// token has.
func setOf(s api.PermissionSet) app.PermissionSet {
	set := app.PermissionSet{}
	for _, p := range s {
		set[p.Name] = p.Access.String()
	}
	if len(set) == 0 {
		set["metadata"] = policy.Read.String()
	}
	return set
}

func permissionsOf(list []Permission) app.PermissionSet {
	set := app.PermissionSet{}
	for _, p := range list {
		set[p.Name] = p.Access.String()
	}
	return set
}

// CheckUse implements [services.UseChecker].
func (*Service) CheckUse(c *credentials.Credential, _ *policy.Policy, use policy.CredentialUse) (what, hint string) {
	rule, ours := use.Clause.(*clause)
	scope, _ := use.Scope.(*Scope)
	switch {
	case ours && app.Server(c) != rule.place.Server:
		return fmt.Sprintf("the rule is about %s, and credential %q for %s", rule.place.Server, use.Credential, app.Server(c)),
			fmt.Sprintf("write %s: {host: %s, ...}", use.Service, app.Server(c))
	case scope.Pinned() && c.Kind() != app.Minted:
		return fmt.Sprintf("the rule pins what a minted token may do, and credential %q is of kind %s, which is never minted", use.Credential, c.Kind()),
			"remove repositories, permissions and shared"
	case use.Service == "" && c.Kind() == app.Minted && !scope.Pinned():
		return fmt.Sprintf("a rule about hosts does not tell what a token of credential %q must be able to do", use.Credential),
			"pin it by repositories: [OWNER/NAME] and permissions: {contents: read}, or write a github: rule"
	}
	for _, owner := range ownersOf(rule, scope) {
		if !app.Serves(c, owner) {
			return fmt.Sprintf("the rule is about repositories of %s, and credential %q is bound to those of %s", owner, use.Credential, strings.Join(c.Owners(), ", ")),
				"correct the rule, or add the account to the credential's owners"
		}
	}
	return "", ""
}

// ownersOf are the accounts whose repositories a rule pins, or names.
func ownersOf(rule *clause, scope *Scope) (owners []string) {
	if scope.Pinned() {
		owner, _, _ := strings.Cut(scope.Repositories[0], "/") // all have the same
		owners = append(owners, owner)
	}
	if rule != nil {
		owners = append(owners, rule.repos.owners()...)
	}
	return owners
}
