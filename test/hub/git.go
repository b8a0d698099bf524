package hub

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"path/filepath"
	"strings"
)

// newGit serves the repositories below root by git's own server.
func newGit(root string) (http.Handler, error) {
	path, err := git("", "--exec-path")
	if err != nil {
		return nil, fmt.Errorf("find git: %w", err)
	}
	return &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(path), "git-http-backend"),
		Env:  append(gitEnvironment(), "GIT_PROJECT_ROOT="+root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=x-access-token"),
	}, nil
}

// serveWeb answers git over HTTP, and LFS: https://github.com/OWNER/REPO[.git]/...
func (h *Hub) serveWeb(w http.ResponseWriter, r *http.Request) {
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 3)
	if h.enterprise() && parts[0] == "media" {
		h.serveLink(w, r)
		return
	}
	if len(parts) < 3 {
		http.NotFound(w, r)
		return
	}
	t := h.live(r, "Basic")
	if t == nil {
		// GitHub challenges; a client that has to be asked first was not served well.
		w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
		http.Error(w, "Authentication failed.", http.StatusUnauthorized)
		return
	}
	h.mu.Lock()
	repo := h.find(parts[0], strings.TrimSuffix(parts[1], ".git"))
	moved := h.renamed(parts[0], strings.TrimSuffix(parts[1], ".git"))
	h.mu.Unlock()
	switch {
	case repo == nil && t.reaches(moved):
		u := *r.URL
		u.Path = "/" + moved.full() + ".git/" + parts[2]
		http.Redirect(w, r, "https://"+h.Web+u.RequestURI(), http.StatusMovedPermanently)
	case !t.reaches(repo):
		http.Error(w, "Repository not found.", http.StatusNotFound)
	case strings.HasPrefix(parts[2], "info/lfs/"):
		h.serveLFS(w, r, t, repo, strings.TrimPrefix(parts[2], "info/lfs/"))
	case h.servePage(w, r, t, repo, parts[2]):
	default:
		h.serveGit(w, r, t, repo, parts[2])
	}
}

func (h *Hub) serveGit(w http.ResponseWriter, r *http.Request, t *token, repo *repository, service string) {
	access := "read"
	if strings.Contains(service+r.URL.RawQuery, "git-receive-pack") {
		access = "write"
	}
	if !t.may([]map[string]string{{"contents": access}}) {
		http.Error(w, "Permission to "+repo.full()+" denied to agents[bot].", http.StatusForbidden)
		return
	}
	// CGI knows no body without a length, which git sends for every push above 1 MiB.
	spool, err := os.CreateTemp(h.Dir, "body")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer os.Remove(spool.Name())
	defer spool.Close()
	n, err := io.Copy(spool, r.Body)
	if err != nil {
		return
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	r = r.Clone(r.Context())
	r.Body, r.ContentLength, r.TransferEncoding = spool, n, nil
	r.URL.Path = strings.TrimPrefix(repo.dir, h.root()) + "/" + service
	r.Header.Del("Authorization")
	h.git.ServeHTTP(w, r)
}
