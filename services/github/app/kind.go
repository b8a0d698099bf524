package app

import (
	"net/url"
	"slices"
	"strings"

	"sallyport/credentials"
	"sallyport/internal/host"
)

// The kinds of credentials that are GitHub's.
const (
	Minted = "github_app"   // for each use
	Fixed  = "github_token" // the same for every use
)

// Kinds are those of package credentials.
func Kinds() []credentials.Kind {
	return []credentials.Kind{
		{Name: Minted, Keys: []string{"app_id", "private_key", "owners", "installation", "base_url", "hosts"}, Decode: decodeApp},
		{Name: Fixed, Keys: []string{"secret", "base_url", "hosts"}, Decode: decodeToken},
	}
}

// fixedToken is a token that a person has made, for those without an App. GitHub determines
// where a token may go and in what form, so that hosts may be left out.
type fixedToken struct {
	*credentials.Placed
	server string
}

func decodeToken(s *credentials.Section, c *credentials.Credential) {
	placed := s.Placed(c, credentials.Placement{Header: header, Form: written})
	server := readServer(s)
	c.Made(&fixedToken{Placed: placed, server: server}, readHosts(s, server))
}

// Server returns the server that a credential is for, "" if it is for none.
func Server(c *credentials.Credential) string {
	switch m := c.Maker().(type) {
	case *app:
		return m.server
	case *fixedToken:
		return m.server
	}
	return ""
}

// Servers lists the servers that credentials are for.
func Servers(set *credentials.Set) (servers []string) {
	for _, name := range set.Names() {
		if server := Server(set.Lookup(name)); server != "" {
			servers = append(servers, server)
		}
	}
	slices.Sort(servers)
	return slices.Compact(servers)
}

// Serves reports whether a credential reaches the repositories of an account.
func Serves(c *credentials.Credential, owner string) bool {
	a, minted := c.Maker().(*app)
	return c != nil && (!minted || slices.Contains(a.owners, strings.ToLower(owner)))
}

// readHosts are the hosts of a server, or those that are given.
func readHosts(s *credentials.Section, server string) (hosts []host.Pattern) {
	if s.Has("hosts") {
		return s.Hosts()
	}
	for _, text := range hostsOf(server) {
		pattern, err := host.ParsePattern(text)
		if err != nil {
			s.Wrong("base_url", "is not the URL of a GitHub server: %v", err)
			return hosts
		}
		hosts = append(hosts, pattern)
	}
	return hosts
}

// readServer reads base_url: the web address of GitHub or of an Enterprise Server.
func readServer(s *credentials.Section) string {
	if !s.Has("base_url") {
		return public
	}
	text, _ := s.Text("base_url", "https://github.example.com")
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		s.Wrong("base_url", "must be https:// and a host; write base_url: https://github.example.com")
		return public
	}
	server := strings.ToLower(u.Host)
	if slices.Contains(hostsOf(public), server) && server != public {
		s.Wrong("base_url", "%s belongs to github.com; write base_url: https://github.com, or leave it out", server)
		return public
	}
	return server
}
