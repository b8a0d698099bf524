package github

import (
	"maps"
	"slices"
	"strings"

	"sallyport/internal/yamldoc"
	"sallyport/policy"
)

// Scope is what a rule says of a token that is minted for its requests.
type Scope struct {
	Access policy.Access // never more than this; 0: whatever the operation needs
	Repos  []string      // the rule's own patterns, by which a call with a hidden repository is bound

	// What the rule pins instead: one wider token, the same for all its requests.
	Repositories []string // "owner/name"
	Permissions  []Permission
	Shared       bool // between agents
}

// Permission is one permission of a minted token.
type Permission struct {
	Name   string
	Access policy.Access
}

// Pinned reports whether the rule fixes the token.
func (s *Scope) Pinned() bool { return s != nil && len(s.Permissions) > 0 }

// Equal implements [policy.Scope].
func (s *Scope) Equal(other policy.Scope) bool {
	o, ok := other.(*Scope)
	return ok && s.Access == o.Access && s.Shared == o.Shared && slices.Equal(s.Repos, o.Repos) &&
		slices.Equal(s.Repositories, o.Repositories) && slices.Equal(s.Permissions, o.Permissions)
}

// Serves implements [policy.Scope]. A token that is made for a request serves all its calls,
// unless a call hides its repository: then only the token bounds it, and each rule's bounds
// differ.
func (s *Scope) Serves(c *policy.Call) bool { return !s.Pinned() && !factsOf(c).Hidden }

// scopeOf is what the rule says of a token.
func (m *clause) scopeOf(h policy.Header) *Scope {
	s := &Scope{}
	if pinned, ok := h.Pinned.(*Scope); ok {
		*s = *pinned
	}
	s.Access, s.Repos = m.access, m.repos.texts()
	return s
}

// fitsToken reports whether a token of the rule reaches its repos and nothing else.
func (m *clause) fitsToken() bool {
	if !m.scope.Pinned() {
		return m.repos.fitToken()
	}
	return !slices.ContainsFunc(m.scope.Repositories, func(repo string) bool { return m.repos.match(repo) != policy.Matched })
}

// PinKeys implements [policy.Pinner].
func (*language) PinKeys() []string { return []string{"repositories", "permissions", "shared"} }

// Pin implements [policy.Pinner]: it reads what a rule says of the token that is minted for
// it.
func (*language) Pin(n *yamldoc.Node, credential string) policy.Scope {
	repositories, permissions, shared := n.Field("repositories"), n.Field("permissions"), n.Field("shared")
	if repositories == nil && permissions == nil && shared == nil {
		return nil
	}
	s := &Scope{Shared: readShared(shared)}
	if credential == "" {
		n.Fail("repositories, permissions and shared speak of a credential's token, and the rule has no credential; add one, or remove them")
	}
	if repositories == nil || permissions == nil {
		n.Fail("a token is pinned by repositories and permissions together; add what is missing")
	}
	for _, f := range repositories.Words("write repositories: [acme/web]") {
		p, err := parseRepoPattern(f.Text)
		switch {
		case err != nil:
			f.Fail("%v", err)
		case !p.exact():
			f.Fail("%s is a pattern; a token is pinned to repositories by their names", f.Text)
		case len(s.Repositories) > 0 && !strings.HasPrefix(s.Repositories[0], p.owner+"/"):
			f.Fail("%s has another owner than %s; one token reaches one owner's repositories", f.Text, s.Repositories[0])
		default:
			s.Repositories = append(s.Repositories, p.String())
		}
	}
	s.Permissions = readPermissions(permissions)
	return s
}

func readShared(n *yamldoc.Node) bool {
	if n == nil {
		return false
	}
	if n.Kind != yamldoc.Scalar || n.Text != "true" {
		n.Fail("the only value is true; leave the key out otherwise")
	}
	return true
}

func readPermissions(n *yamldoc.Node) []Permission {
	if n == nil {
		return nil
	}
	if n.Kind != yamldoc.Map || len(n.Below) == 0 {
		n.Fail("must be a mapping of names to read, write or admin, as in permissions: {contents: read}")
		return nil
	}
	found := map[string]policy.Access{}
	for _, f := range n.Below {
		if strings.ContainsFunc(f.Label, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' }) {
			n.Doc().Fail(f.Line, n.Key(), "%s is not the name of a permission; write it as GitHub's API does, as in pull_requests", yamldoc.Quote(f.Label))
			continue
		}
		found[f.Label] = policy.ReadAccess(f)
	}
	var all []Permission
	for _, name := range slices.Sorted(maps.Keys(found)) {
		all = append(all, Permission{Name: name, Access: found[name]})
	}
	return all
}
