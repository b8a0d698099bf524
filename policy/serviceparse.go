package policy

import (
	"maps"
	"slices"
	"strings"

	"sallyport/internal/yamldoc"
)

// matcher compiles what stands under allow, ask or deny: a service rule, or else
// a rule about hosts.
func (c *compiler) matcher(n *yamldoc.Node, r *rule) matcher {
	if n.Kind == yamldoc.Map {
		for i := range c.services {
			if f := n.Field(c.services[i].Key); f != nil {
				return c.serviceRule(n, f, &c.services[i], r)
			}
		}
	}
	return c.request(n, r)
}

func (c *compiler) serviceKeys() []string {
	keys := make([]string, len(c.services))
	for i := range c.services {
		keys[i] = c.services[i].Key
	}
	return keys
}

func (c *compiler) serviceRule(above, n *yamldoc.Node, s *Service, r *rule) matcher {
	if len(above.Below) > 1 {
		above.Fail("%s stands alone: it names hosts and paths by itself; make it two rules", s.Key)
	}
	unknown := func(f *yamldoc.Node) bool { return !slices.Contains(s.Keys, f.Label) }
	if !n.Mapping(s.Keys...) || slices.ContainsFunc(n.Below, unknown) {
		return nil
	}
	if len(n.Below) == 0 {
		n.Fail("says nothing and would match every request to %s; write %s", s.Title, s.Example)
		return nil
	}
	if r.unnamed {
		above.Fail("a rule about operations allows only what it names, so that unnamed does nothing here; remove it, or give it a rule about a host")
	}
	if s.Signed && r.effect != Deny && r.credential == "" {
		above.Fail("nothing goes to %s unsigned; give the rule a credential", s.Title)
	}
	m := &serviceRule{service: s, effect: r.effect, server: s.Default}
	if r.effect == Deny {
		m.server = "" // wide where nothing is written, as in rules about hosts
	}
	if f := n.Field("host"); f != nil {
		m.server = c.server(f, s)
	}
	for _, f := range n.Field("repos").Words("write repos: [acme/web], or [acme/*]") {
		if p, err := parseRepoPattern(f.Text); err != nil {
			f.Fail("%v", err)
		} else {
			m.repos = append(m.repos, p)
		}
	}
	c.operations(n, m)
	if f := n.Field("access"); f != nil {
		m.access = c.access(f)
	}
	c.resources(n, m)
	if s.Hosts != nil && r.credential != "" {
		m.hosts = s.Hosts(r.credential)
		for _, p := range m.hosts {
			c.serve(s, p.String())
		}
	}
	c.pushes(n, m)
	m.bounded = s.Narrows != nil && s.Narrows(r.credential) && r.credential != "" && (bounding(m.repos) && !r.scope.Pinned() || m.covers(r.scope))
	return m
}

// covers reports whether the rule pins the token to repositories that it names.
func (m *serviceRule) covers(s *Scope) bool {
	return s.Pinned() && !slices.ContainsFunc(s.Repositories, func(repo string) bool { return m.matchName(repo) != matched })
}

func (c *compiler) server(n *yamldoc.Node, s *Service) string {
	text, ok := n.Word("write host: " + s.Default)
	if !ok {
		return ""
	}
	server, err := s.Server(text)
	if err != nil {
		n.Fail("%v", err)
	}
	c.serve(s, server)
	return server
}

// serve notes a server that the policy speaks of.
func (c *compiler) serve(s *Service, server string) {
	if server != "" && !slices.Contains(c.servers[s.Key], server) {
		c.servers[s.Key] = append(c.servers[s.Key], server)
	}
}

func (c *compiler) access(n *yamldoc.Node) Access {
	for _, a := range []Access{Read, Write, Admin} {
		if n.Kind == yamldoc.Scalar && n.Text == a.String() {
			return a
		}
	}
	n.Fail("must be read, write or admin")
	return 0
}

func (c *compiler) pushes(n *yamldoc.Node, m *serviceRule) {
	for _, f := range n.Field("refs").Words("write refs: [refs/heads/agent/**]") {
		if p, err := parseRefPattern(f.Text); err != nil {
			f.Fail("%v", err)
		} else {
			m.refs = append(m.refs, p)
		}
	}
	for _, f := range n.Field("updates").Words("write updates: [create, update]") {
		if !slices.Contains([]string{"create", "update", "delete"}, f.Text) {
			f.Fail("must be create, update or delete")
		}
		m.updates = append(m.updates, f.Text)
	}
	if len(m.refs)+len(m.updates) == 0 || len(m.operations) == 0 {
		return
	}
	if !slices.ContainsFunc(m.operations, func(o Operations) bool { return o.Matches("git/push") }) {
		n.Fail("refs and updates speak of pushes, and operations do not include git/push; add it, or remove them")
	}
}

// scope reads what a rule says of the token that is minted for it.
func (c *compiler) scope(n *yamldoc.Node, r *rule) *Scope {
	repositories, permissions, shared := n.Field("repositories"), n.Field("permissions"), n.Field("shared")
	if repositories == nil && permissions == nil && shared == nil {
		return nil
	}
	s := &Scope{Shared: c.shared(shared)}
	if r.credential == "" {
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
	s.Permissions = c.permissions(permissions)
	return s
}

func (c *compiler) shared(n *yamldoc.Node) bool {
	if n == nil {
		return false
	}
	if n.Kind != yamldoc.Scalar || n.Text != "true" {
		n.Fail("the only value is true; leave the key out otherwise")
	}
	return true
}

func (c *compiler) permissions(n *yamldoc.Node) []Permission {
	if n == nil {
		return nil
	}
	if n.Kind != yamldoc.Map || len(n.Below) == 0 {
		n.Fail("must be a mapping of names to read, write or admin, as in permissions: {contents: read}")
		return nil
	}
	found := map[string]Access{}
	for _, f := range n.Below {
		if strings.ContainsFunc(f.Label, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' }) {
			c.doc.Fail(f.Line, n.Key(), "%s is not the name of a permission; write it as GitHub's API does, as in pull_requests", yamldoc.Quote(f.Label))
			continue
		}
		found[f.Label] = c.access(f)
	}
	var all []Permission
	for _, name := range slices.Sorted(maps.Keys(found)) {
		all = append(all, Permission{Name: name, Access: found[name]})
	}
	return all
}
