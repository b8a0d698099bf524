package credentials

import (
	"net/url"
	"slices"
	"strings"

	"sallyport/internal/host"
)

// decodeGitHubToken reads a fixed GitHub token, for those without an App. Where it may
// go and in what form is GitHub's own matter, so hosts may be left out.
func decodeGitHubToken(s *Section, c *Credential) {
	c.source = s.source("secret")
	c.place = placement{header: "Authorization", form: gitHubToken}
	c.server = s.gitHubServer()
	s.gitHubHosts(c)
}

// gitHubHosts binds the credential to its server's hosts, or to those that are given.
func (s *Section) gitHubHosts(c *Credential) {
	if s.Has("hosts") {
		c.hosts = s.Hosts()
		return
	}
	for _, text := range gitHubHosts(c.server) {
		pattern, err := host.ParsePattern(text)
		if err != nil {
			s.Wrong("base_url", "is not the URL of a GitHub server: %v", err)
			return
		}
		c.hosts = append(c.hosts, pattern)
	}
}

// gitHubServer reads base_url: the web address of GitHub or of an Enterprise Server.
func (s *Section) gitHubServer() string {
	const public = "github.com"
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
	if slices.Contains(gitHubHosts(public), server) && server != public {
		s.Wrong("base_url", "%s belongs to github.com; write base_url: https://github.com, or leave it out", server)
		return public
	}
	return server
}

// gitHubHosts lists what belongs to a server: its own names and, for github.com, those
// that its answers lead to.
func gitHubHosts(server string) []string {
	if server == "github.com" {
		return []string{
			"github.com", "api.github.com", "uploads.github.com", "codeload.github.com", "*.pkg.github.com", "ghcr.io",
			"raw.githubusercontent.com", "media.githubusercontent.com", "objects.githubusercontent.com", "release-assets.githubusercontent.com",
		}
	}
	// An Enterprise Server with subdomain isolation, or a tenant of ghe.com.
	return []string{server, "*." + server}
}

// gitHubToken writes a token as each of GitHub's surfaces takes it.
func gitHubToken(secret string) (form, error) {
	if _, err := prefixed("")(secret); err != nil {
		return nil, err
	}
	password, token := basic("x-access-token", secret), "Bearer "+secret
	return func(u *url.URL) string {
		switch gitHubSurface(u) {
		case signedDownload:
			return ""
		case gitHubAPI:
			return token
		default:
			return password
		}
	}, nil
}

// surface is a part of GitHub that authenticates in one way.
type surface uint8

const (
	gitSurface     surface = iota // smart HTTP, LFS, packages: Basic
	gitHubAPI                     // REST, GraphQL, uploads, raw content: Bearer
	signedDownload                // signed by the URL, which a header would spoil
)

// gitHubSurface tells by the host's first label, and on an Enterprise Server by its
// paths /api/v3, /api/graphql and /api/uploads.
func gitHubSurface(u *url.URL) surface {
	name := strings.ToLower(u.Hostname())
	label, _, _ := strings.Cut(name, ".")
	switch label {
	case "codeload", "media", "objects", "release-assets":
		return signedDownload
	case "api", "uploads", "raw", "npm":
		return gitHubAPI
	}
	// On github.com, /api/ is the account of somebody called api.
	if strings.HasPrefix(u.EscapedPath(), "/api/") && strings.TrimSuffix(name, ".") != "github.com" {
		return gitHubAPI
	}
	return gitSurface
}
