package hub

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// VerifyApp checks an App's own token (RFC 7519) as GitHub does: RS256 by the App's
// key, issued by the App and not in the future, ending within ten minutes.
func (h *Hub) VerifyApp(jwt string) error {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return errors.New("A JSON web token could not be decoded") //nolint:staticcheck // GitHub's own sentence
	}
	var header struct{ Alg, Typ string }
	var claims struct {
		Iss      json.RawMessage
		Iat, Exp json.Number
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err = errors.Join(err, decodePart(parts[0], &header), decodePart(parts[1], &claims)); err != nil {
		return errors.New("A JSON web token could not be decoded") //nolint:staticcheck // GitHub's own sentence
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if header.Alg != "RS256" || rsa.VerifyPKCS1v15(&h.key.PublicKey, crypto.SHA256, digest[:], signature) != nil {
		return errors.New("A JSON web token could not be decoded") //nolint:staticcheck // GitHub's own sentence
	}
	issued, err1 := claims.Iat.Int64()
	ends, err2 := claims.Exp.Int64()
	if errors.Join(err1, err2) != nil {
		return errors.New("'Expiration time' claim ('exp') and 'Issued at' claim ('iat') must be integers") //nolint:staticcheck // GitHub's own sentence
	}
	h.mu.Lock()
	now := h.now()
	h.mu.Unlock()
	switch {
	case strings.Trim(string(claims.Iss), `"`) != strconv.FormatInt(h.App, 10):
		return errors.New("Integration not found") //nolint:staticcheck // GitHub's own sentence
	case time.Unix(issued, 0).After(now):
		return errors.New("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued") //nolint:staticcheck // GitHub's own sentence
	case !time.Unix(ends, 0).After(now):
		return errors.New("'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires") //nolint:staticcheck // GitHub's own sentence
	case time.Unix(ends, 0).After(now.Add(10 * time.Minute)):
		return errors.New("'Expiration time' claim ('exp') is too far in the future") //nolint:staticcheck // GitHub's own sentence
	}
	return nil
}

func decodePart(part string, into any) error {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// asApp reports whether an operation is the App's own, and answers it.
func (h *Hub) asApp(w http.ResponseWriter, r *http.Request, m match) bool {
	operations := map[string]func(http.ResponseWriter, *http.Request, match){
		"get /app":               h.serveApp,
		"get /app/installations": h.listInstallations,
		"get /app/installations/{installation_id}":                h.findInstallation,
		"get /repos/{owner}/{repo}/installation":                  h.findInstallation,
		"get /orgs/{org}/installation":                            h.findInstallation,
		"get /users/{username}/installation":                      h.findInstallation,
		"post /app/installations/{installation_id}/access_tokens": h.mint,
	}
	serve := operations[m.route.key()]
	if serve == nil {
		return false
	}
	jwt, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if jwt == r.Header.Get("Authorization") {
		jwt, _ = strings.CutPrefix(jwt, "bearer ") // as octokit writes it
	}
	if err := h.VerifyApp(jwt); err != nil {
		fail(w, http.StatusUnauthorized, err.Error())
		return true
	}
	serve(w, r, m)
	return true
}

func (h *Hub) serveApp(w http.ResponseWriter, _ *http.Request, _ match) {
	reply(w, http.StatusOK, object{"id": h.App, "slug": "agents", "name": "agents"})
}

func (h *Hub) listInstallations(w http.ResponseWriter, _ *http.Request, _ match) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := []object{}
	for _, i := range h.installations {
		all = append(all, h.describe(i))
	}
	reply(w, http.StatusOK, all)
}

// describe is an installation as the API shows it. h.mu is held.
func (h *Hub) describe(i *installation) object {
	return object{
		"id": i.id, "app_id": h.App, "account": object{"login": i.account, "type": "Organization"}, "target_type": "Organization",
		"repository_selection": "all", "permissions": i.permissions,
	}
}

func (h *Hub) findInstallation(w http.ResponseWriter, _ *http.Request, m match) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, i := range h.installations {
		owner := m.value("owner") + m.value("org")
		if m.value("installation_id") == strconv.FormatInt(i.id, 10) || strings.EqualFold(owner, i.account) && (m.value("repo") == "" || h.find(owner, m.value("repo")) != nil) {
			reply(w, http.StatusOK, h.describe(i))
			return
		}
	}
	fail(w, http.StatusNotFound, "Not Found")
}

type object = map[string]any

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func fail(w http.ResponseWriter, status int, message string) {
	reply(w, status, object{"message": message, "documentation_url": "https://docs.github.com/rest", "status": strconv.Itoa(status)})
}
