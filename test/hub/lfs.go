package hub

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// serveLFS answers the LFS API (git-lfs docs/api) as github.com does: objects lie on
// other hosts, behind signed links, and an upload comes with authorizations of its own.
func (h *Hub) serveLFS(w http.ResponseWriter, r *http.Request, t *token, repo *repository, path string) {
	var asked struct {
		Operation string
		Objects   []struct {
			OID  string
			Size int64
		}
	}
	if path == "locks/verify" {
		lfsReply(w, http.StatusOK, object{"ours": []any{}, "theirs": []any{}})
		return
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || path != "objects/batch" {
		lfsReply(w, http.StatusNotFound, object{"message": "Not Found"})
		return
	}
	access := map[string]string{"download": "read", "upload": "write"}[asked.Operation]
	if !t.may([]map[string]string{{"contents": access}}) {
		lfsReply(w, http.StatusForbidden, object{"message": "You must have push access."})
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	objects := []object{}
	for _, o := range asked.Objects {
		one := object{"oid": o.OID, "size": o.Size, "authenticated": true}
		data, stored := h.objects[o.OID]
		switch {
		case asked.Operation == "download" && stored:
			one["actions"] = object{"download": object{"href": h.sign("github-cloud.githubusercontent.com", "/alambic/media/"+o.OID, link{data: data})}}
		case asked.Operation == "download":
			one["error"] = object{"code": http.StatusNotFound, "message": "Object does not exist"}
		case !stored:
			one["actions"] = h.uploadActions(repo, o.OID)
		}
		objects = append(objects, one)
	}
	lfsReply(w, http.StatusOK, object{"transfer": "basic", "objects": objects})
}

// uploadActions carry what no agent may see: headers that authorize.
func (h *Hub) uploadActions(repo *repository, oid string) object {
	upload, confirm := "AWS4-HMAC-SHA256 Credential="+rand.Text(), "RemoteAuth "+rand.Text()
	h.granted[strings.TrimPrefix(upload, "AWS4-HMAC-SHA256 Credential=")] = true
	h.granted[strings.TrimPrefix(confirm, "RemoteAuth ")] = true
	verify := "https://lfs.github.com/" + repo.full() + "/verify"
	if h.enterprise() {
		verify = "https://" + h.Web + "/" + repo.full() + ".git/info/lfs/verify"
	}
	return object{
		"upload": object{
			"href":   h.sign("github-cloud.s3.amazonaws.com", "/alambic/media/"+oid, link{upload: oid, authorization: upload}),
			"header": object{"Authorization": upload, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"},
		},
		"verify": object{"href": verify, "header": object{"Authorization": confirm, "Accept": "application/vnd.git-lfs+json"}},
	}
}

func (h *Hub) store(w http.ResponseWriter, r *http.Request, oid string) {
	data, err := io.ReadAll(r.Body)
	sum := sha256.Sum256(data)
	if err != nil || hex.EncodeToString(sum[:]) != oid {
		http.Error(w, "BadDigest", http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.objects[oid] = data
}

// serveConfirmation takes "it is there", with the authorization that was given for it.
func (h *Hub) serveConfirmation(w http.ResponseWriter, r *http.Request) {
	given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "RemoteAuth ")
	var asked struct{ OID string }
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || !h.granted[given] || h.objects[asked.OID] == nil {
		lfsReply(w, http.StatusUnauthorized, object{"message": "Bad credentials"})
		return
	}
	w.WriteHeader(http.StatusOK)
}

// Object returns an LFS object, nil if it was never stored.
func (h *Hub) Object(oid string) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return bytes.Clone(h.objects[oid])
}

func lfsReply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/vnd.git-lfs+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
