package proxy_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const hubPolicy = `
policy: operator
rules:
  - name: read-code
    allow: {github: {repos: [acme/*], access: read}}
    credential: hub
  - name: pull-requests
    allow: {github: {repos: [acme/web], operations: [pulls/create]}}
    credential: hub
  - name: push-agent-branches
    allow: {github: {repos: [acme/web], operations: [git/push], refs: ["refs/heads/agent/**"], updates: [create, update]}}
    credential: hub
  - name: ask-who-i-am
    allow: {github: {operations: [graphql/query.viewer]}}
    credential: hub
  - name: anything-else
    allow: {host: api.github.com, path: /zen}
    credential: hub
  - name: never-delete
    deny: {github: {operations: ["*/delete*"]}}
`

func TestGitHubRequestsAreNamedAndJudged(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.upstream(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(w, req.Header.Get("Authorization"))
	}, true, "api.github.com")
	r.configure(hubPolicy)
	a := r.agent("a")
	client := r.client(a, true)
	for _, c := range []struct {
		request, body     string
		status            int
		operation, target string
	}{
		{"GET /repos/Acme/Web/pulls", "", 200, "github:pulls/list", "acme/web"},
		{"POST /repos/acme/web/pulls", "{}", 200, "github:pulls/create", "acme/web"},
		{"POST /repos/acme/other/pulls", "{}", 403, "github:pulls/create", "acme/other"},
		{"DELETE /repos/acme/web/git/refs/heads/main", "", 403, "github:git/delete-ref", "acme/web"},
		{"GET /repositories/1/pulls", "", 403, "", ""},
		{"GET /repos/acme/web/pulls/", "", 403, "", ""},
		{"POST /graphql", `{"query":"{viewer{login}}"}`, 200, "github:graphql/query.viewer", ""},
		{"POST /graphql", `{"query":"{viewer{login} a:repository(owner:\"x\",name:\"y\"){id}}"}`, 403, "github:graphql/query.repository", ""},
		{"POST /graphql", `[{"query":"{viewer{login}}"}]`, 403, "", ""},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		request, err := http.NewRequest(method, "https://api.github.com"+path, strings.NewReader(c.body))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "token placeholder")
		response, err := client.Do(request)
		require.NoError(t, err)
		text := body(t, response)
		assert.Equal(t, c.status, response.StatusCode, "%s: %s", c.request, text)
		if c.status == http.StatusOK {
			assert.Equal(t, "Bearer "+canary, text, c.request)
		}
		row := r.rows()[0]
		assert.Equal(t, c.operation, row.Operation, c.request)
		assert.Equal(t, c.target, row.Resource, c.request)
	}
}

// GitHub's own libraries show a person what an answer calls its message, and octokit
// reads no answer but one that is application/json by name.
func TestRefusalsSpeakToGitHubsClients(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.configure(hubPolicy)
	client := r.client(r.agent("a"), true)
	for accept, media := range map[string]string{
		"application/vnd.github.v3+json":  "application/json; charset=utf-8",
		"application/vnd.git-lfs+json":    "application/json; charset=utf-8",
		"*/*":                             "application/problem+json",
		"text/html, application/xml;q=.9": "application/problem+json",
	} {
		request, err := http.NewRequest(http.MethodDelete, "https://api.github.com/repos/acme/web", nil)
		require.NoError(t, err)
		request.Header.Set("Accept", accept)
		response, err := client.Do(request)
		require.NoError(t, err)
		text := body(t, response)
		assert.Equal(t, media, response.Header.Get("Content-Type"), accept)
		assert.Contains(t, text, `"type": "urn:sallyport:refusal:policy"`)
		assert.Contains(t, text, `"message": "sallyport: `)
	}
}

