// Package hub is a GitHub on this machine that real tools believe: the API, GraphQL,
// uploads, git over HTTP, LFS and signed downloads, as github.com or as an Enterprise
// Server. It answers from GitHub's published descriptions, and from repositories that
// git itself keeps.
//
// It trusts nobody. An App is known by its public key, its tokens by having been
// issued here, and each can reach the repositories and do what it was narrowed to, by
// GitHub's own list of permissions. It shares no code with the product: what a path
// means is read here a second time, in GitHub's own lenient way (names without case,
// numeric aliases, method overrides), so that what the product lets slip does harm
// that a test can see.
package hub

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:generate go run ./gen $OCTOKIT_OPENAPI answers.gz

// Options say which GitHub it is.
type Options struct {
	Web  string // "github.com", or the name of an Enterprise Server
	App  int64
	Dir  string // for repositories and what else is on disk; empty: the API alone, without git
	Life time.Duration
}

// Hub is one GitHub. It is safe for concurrent use.
type Hub struct {
	Options
	key    *rsa.PrivateKey
	routes []route
	git    http.Handler

	mu            sync.Mutex
	ahead         time.Duration // of the clock of this machine
	installations []*installation
	repositories  []*repository
	tokens        map[string]*token
	issued        []string
	links         map[string]link // what a signed link leads to, by its signature
	objects       map[string][]byte
	granted       map[string]bool // authorizations that LFS answers gave
	seen          []Seen
	serial        int64
}

// Seen is one request that arrived.
type Seen struct {
	Method, Host, Path, Query, Proto string
	Header                           http.Header
	Status                           int
	Document                         string // the body, if it holds a GraphQL document
}

// installation is an account where the App was installed.
type installation struct {
	id          int64
	account     string
	permissions map[string]string
	limit       int // of requests an hour
	remaining   int
}

// New returns a GitHub with two accounts, acme and other, and the App on both.
func New(o Options) (*Hub, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	h := &Hub{Options: o, key: key, tokens: map[string]*token{}, links: map[string]link{}, objects: map[string][]byte{}, granted: map[string]bool{}, serial: 1000}
	if h.routes, err = routes(); err != nil {
		return nil, err
	}
	h.git = http.NotFoundHandler()
	if h.Dir != "" {
		if h.git, err = newGit(h.root()); err != nil {
			return nil, err
		}
	}
	granted := map[string]string{
		"actions": "write", "administration": "write", "checks": "write", "contents": "write", "issues": "write", "members": "read",
		"metadata": "read", "pull_requests": "write", "secrets": "write", "statuses": "write", "workflows": "write",
	}
	for i, account := range []string{"acme", "other"} {
		h.installations = append(h.installations, &installation{id: int64(51 + i), account: account, permissions: maps.Clone(granted), limit: 5000, remaining: 5000})
	}
	for _, full := range []string{"acme/web", "acme/api", "acme/secret", "acme/web.app", "acme/" + strings.Repeat("long-name-", 10), "other/web"} {
		if err := h.addRepository(full); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// Hosts are the names under which it is reached.
func (h *Hub) Hosts() []string {
	if h.enterprise() {
		return []string{h.Web}
	}
	return []string{
		"github.com", "www.github.com", "api.github.com", "uploads.github.com", "codeload.github.com", "raw.githubusercontent.com",
		"release-assets.githubusercontent.com", "github-cloud.githubusercontent.com", "github-cloud.s3.amazonaws.com", "lfs.github.com",
		artifactStorage,
	}
}

func (h *Hub) enterprise() bool { return h.Web != "github.com" }

// PrivateKey is the App's key, as GitHub hands it to the App's owner.
func (h *Hub) PrivateKey() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(h.key)}))
}

// Secrets is everything that no agent may ever hold: each token and each
// authorization that was given out.
func (h *Hub) Secrets() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append(slices.Clone(h.issued), slices.Collect(maps.Keys(h.granted))...)
}

// Seen are the requests so far.
func (h *Hub) Seen() []Seen {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.seen)
}

// Advance sets the clock forward: tokens end earlier.
func (h *Hub) Advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ahead += d
}

// Permit sets what the App may do with an account's repositories; an empty access takes
// the permission away. Tokens that are there stay as they are.
func (h *Hub) Permit(account, permission, access string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if access == "" {
		delete(h.installed(account).permissions, permission)
		return
	}
	h.installed(account).permissions[permission] = access
}

// Limit sets how many requests the App has in this hour for an account.
func (h *Hub) Limit(account string, requests int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	in := h.installed(account)
	in.limit, in.remaining = requests, requests
}

// installed finds an installation by its account, which there is. h.mu is held.
func (h *Hub) installed(account string) *installation {
	return h.installations[slices.IndexFunc(h.installations, func(i *installation) bool { return i.account == account })]
}

// now is the time by this GitHub's clock. h.mu is held.
func (h *Hub) now() time.Time { return time.Now().Add(h.ahead) }

func (h *Hub) next() int64 {
	h.serial++
	return h.serial
}

// ServeHTTP finds the part of GitHub that is asked.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	defer h.note(r, answer)
	h.mu.Lock()
	id := h.next()
	w.Header().Set("Date", h.now().UTC().Format(http.TimeFormat))
	h.mu.Unlock()
	w.Header().Set("X-Github-Request-Id", fmt.Sprintf("%04X:%d", id, id))
	path := r.URL.EscapedPath()
	switch name := strings.ToLower(r.Host); {
	case h.enterprise() && name == h.Web && path == "/api/graphql", name == "api.github.com" && path == "/graphql":
		h.serveGraphQL(answer, r)
	case h.enterprise() && name == h.Web && strings.HasPrefix(path, "/api/uploads/"):
		h.serveREST(answer, r, strings.TrimPrefix(path, "/api/uploads"), "uploads.github.com")
	case h.enterprise() && name == h.Web && strings.HasPrefix(path, "/api/v3/"):
		h.serveREST(answer, r, strings.TrimPrefix(path, "/api/v3"), "")
	case name == "api.github.com":
		h.serveREST(answer, r, path, "")
	case name == "uploads.github.com":
		h.serveREST(answer, r, path, name)
	case name == "www.github.com":
		http.Redirect(answer, r, "https://github.com"+r.URL.RequestURI(), http.StatusMovedPermanently)
	case name == h.Web:
		h.serveWeb(answer, r)
	case name == "raw.githubusercontent.com":
		h.serveRaw(answer, r)
	case name == "lfs.github.com":
		h.serveConfirmation(answer, r)
	default:
		h.serveLink(answer, r)
	}
}

// statusWriter remembers how a request was answered.
type statusWriter struct {
	http.ResponseWriter
	status   int
	document string
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets the server's own features through.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (h *Hub) note(r *http.Request, w *statusWriter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = append(h.seen, Seen{
		Method: r.Method, Host: r.Host, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Proto: r.Proto, Header: r.Header.Clone(), Status: w.status, Document: w.document,
	})
}
