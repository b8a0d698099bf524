package hub

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

func (h *Hub) createRelease(w http.ResponseWriter, r *http.Request, repo *repository, _ match) {
	var asked struct {
		Tag string `json:"tag_name"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.Tag == "" {
		fail(w, http.StatusUnprocessableEntity, "Validation Failed")
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	one := &release{id: h.next(), tag: asked.Tag}
	repo.releases = append(repo.releases, one)
	reply(w, http.StatusCreated, h.showRelease(repo, one))
}

// showRelease is a release as the API shows it. h.mu is held.
func (h *Hub) showRelease(repo *repository, one *release) object {
	address := h.apiURL() + "/repos/" + repo.full() + "/releases/" + strconv.FormatInt(one.id, 10)
	uploads := strings.Replace(strings.Replace(address, "api.github.com", "uploads.github.com", 1), "/api/v3/", "/api/uploads/", 1)
	assets := []object{}
	for _, a := range one.assets {
		assets = append(assets, h.showAsset(repo, a))
	}
	return object{
		"id": one.id, "tag_name": one.tag, "name": one.tag, "url": address, "upload_url": uploads + "/assets{?name,label}", "assets": assets,
		"html_url": "https://" + h.Web + "/" + repo.full() + "/releases/tag/" + one.tag, "draft": false, "prerelease": false,
		"published_at": "2026-01-01T00:00:00Z", "created_at": "2026-01-01T00:00:00Z", "author": object{"login": "agents[bot]"},
		"tarball_url": h.apiURL() + "/repos/" + repo.full() + "/tarball/" + one.tag,
		"zipball_url": h.apiURL() + "/repos/" + repo.full() + "/zipball/" + one.tag,
	}
}

func (h *Hub) showAsset(repo *repository, a *asset) object {
	return object{
		"id": a.id, "name": a.name, "size": len(a.data), "state": "uploaded", "content_type": "application/octet-stream",
		"url":                  fmt.Sprintf("%s/repos/%s/releases/assets/%d", h.apiURL(), repo.full(), a.id),
		"browser_download_url": "https://" + h.Web + "/" + repo.full() + "/releases/download/" + a.tag + "/" + a.name,
	}
}

func (h *Hub) getRelease(w http.ResponseWriter, _ *http.Request, repo *repository, m match) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, one := range repo.releases {
		if one.tag == m.value("tag") || strconv.FormatInt(one.id, 10) == m.value("release_id") || m.value("tag")+m.value("release_id") == "" {
			reply(w, http.StatusOK, h.showRelease(repo, one))
			return
		}
	}
	fail(w, http.StatusNotFound, "Not Found")
}

func (h *Hub) uploadAsset(w http.ResponseWriter, r *http.Request, repo *repository, m match) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, one := range repo.releases {
		if strconv.FormatInt(one.id, 10) == m.value("release_id") {
			a := &asset{id: h.next(), tag: one.tag, name: r.URL.Query().Get("name"), data: data}
			one.assets = append(one.assets, a)
			reply(w, http.StatusCreated, h.showAsset(repo, a))
			return
		}
	}
	fail(w, http.StatusNotFound, "Not Found")
}

// getAsset leads to a signed link, as GitHub does for who asks for the bytes.
func (h *Hub) getAsset(w http.ResponseWriter, r *http.Request, repo *repository, m match) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, one := range repo.releases {
		for _, a := range one.assets {
			if strconv.FormatInt(a.id, 10) != m.value("asset_id") {
				continue
			}
			if !strings.Contains(r.Header.Get("Accept"), "octet-stream") {
				reply(w, http.StatusOK, h.showAsset(repo, a))
				return
			}
			h.redirect(w, r, "release-assets.githubusercontent.com", "/github-production-release-asset/"+m.value("asset_id"), link{data: a.data})
			return
		}
	}
	fail(w, http.StatusNotFound, "Not Found")
}

func (h *Hub) getArchive(w http.ResponseWriter, r *http.Request, repo *repository, m match) {
	format := "tar.gz"
	if strings.Contains(m.route.Path, "zipball") {
		format = "zip"
	}
	data, err := git(repo.dir, "archive", "--format="+format, m.value("ref"))
	if err != nil {
		fail(w, http.StatusNotFound, "Not Found")
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.redirect(w, r, "codeload.github.com", "/"+repo.full()+"/legacy."+format+"/"+m.value("ref"), link{data: []byte(data)})
}

// link is what one signed address gives, or takes.
type link struct {
	data          []byte
	upload        string // the LFS object that is put there
	authorization string // that has to come with it
}

// sign makes an address that works for whoever has it. h.mu is held.
func (h *Hub) sign(host, path string, to link) string {
	signature := rand.Text()
	h.links[signature] = to
	if host == artifactStorage {
		return "https://" + host + path + "?se=2026-01-01T00%3A00%3A00Z&sig=" + signature // as Azure signs
	}
	if h.enterprise() {
		host, path = h.Web, "/media"+path
	}
	return (&url.URL{Scheme: "https", Host: host, Path: path, RawQuery: "X-Amz-Signature=" + signature}).String()
}

func (h *Hub) redirect(w http.ResponseWriter, r *http.Request, host, path string, to link) {
	http.Redirect(w, r, h.sign(host, path, to), http.StatusFound)
}

// serveLink takes a signed address. Its storage knows no tokens, and refuses a request
// that is authenticated twice.
func (h *Hub) serveLink(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	to, found := h.links[cmp.Or(r.URL.Query().Get("X-Amz-Signature"), r.URL.Query().Get("sig"))]
	h.mu.Unlock()
	switch authorization := r.Header.Get("Authorization"); {
	case !found:
		http.Error(w, "SignatureDoesNotMatch", http.StatusForbidden)
	case authorization != to.authorization:
		http.Error(w, "Only one auth mechanism allowed", http.StatusBadRequest)
	case to.upload != "" && r.Method == http.MethodPut:
		h.store(w, r, to.upload)
	case to.upload == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		_, _ = w.Write(to.data)
	default:
		http.Error(w, "MethodNotAllowed", http.StatusMethodNotAllowed)
	}
}

// serveRaw answers for files by path: a token is taken, in any form, and one of the link's own.
func (h *Hub) serveRaw(w http.ResponseWriter, r *http.Request) {
	if r.URL.RawQuery != "" {
		h.mu.Lock()
		to, found := h.links[r.URL.Query().Get("token")]
		h.mu.Unlock()
		if !found {
			http.Error(w, "404: Not Found", http.StatusNotFound)
			return
		}
		_, _ = w.Write(to.data)
		return
	}
	t := h.live(r, "Bearer")
	if t == nil {
		t = h.live(r, "Basic")
	}
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 4)
	if t == nil || len(parts) < 4 {
		http.Error(w, "404: Not Found", http.StatusNotFound)
		return
	}
	h.mu.Lock()
	repo := h.find(parts[0], parts[1])
	h.mu.Unlock()
	if !t.reaches(repo) || !t.may([]map[string]string{{"contents": "read"}}) {
		http.Error(w, "404: Not Found", http.StatusNotFound)
		return
	}
	data, err := git(repo.dir, "cat-file", "blob", parts[2]+":"+parts[3])
	if err != nil {
		http.Error(w, "404: Not Found", http.StatusNotFound)
		return
	}
	_, _ = io.WriteString(w, data)
}
