package hub

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// serveREST answers the API: who asks, what the path means, whether the token may.
func (h *Hub) serveREST(w http.ResponseWriter, r *http.Request, path, server string) {
	verb := strings.ToLower(r.Method)
	if verb == "head" {
		verb = "get"
	}
	// Some servers let a request rename its method. One that did so unnoticed would
	// do what nobody allowed.
	for _, override := range []string{r.Header.Get("X-Http-Method-Override"), r.Header.Get("X-Http-Method"), r.Header.Get("X-Method-Override"), r.URL.Query().Get("_method")} {
		if override != "" {
			verb = strings.ToLower(override)
		}
	}
	m, found := h.match(verb, server, h.withoutAlias(path))
	if found && h.asApp(w, r, m) {
		return
	}
	t := h.live(r, "Bearer")
	if t == nil {
		fail(w, http.StatusUnauthorized, "Bad credentials")
		return
	}
	switch {
	case !h.limit(w, t):
	case r.Header.Get("User-Agent") == "":
		fail(w, http.StatusForbidden, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header")
	case !found:
		fail(w, http.StatusNotFound, "Not Found")
	case m.route.key() == "delete /installation/token":
		h.revoke(w, t)
	case h.hasMoved(w, r, t, m, path):
	case h.admits(w, t, m):
		h.perform(w, r, t, m)
	}
}

// withoutAlias writes a path out: what it leaves unsaid, and a repository by its number.
func (h *Hub) withoutAlias(path string) string {
	// The last part of these may be left out.
	for tail, whole := range map[string]string{"/contents": ".", "/tarball": "HEAD", "/zipball": "HEAD", "/git/matching-refs": "heads"} {
		trimmed := strings.TrimSuffix(path, "/")
		if repo, found := strings.CutSuffix(trimmed, tail); found && strings.HasPrefix(repo, "/repos/") && strings.Count(repo, "/") == 3 {
			path = trimmed + "/" + whole
		}
	}
	return h.byName(path)
}

// limit says what is left of the installation's rate, and refuses what is beyond it
// ("Rate limits for the REST API" at docs.github.com).
func (h *Hub) limit(w http.ResponseWriter, t *token) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	in := t.installation
	exceeded := in.remaining == 0
	in.remaining = max(0, in.remaining-1)
	w.Header().Set("X-Ratelimit-Limit", strconv.Itoa(in.limit))
	w.Header().Set("X-Ratelimit-Remaining", strconv.Itoa(in.remaining))
	w.Header().Set("X-Ratelimit-Used", strconv.Itoa(in.limit-in.remaining))
	w.Header().Set("X-Ratelimit-Reset", strconv.FormatInt(h.now().Add(time.Hour).Unix(), 10))
	w.Header().Set("X-Ratelimit-Resource", "core")
	if exceeded {
		fail(w, http.StatusForbidden, fmt.Sprintf("API rate limit exceeded for installation ID %d.", in.id))
	}
	return !exceeded
}

// admits enforces the narrowing: what is out of the token's reach does not exist for
// it, and what it may not do is forbidden.
func (h *Hub) admits(w http.ResponseWriter, t *token, m match) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	owner, name := m.value("owner")+m.value("template_owner"), m.value("repo")+m.value("template_repo")
	account := owner + m.value("org")
	switch {
	case name != "" && !t.reaches(h.find(owner, name)), account != "" && !strings.EqualFold(account, t.installation.account):
		fail(w, http.StatusNotFound, "Not Found")
		return false
	}
	needed := m.route.Permissions
	if touchesWorkflow(m) {
		needed = []map[string]string{{"contents": "write", "workflows": "write"}}
	}
	w.Header().Set("X-Accepted-Github-Permissions", acceptedText(needed))
	if !m.route.Installation || !t.may(needed) {
		fail(w, http.StatusForbidden, "Resource not accessible by integration")
		return false
	}
	return true
}

func touchesWorkflow(m match) bool {
	return m.route.Verb != "get" && strings.HasSuffix(m.route.Path, "/contents/{path}") && strings.HasPrefix(m.value("path"), ".github/workflows/")
}

func acceptedText(alternatives []map[string]string) string {
	var all []string
	for _, set := range alternatives {
		var pairs []string
		for name, access := range set {
			pairs = append(pairs, name+"="+access)
		}
		all = append(all, strings.Join(pairs, ","))
	}
	return strings.Join(all, "; ")
}

