package api

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// Surface is the part of GitHub that a request goes to. What the request means is
// [Service.Resolve]'s to say, and how a token is written on it, package app's.
type Surface uint8

// The surfaces. The zero value is not GitHub.
const (
	NotGitHub Surface = iota
	// API: REST and GraphQL.
	API
	// Uploads: release assets.
	Uploads
	// Web: git over HTTP and LFS, beside the web site.
	Web
	// Front: a name that leads to the web site; no token.
	Front
	// Raw: file contents by path.
	Raw
	// Packages: container and package registries.
	Packages
	// Download: signed links that GitHub redirects to; no token ever.
	Download
	// Manage: the management API of an Enterprise Server; its own password, never an
	// App's token.
	Manage
	// LFS: where an upload is confirmed, with the authorization that the batch answer
	// gave for it; no App's token.
	LFS
	// Other: a host of GitHub's that has no operations and gets no token.
	Other
)

// Service is one GitHub: github.com, a tenant of ghe.com, or an Enterprise Server. It is
// immutable and comparable; the zero value is no GitHub and resolves nothing.
type Service struct {
	web, api, uploads string
	enterprise        bool
}

// DotCom is github.com.
func DotCom() Service {
	return Service{web: "github.com", api: "api.github.com", uploads: "uploads.github.com"}
}

// ParseService reads a base URL such as https://github.com, https://acme.ghe.com or
// https://github.example.com (an Enterprise Server).
func ParseService(base string) (Service, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return Service{}, fmt.Errorf("base_url %q: want https://HOST, without a path", base)
	}
	name := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	switch tenant, ghe := strings.CutSuffix(name, ".ghe.com"); {
	case name == "github.com" || name == "api.github.com" || name == "www.github.com":
		return DotCom(), nil
	case strings.HasSuffix(name, ".github.com"):
		return Service{}, fmt.Errorf("base_url %q: write https://github.com", base)
	case ghe && strings.Contains(tenant, "."):
		return Service{}, fmt.Errorf("base_url %q: write https://%s.ghe.com", base, tenant[strings.LastIndexByte(tenant, '.')+1:])
	case ghe:
		return Service{web: name, api: "api." + name, uploads: "uploads." + name}, nil
	}
	return Service{web: name, enterprise: true}, nil
}

// Host is the name of the web host, which stands for the whole service.
func (s Service) Host() string { return s.web }

// Enterprise reports whether the service is an Enterprise Server, whose surfaces are
// paths of one host.
func (s Service) Enterprise() bool { return s.enterprise }

// Surface says which part of the service a request goes to. The host is canonical
// (lower case, no trailing dot, no port), the path escaped as sent.
func (s Service) Surface(host, path string) Surface {
	switch {
	case s.web == "":
		return NotGitHub
	case s.enterprise:
		return s.serverSurface(host, path)
	case host == s.api:
		return API
	case host == s.uploads:
		return Uploads
	case host == s.web:
		return Web
	case s != DotCom():
		return tenantSurface(host, s.web)
	}
	return dotcomSurface(host)
}

func dotcomSurface(host string) Surface {
	switch {
	case host == "raw.githubusercontent.com":
		return Raw
	case host == "lfs.github.com":
		return LFS
	case host == "www.github.com":
		return Front
	case host == "ghcr.io", within(host, "ghcr.io"), within(host, "pkg.github.com"):
		return Packages
	case host == "codeload.github.com", within(host, "githubusercontent.com"), host == "github-cloud.s3.amazonaws.com",
		host == "github-releases.s3.amazonaws.com", host == "pkg-containers.githubusercontent.com":
		return Download
	case within(host, "github.com"), host == "githubusercontent.com", host == "githubapp.com", within(host, "githubapp.com"),
		host == "githubcopilot.com", within(host, "githubcopilot.com"), host == "github.dev", within(host, "github.dev"):
		return Other
	}
	return NotGitHub
}

func tenantSurface(host, web string) Surface {
	label, found := strings.CutSuffix(host, "."+web)
	switch {
	case !found:
		return NotGitHub
	case label == "raw":
		return Raw
	case label == "containers", label == "docker", label == "npm", label == "maven", label == "nuget", label == "rubygems":
		return Packages
	case label == "codeload", label == "media", label == "objects":
		return Download
	}
	return Other
}

func (s Service) serverSurface(host, path string) Surface {
	if host != s.web {
		if _, err := netip.ParseAddr(s.web); err == nil {
			return NotGitHub
		}
		if label, _ := strings.CutSuffix(host, "."+s.web); label == "uploads" {
			return Uploads
		}
		return tenantSurface(host, s.web)
	}
	switch {
	case underPath(path, "/api/v3"), path == "/api/graphql":
		return API
	case underPath(path, "/api/uploads"):
		return Uploads
	case underPath(path, "/manage"), underPath(path, "/setup"):
		return Manage
	case underPath(path, rawPath):
		return Raw
	case underPath(path, "/codeload"), underPath(path, "/media"):
		return Download
	case underPath(path, "/_registry"):
		return Packages
	case underPath(path, "/api"):
		return Other
	}
	return Web
}

// rawPath and its neighbours above stand in for subdomains where a server has none
// (GitHub Enterprise Server, "Enabling subdomain isolation").
const rawPath = "/raw"

func underPath(path, prefix string) bool {
	rest, found := strings.CutPrefix(path, prefix)
	return found && (rest == "" || rest[0] == '/')
}

func within(host, parent string) bool {
	rest, found := strings.CutSuffix(host, parent)
	return found && strings.HasSuffix(rest, ".")
}
