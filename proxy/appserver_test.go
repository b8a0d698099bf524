package proxy_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	appID          = 4711
	installationID = 99
)

// appServer is api.github.com as far as an App is concerned: it verifies the App's
// token with its public key, mints tokens as narrow as it is asked to, and knows
// what each that is live may do.
type appServer struct {
	t   *testing.T
	key *rsa.PrivateKey

	mu      sync.Mutex
	life    time.Duration
	granted map[string]string
	tokens  map[string]*issued
	mints   []mintRequest
	revoked int
	broken  bool                        // mints fail
	ahead   time.Duration               // of our clock
	wrong   func(answer map[string]any) // spoils the answers to mints

	left    int                         // of 200 requests in an hour; -1: no limit is told
	answers []func(http.ResponseWriter) // to the next requests to the API, in place of its own

	held      string // requests whose path ends in this wait
	asked     chan struct{}
	unblocked chan struct{}
}

func (s *appServer) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// hold lets requests wait whose path ends so. asked tells of the first.
func (s *appServer) hold(end string) (asked <-chan struct{}, release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held, s.asked, s.unblocked = end, make(chan struct{}), make(chan struct{})
	return s.asked, sync.OnceFunc(func() {
		s.set(func() { s.held = "" })
		close(s.unblocked)
	})
}

// wait is where a held request waits; a client that leaves does not free it.
func (s *appServer) wait(path string) {
	s.mu.Lock()
	held, asked, unblocked := s.held != "" && strings.HasSuffix(path, s.held), s.asked, s.unblocked
	s.mu.Unlock()
	if !held {
		return
	}
	select {
	case asked <- struct{}{}:
	case <-unblocked:
	}
	<-unblocked
}

// revocations counts them.
func (s *appServer) revocations() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revoked
}

// issued is one token.
type issued struct {
	repositories []string // nil: all
	permissions  map[string]string
	expires      time.Time
}

type mintRequest struct {
	Repositories  []string          `json:"repositories"`
	RepositoryIDs []int64           `json:"repository_ids"`
	Permissions   map[string]string `json:"permissions"`
}

func newAppServer(t *testing.T) *appServer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return &appServer{
		t: t, key: key, life: time.Hour, left: -1, tokens: map[string]*issued{},
		granted: map[string]string{"contents": "write", "pull_requests": "write", "issues": "write", "metadata": "read"},
	}
}

// pem is the private key as GitHub gives it to an App's owner.
func (s *appServer) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(s.key)}))
}

// repositoryIDs are the repositories of the one installation, acme's.
func repositoryIDs() map[string]int64 { return map[string]int64{"web": 1, "api": 2, "secret": 3} }

func (s *appServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Github-Request-Id", "AAAA:1")
	s.mu.Lock()
	ahead := s.ahead
	s.mu.Unlock()
	w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
	s.wait(r.URL.Path)
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, "/repos/") && strings.HasSuffix(path, "/installation"),
		strings.HasPrefix(path, "/app/"), strings.HasPrefix(path, "/orgs/") && strings.HasSuffix(path, "/installation"):
		if err := s.verify(token, ahead); err != nil {
			s.answer(w, http.StatusUnauthorized, map[string]any{"message": err.Error()})
			return
		}
		s.serveApp(w, r)
	case r.Method == http.MethodDelete && path == "/installation/token":
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.tokens[token] != nil {
			delete(s.tokens, token)
			s.revoked++
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		s.serveAPI(w, r, token)
	}
}

// verify checks an App's JWT as GitHub does.
func (s *appServer) verify(token string, ahead time.Duration) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return fmt.Errorf("not a JWT")
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	if err := rsa.VerifyPKCS1v15(&s.key.PublicKey, crypto.SHA256, digest[:], signature); err != nil {
		return fmt.Errorf("a JWT could not be decoded")
	}
	text, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Iss      string
		Iat, Exp int64
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		return err
	}
	now := time.Now().Add(ahead)
	switch {
	case claims.Iss != strconv.Itoa(appID):
		return fmt.Errorf("integration not found")
	case time.Unix(claims.Iat, 0).After(now):
		return fmt.Errorf("'Issued at' claim ('iat') must be in the past")
	case time.Unix(claims.Exp, 0).After(now.Add(10 * time.Minute)), time.Unix(claims.Exp, 0).Before(now):
		return fmt.Errorf("'Expiration time' claim ('exp') is too far in the future, or past")
	}
	return nil
}