// perform does what is kept here, and answers all else by GitHub's own example.
func (h *Hub) perform(w http.ResponseWriter, r *http.Request, t *token, m match) {
	h.mu.Lock()
	repo := h.find(m.value("owner"), m.value("repo"))
	h.mu.Unlock()
	operations := map[string]func(http.ResponseWriter, *http.Request, *repository, match){
		"get /repos/{owner}/{repo}":                                                  h.getRepository,
		"delete /repos/{owner}/{repo}":                                               h.deleteRepository,
		"post /repos/{owner}/{repo}/pulls":                                           h.createPull,
		"get /repos/{owner}/{repo}/pulls":                                            h.listPulls,
		"get /repos/{owner}/{repo}/issues":                                           h.listIssues,
		"post /repos/{owner}/{repo}/issues":                                          h.createIssue,
		"get /repos/{owner}/{repo}/contents/{path}":                                  h.getContents,
		"get /repos/{owner}/{repo}/readme":                                           h.getContents,
		"post /repos/{owner}/{repo}/releases":                                        h.createRelease,
		"get /repos/{owner}/{repo}/releases/tags/{tag}":                              h.getRelease,
		"get /repos/{owner}/{repo}/releases/{release_id}":                            h.getRelease,
		"get /repos/{owner}/{repo}/releases/latest":                                  h.getRelease,
		"post /repos/{owner}/{repo}/releases/{release_id}/assets":                    h.uploadAsset,
		"get /repos/{owner}/{repo}/releases/assets/{asset_id}":                       h.getAsset,
		"get /repos/{owner}/{repo}/actions/artifacts/{artifact_id}/{archive_format}": h.getArtifact,
		"get /repos/{owner}/{repo}/tarball/{ref}":                                    h.getArchive,
		"get /repos/{owner}/{repo}/zipball/{ref}":                                    h.getArchive,
		"delete /repos/{owner}/{repo}/git/refs/{ref}":                                h.deleteRef,
		"get /orgs/{org}/repos": func(w http.ResponseWriter, r *http.Request, _ *repository, m match) {
			h.listOwned(w, r, t, m.value("org"))
		},
		"get /users/{username}/repos": func(w http.ResponseWriter, r *http.Request, _ *repository, m match) {
			h.listOwned(w, r, t, m.value("username"))
		},
		"get /installation/repositories": func(w http.ResponseWriter, _ *http.Request, _ *repository, _ match) { h.listRepositories(w, t) },
	}
	if serve := operations[m.route.key()]; serve != nil {
		serve(w, r, repo, m)
		return
	}
	status, err := strconv.Atoi(m.route.Status)
	if err != nil {
		status = http.StatusOK
	}
	_, _ = io.Copy(io.Discard, r.Body)
	if m.route.Type != "" {
		w.Header().Set("Content-Type", m.route.Type)
	}
	w.WriteHeader(status)
	if status != http.StatusNoContent {
		_, _ = w.Write(m.route.Body)
	}
}

func (h *Hub) getRepository(w http.ResponseWriter, _ *http.Request, repo *repository, _ match) {
	reply(w, http.StatusOK, h.show(repo))
}

func (h *Hub) deleteRepository(w http.ResponseWriter, _ *http.Request, repo *repository, _ match) {
	h.mu.Lock()
	repo.deleted = true
	h.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func (h *Hub) listRepositories(w http.ResponseWriter, t *token) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := []object{}
	for _, r := range h.repositories {
		if t.reaches(r) {
			all = append(all, h.show(r))
		}
	}
	reply(w, http.StatusOK, object{"total_count": len(all), "repositories": all})
}

func (h *Hub) createPull(w http.ResponseWriter, r *http.Request, repo *repository, _ match) {
	var asked struct{ Title, Head, Base, Body string }
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.Title == "" || asked.Head == "" || asked.Base == "" {
		fail(w, http.StatusUnprocessableEntity, "Validation Failed")
		return
	}
	reply(w, http.StatusCreated, h.addPull(repo, asked.Title, asked.Head, asked.Base))
}

func (h *Hub) addPull(repo *repository, title, head, base string) object {
	h.mu.Lock()
	defer h.mu.Unlock()
	number := len(repo.pulls) + 1
	address := fmt.Sprintf("https://%s/%s/pull/%d", h.Web, repo.full(), number)
	pull := object{
		"id": h.next(), "node_id": fmt.Sprintf("PR_%d_%d", repo.id, number), "number": number, "title": title, "state": "open", "html_url": address,
		"url":  fmt.Sprintf("%s/repos/%s/pulls/%d", h.apiURL(), repo.full(), number),
		"head": object{"ref": head}, "base": object{"ref": base, "repo": h.show(repo)}, "user": object{"login": "agents[bot]"},
	}
	repo.pulls = append(repo.pulls, pull)
	return pull
}

func (h *Hub) listPulls(w http.ResponseWriter, r *http.Request, repo *repository, _ match) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.replyPage(w, r, repo.numbered()+"/pulls", repo.pulls)
}

// Pulls are the titles of a repository's pull requests.
func (h *Hub) Pulls(full string) []string {
	owner, name, _ := strings.Cut(full, "/")
	h.mu.Lock()
	defer h.mu.Unlock()
	var titles []string
	if r := h.find(owner, name); r != nil {
		for _, p := range r.pulls {
			titles = append(titles, fmt.Sprint(p["title"]))
		}
	}
	return titles
}

func (h *Hub) getContents(w http.ResponseWriter, r *http.Request, repo *repository, m match) {
	ref := cmp.Or(r.URL.Query().Get("ref"), "main")
	path := cmp.Or(m.value("path"), "README.md")
	if path == "." {
		names, _ := git(repo.dir, "ls-tree", "--name-only", ref) // an unknown ref has none
		list := []object{}
		for name := range strings.FieldsSeq(names) {
			list = append(list, object{"type": "file", "name": name, "path": name})
		}
		reply(w, http.StatusOK, list)
		return
	}
	data, err := git(repo.dir, "cat-file", "blob", ref+":"+path)
	if err != nil {
		fail(w, http.StatusNotFound, "Not Found")
		return
	}
	if strings.Contains(r.Header.Get("Accept"), "raw") {
		_, _ = io.WriteString(w, data)
		return
	}
	reply(w, http.StatusOK, object{
		"type": "file", "encoding": "base64", "name": path, "path": path, "size": len(data),
		"content":      base64.StdEncoding.EncodeToString([]byte(data)),
		"download_url": "https://raw.githubusercontent.com/" + repo.full() + "/" + url.PathEscape(ref) + "/" + path,
	})
}

func (h *Hub) deleteRef(w http.ResponseWriter, _ *http.Request, repo *repository, m match) {
	if _, err := git(repo.dir, "update-ref", "-d", "refs/"+m.value("ref")); err != nil {
		fail(w, http.StatusUnprocessableEntity, "Reference does not exist")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
