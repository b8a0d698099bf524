package github

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"sallyport/credentials"
	"sallyport/internal/host"
	"sallyport/services"
	"sallyport/services/github/api"
	"sallyport/services/github/app"
	"sallyport/services/github/told"
)

// Key is what policies and the trail call GitHub.
const Key = "github"

// Service is GitHub. What its servers say of the permissions that operations need is kept
// for each server, and what they tell an agent of numbers and links, for that agent.
type Service struct {
	learned sync.Map // learnt to []api.PermissionSet
	told    *told.Book
}

// learnt is an operation at a server.
type learnt struct{ server, operation string }

// New returns the service.
func New() *Service { return &Service{told: told.New(time.Now)} }

// Key implements [services.Service].
func (*Service) Key() string { return Key }

// Kinds implements [services.Service].
func (*Service) Kinds() []credentials.Kind { return app.Kinds() }

// Sites implements [services.Service].
func (s *Service) Sites(f services.Files) services.Sites {
	var named []string
	for _, p := range f.Policies {
		named = append(named, p.Servers(Key)...)
	}
	return &sites{service: s, servers: serversOf(append(named, app.Servers(f.Credentials)...))}
}

// RequestIDs implements [services.Namer].
func (*Service) RequestIDs() []string { return []string{"X-Github-Request-Id"} }

// Speaks implements [services.Speaker]: the libraries of GitHub's API and of LFS look for an
// error's text in "message", and octokit only in what is application/json by name.
func (*Service) Speaks(r *http.Request) bool {
	return strings.Contains(strings.Join(r.Header["Accept"], ","), "application/vnd.git")
}

// Limited implements [services.Limiter].
func (*Service) Limited(account credentials.Account, limit string) (detail string, details map[string]any) {
	detail = "GitHub asks to go slower, for all that use this installation."
	if limit != "backoff" {
		detail = "What is left of GitHub's limit (" + limit + ") is shared by the agents that use this installation, and this agent has had its share for now."
	}
	return detail, map[string]any{"limit": Key + " " + limit, "installation_id": account.Installation}
}

// sites are the servers that one generation speaks of.
type sites struct {
	service *Service
	servers []api.Service // github.com always among them
}

// Find implements [services.Sites].
func (s *sites) Find(line *services.Line) services.Visit {
	if v := s.led(line); v != nil {
		return v
	}
	server, surface := surfaceOf(s.servers, line.Authority.Name.String(), line.Path.String())
	if surface == api.NotGitHub {
		return nil
	}
	return &visit{service: s.service, answered: answered{request: request{line: line, server: server, surface: surface}}}
}

func serverAt(server string) (api.Service, error) {
	name, err := host.ParseName(server)
	if err != nil {
		return api.Service{}, err
	}
	return api.ParseService("https://" + name.String())
}

// serversOf are the servers, github.com always among them.
func serversOf(names []string) []api.Service {
	all := []api.Service{api.DotCom()}
	for _, name := range names {
		if s, err := serverAt(name); err == nil && s != all[0] {
			all = append(all, s)
		}
	}
	return all
}

// surfaceOf finds the server that a request goes to, and the part of it.
func surfaceOf(all []api.Service, name, path string) (api.Service, api.Surface) {
	for _, s := range all {
		if surface := s.Surface(name, path); surface != api.NotGitHub {
			return s, surface
		}
	}
	return api.Service{}, api.NotGitHub
}
