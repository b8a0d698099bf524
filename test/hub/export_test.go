package hub

import "strings"

// NewReader returns a hub that reads paths, and serves nothing.
func NewReader() (*Hub, error) {
	all, err := routes()
	return &Hub{routes: all, repositories: []*repository{{id: 1296001, owner: "acme", name: "api"}}}, err
}

// Means says what a request to the API means here: the operation's name and its
// repository; empty if it means nothing.
func (h *Hub) Means(method, path string) (name, repository string) {
	verb := strings.ToLower(method)
	if verb == "head" {
		verb = "get"
	}
	m, found := h.match(verb, "", h.withoutAlias(path))
	if !found {
		return "", ""
	}
	owner, repo := m.value("owner")+m.value("template_owner"), m.value("repo")+m.value("template_repo")
	if repo == "" {
		return m.route.Name, ""
	}
	return m.route.Name, strings.ToLower(owner + "/" + repo)
}

// Templates are the paths of all operations of the API.
func (h *Hub) Templates() []string {
	var all []string
	for i := range h.routes {
		if h.routes[i].Server == "" {
			all = append(all, strings.ToUpper(h.routes[i].Verb)+" "+h.routes[i].Path)
		}
	}
	return all
}

// Lenient is how a document is read here.
func Lenient(document string) string { return lenient(document) }