func TestPushIsJudgedRefByRef(t *testing.T) {
	t.Parallel()
	remote := newGitRemote(t)
	require.NoError(t, remote.git("push", "origin", "HEAD:refs/heads/agent/fix"))
	row := remote.r.rows()[0]
	assert.Equal(t, "github:git/push", row.Operation)
	assert.Equal(t, "push-agent-branches", row.Rule)
	assert.Contains(t, row.Details, "refs")
	for name, refspecs := range map[string][]string{
		"another branch": {"HEAD:refs/heads/main"},
		"one of two":     {"HEAD:refs/heads/agent/two", "HEAD:refs/heads/main"},
		"deletion":       {":refs/heads/agent/fix"},
		"a tag":          {"HEAD:refs/tags/v1"},
	} {
		err := remote.git(append([]string{"push", "origin"}, refspecs...)...)
		require.Error(t, err, name)
		assert.Contains(t, err.Error(), "[remote rejected]", name)
		assert.Contains(t, err.Error(), "policy operator", name)
	}
	heads, err := exec.Command("git", "-C", remote.repository, "for-each-ref", "--format=%(refname)").Output()
	require.NoError(t, err)
	assert.Equal(t, "refs/heads/agent/fix\n", string(heads))
	assert.NotContains(t, remote.printed, canary)
}

// gitRemote is github.com as git sees it: git http-backend behind a check of the token,
// and an agent's work tree that pushes there through the proxy.
type gitRemote struct {
	t                *testing.T
	r                *rig
	repository, work string
	environment      []string
	printed          string
}

func newGitRemote(t *testing.T) *gitRemote {
	t.Helper()
	g := &gitRemote{t: t, r: newRig(t), work: filepath.Join(t.TempDir(), "work")}
	root := t.TempDir()
	g.repository = filepath.Join(root, "acme", "web.git")
	g.run("git", "init", "-q", "--bare", g.repository)
	g.run("git", "-C", g.repository, "config", "http.receivepack", "true")
	path, err := exec.Command("git", "--exec-path").Output()
	require.NoError(t, err)
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=agent"},
	}
	g.r.upstream(func(w http.ResponseWriter, req *http.Request) {
		if _, token, _ := req.BasicAuth(); token != canary {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		body, err := io.ReadAll(req.Body) // CGI has no body without a length
		if err != nil {
			return
		}
		req.Body, req.ContentLength, req.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
		backend.ServeHTTP(w, req)
	}, true, "github.com")
	g.r.configure(hubPolicy)
	g.enter(g.r.agent("git"))
	g.run("git", "init", "-q", g.work)
	g.run("git", "-C", g.work, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "--allow-empty", "-m", "work")
	g.run("git", "-C", g.work, "remote", "add", "origin", "https://github.com/acme/web.git")
	return g
}

// enter gives git the agent's certificate, and nothing else.
func (g *gitRemote) enter(a agent) {
	dir := g.t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(a.certificate.PrivateKey)
	require.NoError(g.t, err)
	write := func(name string, blocks ...*pem.Block) string {
		var all []byte
		for _, block := range blocks {
			all = append(all, pem.EncodeToMemory(block)...)
		}
		path := filepath.Join(dir, name)
		require.NoError(g.t, os.WriteFile(path, all, 0o600))
		return path
	}
	certificate := func(der []byte) *pem.Block { return &pem.Block{Type: "CERTIFICATE", Bytes: der} }
	g.environment = append(os.Environ(),
		"https_proxy=https://"+g.r.address, "GIT_TERMINAL_PROMPT=0",
		"GIT_PROXY_SSL_CERT="+write("a.crt", certificate(a.certificate.Certificate[0])),
		"GIT_PROXY_SSL_KEY="+write("a.key", &pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		"GIT_PROXY_SSL_CAINFO="+write("proxy.crt", certificate(g.r.agentCA.Certificate().Raw)),
		"GIT_SSL_CAINFO="+write("mitm.crt", certificate(g.r.mitmCA.Certificate().Raw)),
	)
}

func (g *gitRemote) run(name string, args ...string) {
	g.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(g.t, err, string(out))
}

// git runs git as the agent; what it prints is in the error.
func (g *gitRemote) git(args ...string) error {
	cmd := exec.Command("git", append([]string{"-C", g.work}, args...)...)
	cmd.Env = g.environment
	out, err := cmd.CombinedOutput()
	g.printed += string(out)
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
