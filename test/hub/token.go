package hub

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// token is an installation's: what it reaches and what it may do there.
type token struct {
	installation *installation
	repositories []*repository // nil: all of the account's
	permissions  map[string]string
	ends         time.Time
}

// mint issues a token as narrow as it is asked for. What is left out means
// everything, as at GitHub: nothing here saves a caller who forgets.
func (h *Hub) mint(w http.ResponseWriter, r *http.Request, m match) {
	var asked struct {
		Repositories  []string          `json:"repositories"`
		RepositoryIDs []int64           `json:"repository_ids"`
		Permissions   map[string]string `json:"permissions"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil && r.ContentLength != 0 {
		fail(w, http.StatusBadRequest, "Problems parsing JSON")
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	at := slices.IndexFunc(h.installations, func(i *installation) bool { return strconv.FormatInt(i.id, 10) == m.value("installation_id") })
	if at < 0 {
		fail(w, http.StatusNotFound, "Not Found")
		return
	}
	in := h.installations[at]
	t := &token{installation: in, permissions: map[string]string{"metadata": "read"}, ends: h.now().Add(h.Life)}
	for _, name := range asked.Repositories {
		t.repositories = append(t.repositories, h.find(in.account, name))
	}
	for _, id := range asked.RepositoryIDs {
		t.repositories = append(t.repositories, h.byID(id))
	}
	if slices.ContainsFunc(t.repositories, func(r *repository) bool { return r == nil || r.owner != in.account }) {
		fail(w, http.StatusUnprocessableEntity, "There is at least one repository that does not exist or is not accessible to the parent installation.")
		return
	}
	if asked.Permissions == nil {
		asked.Permissions = in.permissions
	}
	for name, access := range asked.Permissions {
		if !covers(in.permissions[name], access) {
			fail(w, http.StatusUnprocessableEntity, "The permissions requested are not granted to this installation.")
			return
		}
		t.permissions[name] = access
	}
	text := newToken(h.App)
	h.tokens[text] = t
	h.issued = append(h.issued, text)
	body := object{"token": text, "expires_at": t.ends.UTC().Format(time.RFC3339), "permissions": t.permissions, "repository_selection": "all"}
	if t.repositories != nil {
		listed := []object{}
		for _, one := range t.repositories {
			listed = append(listed, h.show(one))
		}
		body["repository_selection"], body["repositories"] = "selected", listed
	}
	reply(w, http.StatusCreated, body)
}

// newToken makes a token in the form of 2026: "ghs_", the App, and what looks like a
// JWT, about 520 characters with dots, hyphens and underscores.
func newToken(app int64) string {
	part := func(n int) string {
		b := make([]byte, n)
		_, _ = rand.Read(b) // never fails, says its documentation
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return fmt.Sprintf("ghs_%d_%s.%s.%s", app, part(27), part(160), part(192))
}

// covers: write includes read, admin includes both.
func covers(have, want string) bool {
	ranks := map[string]int{"read": 1, "write": 2, "admin": 3}
	return ranks[want] > 0 && ranks[have] >= ranks[want]
}

// live returns the token of a request, nil if it has none that GitHub would take. A
// scheme is "Bearer" (API) or "Basic" (git).
func (h *Hub) live(r *http.Request, scheme string) *token {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return nil
	}
	text := ""
	if scheme == "Basic" {
		user, password, _ := r.BasicAuth()
		if user == "x-access-token" {
			text = password
		}
	} else if word, rest, _ := strings.Cut(values[0], " "); strings.EqualFold(word, "bearer") || strings.EqualFold(word, "token") {
		text = rest
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tokens[text]
	if t == nil || !h.now().Before(t.ends) {
		return nil
	}
	return t
}

// Takes reports whether a token would be taken now, by its hash in the form of GitHub's
// audit log: SHA-256 in base64.
func (h *Hub) Takes(hash string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for text, t := range h.tokens {
		if sum := sha256.Sum256([]byte(text)); base64.StdEncoding.EncodeToString(sum[:]) == hash {
			return h.now().Before(t.ends)
		}
	}
	return false
}

func (h *Hub) revoke(w http.ResponseWriter, t *token) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.tokens, func(_ string, one *token) bool { return one == t })
	w.WriteHeader(http.StatusNoContent)
}

// May reports whether a token would be taken now, for a repository and a permission.
func (h *Hub) May(text, full, permission, access string) bool {
	owner, name, _ := strings.Cut(full, "/")
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tokens[text]
	return t != nil && h.now().Before(t.ends) && t.reaches(h.find(owner, name)) && t.may([]map[string]string{{permission: access}})
}

// reaches reports whether the token was narrowed to a set with this repository.
func (t *token) reaches(one *repository) bool {
	return one != nil && one.owner == t.installation.account && (t.repositories == nil || slices.Contains(t.repositories, one))
}

// may reports whether one of the alternatives is wholly among the permissions.
func (t *token) may(alternatives []map[string]string) bool {
	if len(alternatives) == 0 {
		return true
	}
	return slices.ContainsFunc(alternatives, func(set map[string]string) bool {
		for name, access := range set {
			if !covers(t.permissions[name], access) {
				return false
			}
		}
		return true
	})
}
