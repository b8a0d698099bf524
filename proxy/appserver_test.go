package proxy_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/test/hub"
)

// The App of appServer, and its installation on acme.
const (
	appID          = 4711
	installationID = 51
)

// appServer is api.github.com, with what can go wrong there.
type appServer struct {
	*hub.Hub
	t *testing.T

	mu      sync.Mutex
	mints   []mint
	broken  bool                          // mints fail
	wrong   func(answer map[string]any)   // spoils the answers to mints
	answers []func(w http.ResponseWriter) // to the next requests to the API, in place of its own

	held      string // requests whose path ends in this wait
	asked     chan struct{}
	unblocked chan struct{}
}

// mint is one request for a token, and what the token may do.
type mint struct {
	RepositoryIDs []int64 `json:"repository_ids"`
	given         struct {
		Repositories []struct{ Name string }
		Permissions  map[string]string
	}
}

// may says what the token reaches and what it may do there.
func (m mint) may() (repositories, permissions string) {
	var names, pairs []string
	for _, one := range m.given.Repositories {
		names = append(names, one.Name)
	}
	for name, access := range m.given.Permissions {
		pairs = append(pairs, name+"="+access)
	}
	slices.Sort(names)
	slices.Sort(pairs)
	return strings.Join(names, ","), strings.Join(pairs, ",")
}

func newAppServer(t *testing.T) *appServer {
	h, err := hub.New(hub.Options{Web: "github.com", App: appID, Life: time.Hour})
	require.NoError(t, err)
	return &appServer{Hub: h, t: t}
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

func (s *appServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.wait(r.URL.Path)
	switch {
	case strings.HasSuffix(r.URL.Path, "/access_tokens"):
		s.mint(w, r)
	case strings.HasSuffix(r.URL.Path, "/installation"), r.URL.Path == "/installation/token":
		s.Hub.ServeHTTP(w, r)
	default:
		if answer := s.next(); answer != nil {
			answer(w)
			return
		}
		s.Hub.ServeHTTP(w, r)
	}
}

// next is what is to be answered in place of GitHub's own answer.
func (s *appServer) next() func(http.ResponseWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.answers) == 0 {
		return nil
	}
	first := s.answers[0]
	s.answers = s.answers[1:]
	return first
}

// mint passes a request for a token on, and remembers it.
func (s *appServer) mint(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		w.WriteHeader(http.StatusInternalServerError)
		assert.NoError(s.t, json.NewEncoder(w).Encode(map[string]any{"message": "unicorn " + r.Header.Get("Authorization")}))
		return
	}
	text, err := io.ReadAll(r.Body)
	assert.NoError(s.t, err)
	r.Body = io.NopCloser(bytes.NewReader(text))
	own := httptest.NewRecorder()
	s.Hub.ServeHTTP(own, r)
	var m mint
	assert.NoError(s.t, json.Unmarshal(text, &m))
	assert.NoError(s.t, json.Unmarshal(own.Body.Bytes(), &m.given))
	s.mints = append(s.mints, m)
	answer := map[string]any{}
	assert.NoError(s.t, json.Unmarshal(own.Body.Bytes(), &answer))
	if s.wrong != nil && own.Code == http.StatusCreated {
		s.wrong(answer)
	}
	maps.Copy(w.Header(), own.Header())
	w.WriteHeader(own.Code)
	assert.NoError(s.t, json.NewEncoder(w).Encode(answer))
}

// minted returns the requests for tokens so far.
func (s *appServer) minted() []mint {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mints)
}

// live returns the tokens that GitHub would take.
func (s *appServer) live() []string {
	return slices.DeleteFunc(s.Secrets(), func(token string) bool { return !s.Takes(hashedToken(token)) })
}

// hashedToken is a token as GitHub's audit log names it.
func hashedToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// forget lets GitHub take no token any more that it has given.
func (s *appServer) forget() {
	for _, token := range s.live() {
		r := httptest.NewRequest(http.MethodDelete, "https://api.github.com/installation/token", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("User-Agent", "a test")
		s.Hub.ServeHTTP(httptest.NewRecorder(), r)
	}
	require.Empty(s.t, s.live())
}

// revocations counts the tokens that GitHub was asked to take no more.
func (s *appServer) revocations() int {
	n := 0
	for _, seen := range s.Seen() {
		if seen.Method == http.MethodDelete && seen.Path == "/installation/token" && seen.Status == http.StatusNoContent {
			n++
		}
	}
	return n
}
