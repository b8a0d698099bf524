package hub

import (
	"archive/zip"
	"bytes"
	"net/http"
	"slices"
	"strings"
)

// artifactStorage is where GitHub keeps what workflows make and log.
const artifactStorage = "productionresultssa7.blob.core.windows.net"

// servePage answers what people paste: files, archives, releases and pull requests of a
// repository, by a redirect to where they are kept or as they are. False: it is no page.
func (h *Hub) servePage(w http.ResponseWriter, r *http.Request, t *token, repo *repository, page string) bool {
	parts := strings.Split(page, "/")
	if !slices.Contains([]string{"releases", "archive", "raw", "blob", "pull"}, parts[0]) {
		return false
	}
	if !t.may([]map[string]string{{"contents": "read"}, {"pull_requests": "read"}}) || r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.NotFound(w, r)
		return true
	}
	switch {
	case len(parts) == 4 && parts[0] == "releases" && parts[1] == "download":
		h.leadToAsset(w, r, repo, parts[2], parts[3])
	case parts[0] == "archive":
		format := "tar.gz"
		if strings.HasSuffix(page, ".zip") {
			format = "zip"
		}
		ref := strings.TrimSuffix(strings.TrimPrefix(page, "archive/"), "."+format)
		data, err := git(repo.dir, "archive", "--format="+format, ref)
		if err != nil {
			http.NotFound(w, r)
			return true
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.redirect(w, r, "codeload.github.com", "/"+repo.full()+"/"+format+"/"+ref, link{data: []byte(data)})
	case len(parts) > 2 && parts[0] == "raw":
		h.leadToFile(w, r, repo, parts[1], strings.Join(parts[2:], "/"))
	case parts[0] == "blob" && r.URL.Query().Get("raw") == "true":
		http.Redirect(w, r, "/"+repo.full()+"/raw/"+strings.TrimPrefix(page, "blob/"), http.StatusFound)
	case parts[0] == "blob":
		_, _ = w.Write([]byte("<!DOCTYPE html><title>" + page + "</title>"))
	case parts[0] == "pull" && strings.HasSuffix(page, ".diff"):
		_, _ = w.Write([]byte("diff --git a/README.md b/README.md\n"))
	case parts[0] == "pull" && strings.HasSuffix(page, ".patch"):
		_, _ = w.Write([]byte("From 0123abc Mon Sep 17 00:00:00 2001\n"))
	default:
		http.NotFound(w, r)
	}
	return true
}

func (h *Hub) leadToAsset(w http.ResponseWriter, r *http.Request, repo *repository, tag, name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, one := range repo.releases {
		for _, a := range one.assets {
			if a.tag == tag && a.name == name {
				h.redirect(w, r, "release-assets.githubusercontent.com", "/github-production-release-asset/"+name, link{data: a.data})
				return
			}
		}
	}
	http.NotFound(w, r)
}

// leadToFile leads to raw contents with a token of the link's own, as GitHub does for what is
// private.
func (h *Hub) leadToFile(w http.ResponseWriter, r *http.Request, repo *repository, ref, path string) {
	data, err := git(repo.dir, "cat-file", "blob", ref+":"+path)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	signed := strings.Replace(h.sign("raw.githubusercontent.com", "/"+repo.full()+"/"+ref+"/"+path, link{data: []byte(data)}), "X-Amz-Signature", "token", 1)
	http.Redirect(w, r, signed, http.StatusFound)
}

// getArtifact leads to what a workflow has made, wherever that is kept.
func (h *Hub) getArtifact(w http.ResponseWriter, r *http.Request, repo *repository, m match) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.redirect(w, r, artifactStorage, "/actions-results/"+m.value("artifact_id")+"%2Fout.zip", link{data: artifactOf(repo)})
}

// artifactOf is a zip file with one file in it, as gh unpacks it.
func artifactOf(repo *repository) []byte {
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	if f, err := z.Create("out.txt"); err == nil {
		_, _ = f.Write([]byte("made by a workflow of " + repo.full() + "\n"))
	}
	_ = z.Close() // a buffer takes everything
	return packed.Bytes()
}
