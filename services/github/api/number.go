package api

import (
	"net/http"
	"net/url"
	"strings"
)

// GitHub's API takes numbers in the place of names, as in /repositories/7/issues, and writes
// them itself where it links the next page of a list, or where a repository has moved. What
// a number stands for is not in the request. Numbers and names are written here as the
// beginning of a path without its first slash: "repositories/7", "repos/acme/web".

// Numbered returns the number that a request of the API names something by; false if it
// does not.
func (s Service) Numbered(r Request) (number string, ok bool) {
	if s.Surface(r.Host, r.Path) != API {
		return "", false
	}
	number, _, ok = cutNumber(s.trimPrefix(r, "/api/v3"))
	return number, ok
}

// Named is the request with the name in the place of its number.
func (s Service) Named(r Request, name string) Request {
	path := s.trimPrefix(r, "/api/v3")
	_, rest, _ := cutNumber(path)
	r.Path = strings.TrimSuffix(r.Path, path) + "/" + name + rest
	return r
}

// cutNumber cuts a number off a path: one in the form in which GitHub writes it.
func cutNumber(path string) (number, rest string, ok bool) {
	parts := strings.SplitN(path, "/", 6)
	if len(parts) < 3 || parts[0] != "" || !isPlainNumber(parts[2]) {
		return "", "", false
	}
	end := 3
	switch parts[1] {
	case "repositories", "user":
	case "organizations":
		if len(parts) > 4 && parts[3] == "team" && isPlainNumber(parts[4]) {
			end = 5
		}
	default:
		return "", "", false
	}
	number = strings.Join(parts[1:end], "/")
	return number, path[1+len(number):], true
}

func isPlainNumber(s string) bool { return isNumber(s) && len(s) < 20 && s[0] != '0' }

// RepositoryNumber is a repository's.
func RepositoryNumber(id string) (number string, ok bool) {
	return "repositories/" + id, isPlainNumber(id)
}

// RepositoryName is that of a repository, "acme/web".
func RepositoryName(full string) (name string, ok bool) {
	owner, repo, _ := strings.Cut(full, "/")
	return "repos/" + strings.ToLower(full), isAccount(owner) && isRepoName(repo)
}

// Told is what an answer says a number stands for.
type Told struct{ Number, Name string }

// Links returns what the links of an answer tell ("Using pagination in the REST API"): the
// page that was asked for by name is linked by number, and all else in its path is the same.
func (s Service) Links(r Request, h http.Header) (all []Told) {
	for _, field := range h["Link"] {
		for part := range strings.SplitSeq(field, "<") {
			address, _, closed := strings.Cut(part, ">")
			if t, ok := s.tells(r, address); closed && ok && (len(all) == 0 || all[len(all)-1] != t) {
				all = append(all, t)
			}
		}
	}
	return all
}

// Moved returns the number that an answer redirects to, from a name that is not the right one
// any more.
func (s Service) Moved(r Request, h http.Header) (Told, bool) {
	if len(h["Location"]) != 1 {
		return Told{}, false
	}
	return s.tells(r, h["Location"][0])
}

// tells compares what was asked for by name with an address that has a number in its place.
func (s Service) tells(r Request, address string) (Told, bool) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Port() != "" {
		return Told{}, false
	}
	linked := Request{Host: strings.ToLower(u.Host), Path: u.EscapedPath()}
	if s.Surface(r.Host, r.Path) != API || linked.Host != r.Host || s.Surface(linked.Host, linked.Path) != API {
		return Told{}, false
	}
	number, rest, ok := cutNumber(s.trimPrefix(linked, "/api/v3"))
	if !ok {
		return Told{}, false
	}
	path := s.trimPrefix(r, "/api/v3")
	named, found := strings.CutSuffix(path, rest)
	if !found || !stands(number, named) {
		return Told{}, false
	}
	return Told{number, strings.ToLower(strings.TrimPrefix(named, "/"))}, true
}

// stands reports whether a number can stand for what a path names.
func stands(number, named string) bool {
	parts := strings.Split(named, "/")
	kind, _, _ := strings.Cut(number, "/")
	switch {
	case len(parts) < 3 || parts[0] != "" || !isAccount(parts[2]):
		return false
	case kind == "repositories":
		return len(parts) == 4 && parts[1] == "repos" && isRepoName(parts[3])
	case kind == "user":
		return len(parts) == 3 && parts[1] == "users"
	case strings.Contains(number, "/team/"):
		return len(parts) == 5 && parts[1] == "orgs" && parts[3] == "teams" && isAccount(parts[4])
	}
	return len(parts) == 3 && parts[1] == "orgs"
}
