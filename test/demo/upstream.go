package main

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// service is the outside world of the demo: a model API that wants a key and a
// git server that wants a token. Neither is told about Sallyport.
type service struct {
	modelKey, gitToken string
	git                http.Handler
	calls              atomic.Int64 // requests that arrived with the right secret
}

const (
	modelHost = "api.demo.test"
	gitHost   = "git.demo.test"
	gitUser   = "x-access-token"
)

// newService serves the bare repositories below root.
func newService(modelKey, gitToken, root string) (*service, error) {
	out, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("find git: %w", err)
	}
	return &service{modelKey: modelKey, gitToken: gitToken, git: &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=" + gitUser},
	}}, nil
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Host {
	case modelHost:
		s.model(w, r)
	case gitHost:
		s.repository(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (s *service) model(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Api-Key")), []byte(s.modelKey)) != 1 {
		http.Error(w, `{"error":"invalid x-api-key"}`, http.StatusUnauthorized)
		return
	}
	s.calls.Add(1)
	switch r.Method + " " + r.URL.Path {
	case "POST /v1/messages":
		fmt.Fprintln(w, `{"role":"assistant","content":"Hello from the model."}`)
	case "GET /v1/events":
		s.events(w, r)
	default:
		http.NotFound(w, r)
	}
}

// events goes on until the client is gone: the stream that suspension cuts.
func (s *service) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := 1; ; i++ {
		fmt.Fprintf(w, "data: event %d\n\n", i)
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}

func (s *service) repository(w http.ResponseWriter, r *http.Request) {
	user, token, _ := r.BasicAuth()
	if user != gitUser || subtle.ConstantTimeCompare([]byte(token), []byte(s.gitToken)) != 1 {
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		http.Error(w, "a token is required", http.StatusUnauthorized)
		return
	}
	s.calls.Add(1)
	if r.ContentLength < 0 {
		// CGI has no way to say "until the end", so net/http/cgi refuses a body
		// without a length; git sends one for every push above 1 MiB.
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<20))
		if err != nil {
			http.Error(w, "body too large", http.StatusRequestEntityTooLarge)
			return
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.TransferEncoding = nil
	}
	s.git.ServeHTTP(w, r)
}
