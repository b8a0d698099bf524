package hub

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Numbers stand for names in what GitHub links: the next page of a list, and where a
// repository has moved.

func (r *repository) numbered() string { return "/repositories/" + strconv.FormatInt(r.id, 10) }

// accountNumber is that of an account. h.mu is held.
func (h *Hub) accountNumber(account string) int {
	for i, in := range h.installations {
		if strings.EqualFold(in.account, account) {
			return 7000 + i
		}
	}
	return 0
}

// byName writes a path out that names a repository or an account by its number.
func (h *Hub) byName(path string) string {
	parts := strings.SplitN(path, "/", 4)
	if len(parts) < 3 {
		return path
	}
	id, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil {
		return path
	}
	rest := path[len(parts[1])+len(parts[2])+2:]
	h.mu.Lock()
	defer h.mu.Unlock()
	switch parts[1] {
	case "repositories":
		if r := h.byID(id); r != nil {
			return "/repos/" + r.full() + rest
		}
	case "organizations", "user":
		for _, in := range h.installations {
			if h.accountNumber(in.account) == int(id) && rest != "" {
				return map[string]string{"organizations": "/orgs/", "user": "/users/"}[parts[1]] + in.account + rest
			}
		}
	}
	return path
}

// hasMoved leads from a name that a repository had to its number ("Redirects" in GitHub's
// "Best practices for using the REST API").
func (h *Hub) hasMoved(w http.ResponseWriter, r *http.Request, t *token, m match, path string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	owner, name := m.value("owner"), m.value("repo")
	moved := h.renamed(owner, name)
	if name == "" || h.find(owner, name) != nil || !t.reaches(moved) {
		return false
	}
	to := h.apiURL() + moved.numbered() + strings.TrimPrefix(path, "/repos/"+owner+"/"+name)
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	status := http.StatusTemporaryRedirect
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		status = http.StatusMovedPermanently
	}
	w.Header().Set("Location", to)
	reply(w, status, object{"message": "Moved Permanently", "url": to, "documentation_url": "https://docs.github.com/rest/guides/best-practices-for-using-the-rest-api#follow-redirects"})
	return true
}

// replyPage answers with one page of a list and links its neighbours by number ("Using
// pagination in the REST API").
func (h *Hub) replyPage(w http.ResponseWriter, r *http.Request, numbered string, all []object) {
	q := r.URL.Query()
	size, _ := strconv.Atoi(cmp.Or(q.Get("per_page"), "30"))
	page, _ := strconv.Atoi(cmp.Or(q.Get("page"), "1"))
	if size < 1 || size > 100 || page < 1 {
		fail(w, http.StatusUnprocessableEntity, "Validation Failed")
		return
	}
	last := max(1, (len(all)+size-1)/size)
	var links []string
	link := func(to int, rel string) {
		q.Set("page", strconv.Itoa(to))
		links = append(links, fmt.Sprintf("<%s%s?%s>; rel=%q", h.apiURL(), numbered, q.Encode(), rel))
	}
	if page > 1 {
		link(page-1, "prev")
	}
	if page < last {
		link(page+1, "next")
		link(last, "last")
	}
	if page > 1 {
		link(1, "first")
	}
	if links != nil {
		w.Header().Set("Link", strings.Join(links, ", "))
	}
	from, to := min(len(all), (page-1)*size), min(len(all), page*size)
	reply(w, http.StatusOK, append([]object{}, all[from:to]...))
}

func (h *Hub) listOwned(w http.ResponseWriter, r *http.Request, t *token, account string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := []object{}
	for _, one := range h.repositories {
		if t.reaches(one) {
			all = append(all, h.show(one))
		}
	}
	kind := "/organizations/"
	if strings.Contains(r.URL.Path, "/user") {
		kind = "/user/"
	}
	h.replyPage(w, r, kind+strconv.Itoa(h.accountNumber(account))+"/repos", all)
}

func (h *Hub) listIssues(w http.ResponseWriter, r *http.Request, repo *repository, _ match) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.replyPage(w, r, repo.numbered()+"/issues", repo.issues)
}

func (h *Hub) createIssue(w http.ResponseWriter, r *http.Request, repo *repository, _ match) {
	var asked struct{ Title string }
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.Title == "" {
		fail(w, http.StatusUnprocessableEntity, "Validation Failed")
		return
	}
	reply(w, http.StatusCreated, h.AddIssue(repo.full(), asked.Title))
}

// AddIssue opens an issue, as a person does.
func (h *Hub) AddIssue(full, title string) map[string]any {
	owner, name, _ := strings.Cut(full, "/")
	h.mu.Lock()
	defer h.mu.Unlock()
	repo := h.find(owner, name)
	if repo == nil {
		return nil
	}
	one := h.issue(repo, len(repo.issues)+1, title)
	repo.issues = append(repo.issues, one)
	return one
}

func (h *Hub) issue(repo *repository, number int, title string) object {
	return object{
		"id": h.next(), "node_id": fmt.Sprintf("I_%d_%d", repo.id, number), "number": number, "title": title, "state": "open", "user": object{"login": "agents[bot]"},
		"url":      fmt.Sprintf("%s/repos/%s/issues/%d", h.apiURL(), repo.full(), number),
		"html_url": fmt.Sprintf("https://%s/%s/issues/%d", h.Web, repo.full(), number),
	}
}