func (s *appServer) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (s *appServer) serveApp(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		parts := strings.Split(r.URL.Path, "/")
		if parts[2] != "acme" {
			s.answer(w, http.StatusNotFound, map[string]any{"message": "Not Found"})
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.answer(w, http.StatusOK, map[string]any{"id": installationID, "account": map[string]any{"login": "Acme"}, "permissions": s.granted})
		return
	}
	s.mu.Lock()
	broken := s.broken
	s.mu.Unlock()
	if broken {
		s.answer(w, http.StatusInternalServerError, map[string]any{"message": "unicorn " + r.Header.Get("Authorization")})
		return
	}
	s.mint(w, r)
}

func (s *appServer) mint(w http.ResponseWriter, r *http.Request) {
	var asked mintRequest
	if !assert.NoError(s.t, json.NewDecoder(r.Body).Decode(&asked)) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mints = append(s.mints, asked)
	one := &issued{repositories: asked.Repositories, permissions: asked.Permissions, expires: time.Now().Add(s.ahead + s.life)}
	for name, id := range repositoryIDs() {
		if slices.Contains(asked.RepositoryIDs, id) {
			one.repositories = append(one.repositories, name)
		}
	}
	assert.NotEmpty(s.t, asked.Permissions, "a token with everything")
	for name, access := range asked.Permissions {
		if given := s.granted[name]; given == "" || given == "read" && access != "read" {
			s.answer(w, http.StatusUnprocessableEntity, map[string]any{"message": "The permissions requested are not granted to this installation."})
			return
		}
	}
	listed := []map[string]any{}
	for _, name := range one.repositories {
		id, ok := repositoryIDs()[name]
		if !ok {
			s.answer(w, http.StatusUnprocessableEntity, map[string]any{"message": "There is at least one repository that does not exist or is not accessible to the parent installation."})
			return
		}
		listed = append(listed, map[string]any{"id": id, "full_name": "Acme/" + name})
	}
	// The form of 2026: about 520 characters with dots, dashes and underscores.
	token := fmt.Sprintf("ghs_%d_eyJ%s.%s-_%d", appID, strings.Repeat("aB3", 80), strings.Repeat("xY9-", 60), len(s.mints))
	s.tokens[token] = one
	permissions := map[string]string{"metadata": "read"}
	maps.Copy(permissions, asked.Permissions)
	answer := map[string]any{"token": token, "expires_at": one.expires.UTC().Format(time.RFC3339), "permissions": permissions, "repositories": listed}
	if s.wrong != nil {
		s.wrong(answer)
	}
	s.answer(w, http.StatusCreated, answer)
}

// may reports whether a live token reaches a repository with a permission.
func (s *appServer) may(token, repository, permission, access string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.tokens[token]
	return one != nil && time.Now().Add(s.ahead).Before(one.expires) && (one.repositories == nil || slices.Contains(one.repositories, repository)) &&
		(one.permissions[permission] == access || one.permissions[permission] == "write" || permission == "metadata")
}

// serveAPI answers for pull requests and documents, with what the token may do.
func (s *appServer) serveAPI(w http.ResponseWriter, r *http.Request, token string) {
	s.mu.Lock()
	live := s.tokens[token]
	s.mu.Unlock()
	if live == nil {
		s.answer(w, http.StatusUnauthorized, map[string]any{"message": "Bad credentials"})
		return
	}
	if s.answered(w) {
		return
	}
	parts := strings.Split(strings.ToLower(r.URL.Path), "/")
	if len(parts) > 3 && parts[1] == "repos" {
		access := "read"
		if r.Method != http.MethodGet {
			access = "write"
		}
		permission := map[string]string{"pulls": "pull_requests", "issues": "issues", "contents": "contents"}[parts[min(4, len(parts)-1)]]
		if !s.may(token, parts[3], permission, access) {
			w.Header().Set("X-Accepted-Github-Permissions", permission+"="+access)
			s.answer(w, http.StatusForbidden, map[string]any{"message": "Resource not accessible by integration"})
			return
		}
	}
	s.answer(w, http.StatusOK, map[string]any{"repositories": live.repositories, "permissions": live.permissions})
}

// answered tells how much is left, and gives what is to be answered in place of the
// server's own answer.
func (s *appServer) answered(w http.ResponseWriter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left >= 0 {
		s.left--
		assert.GreaterOrEqual(s.t, s.left, 0, "the budget was overdrawn")
		w.Header().Set("X-Ratelimit-Limit", "200")
		w.Header().Set("X-Ratelimit-Remaining", strconv.Itoa(s.left))
		w.Header().Set("X-Ratelimit-Resource", "core")
		w.Header().Set("X-Ratelimit-Reset", strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10))
	}
	if len(s.answers) == 0 {
		return false
	}
	s.answers[0](w)
	s.answers = s.answers[1:]
	return true
}

// minted returns the requests for tokens so far.
func (s *appServer) minted() []mintRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mints)
}

// live returns the tokens that GitHub would take.
func (s *appServer) live() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for token := range s.tokens {
		all = append(all, token)
	}
	return all
}
