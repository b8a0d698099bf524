package api_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	github "sallyport/services/github/api"
)

// gitHost serves one bare repository as github.com/acme/web, reading every push with
// ReadPush and handing git receive-pack exactly what was sent.
type gitHost struct {
	t      *testing.T
	bare   string
	url    string
	refuse func(github.RefUpdate) string // "" lets the push through

	mu     sync.Mutex
	pushes []*github.Push
	names  []string
}

func newGitHost(t *testing.T, refuse func(github.RefUpdate) string) *gitHost {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("REQUIRE_CLIENTS") == "1" {
			t.Fatal("git is required")
		}
		t.Skip("git is not installed")
	}
	h := &gitHost{t: t, bare: filepath.Join(t.TempDir(), "web.git"), refuse: refuse}
	h.git("", "init", "-q", "--bare", "-b", "main", h.bare)
	h.git(h.bare, "config", "receive.advertisePushOptions", "true")
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	h.url = server.URL + "/Acme/Web.git"
	return h
}

// run runs git away from this machine's configuration and returns all it printed.
func (h *gitHost) run(dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(h.t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + h.t.TempDir(), "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com",
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (h *gitHost) git(dir string, args ...string) string {
	h.t.Helper()
	out, err := h.run(dir, args...)
	require.NoError(h.t, err, "git %s: %s", strings.Join(args, " "), out)
	return strings.TrimSpace(out)
}

// clone makes a work tree with one commit.
func (h *gitHost) clone(size int) string {
	h.t.Helper()
	dir := filepath.Join(h.t.TempDir(), "work")
	h.git("", "init", "-q", "-b", "main", dir)
	h.git(dir, "remote", "add", "origin", h.url)
	h.commit(dir, size)
	return dir
}

func (h *gitHost) commit(dir string, size int) {
	h.t.Helper()
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(rand.Uint32()) //nolint:gosec // a pack that does not compress
	}
	require.NoError(h.t, os.WriteFile(filepath.Join(dir, "file"), content, 0o600))
	h.git(dir, "add", "file")
	h.git(dir, "commit", "-q", "-m", "change")
}

func (h *gitHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o, err := github.DotCom().Resolve(github.Request{Method: r.Method, Host: "github.com", Path: r.URL.EscapedPath(), Query: r.URL.RawQuery})
	if !assert.NoError(h.t, err, r.URL) {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	assert.Equal(h.t, "acme/web", o.Repo)
	h.mu.Lock()
	h.names = append(h.names, o.Name)
	h.mu.Unlock()
	service := "receive-pack"
	if o.Name == "git/fetch" {
		service = "upload-pack"
	}
	switch {
	case r.Method == http.MethodGet:
		w.Header().Set("Content-Type", "application/x-git-"+service+"-advertisement")
		_, _ = io.WriteString(w, pkt("# service=git-"+service+"\n")+"0000")
		h.serve(w, r, http.NoBody, service, "--stateless-rpc", "--advertise-refs", h.bare)
	case o.Body == github.PushBody:
		h.push(w, r)
	default:
		w.Header().Set("Content-Type", "application/x-git-"+service+"-result")
		h.serve(w, r, r.Body, service, "--stateless-rpc", h.bare)
	}
}

func (h *gitHost) serve(w io.Writer, r *http.Request, in io.Reader, args ...string) {
	cmd := exec.CommandContext(r.Context(), "git", args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "GIT_PROTOCOL=" + r.Header.Get("Git-Protocol"), "GIT_CONFIG_NOSYSTEM=1"}
	cmd.Stdin, cmd.Stdout = in, w
	assert.NoError(h.t, cmd.Run(), "git %v", args)
}

func (h *gitHost) push(w http.ResponseWriter, r *http.Request) {
	var taken bytes.Buffer
	p, err := github.ReadPush(io.TeeReader(r.Body, &taken), r.Header.Get("Content-Encoding"), nil)
	if !assert.NoError(h.t, err) {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	h.pushes = append(h.pushes, p)
	h.mu.Unlock()
	w.Header().Set("Content-Type", github.PushResultType)
	if p.CanReport() && slices.ContainsFunc(p.Updates, func(u github.RefUpdate) bool { return h.refuse(u) != "" }) {
		_, err := io.Copy(io.Discard, r.Body)
		assert.NoError(h.t, err)
		assert.NoError(h.t, p.WriteRefusal(w, "refused by rule push-agent-branches", func(u github.RefUpdate) string {
			if why := h.refuse(u); why != "" {
				return why
			}
			return "refused together with others"
		}))
		return
	}
	h.serve(w, r, io.MultiReader(&taken, r.Body), "receive-pack", "--stateless-rpc", h.bare)
}

func accept(github.RefUpdate) string { return "" }

func (h *gitHost) last() *github.Push {
	h.mu.Lock()
	defer h.mu.Unlock()
	require.NotEmpty(h.t, h.pushes)
	return h.pushes[len(h.pushes)-1]
}

func TestRealGitPush(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"0", "1", "2"} {
		t.Run("protocol version "+version, func(t *testing.T) {
			t.Parallel()
			h := newGitHost(t, accept)
			dir := h.clone(1000)
			h.git(dir, "config", "protocol.version", version)
			first := h.git(dir, "rev-parse", "HEAD")

			h.git(dir, "push", "-q", "origin", "main", "HEAD:refs/heads/agent/größe")
			assert.ElementsMatch(t, []github.RefUpdate{
				{Ref: "refs/heads/main", Old: zero, New: first, Update: github.Create},
				{Ref: "refs/heads/agent/größe", Old: zero, New: first, Update: github.Create},
			}, h.last().Updates)

			h.commit(dir, 10)
			second := h.git(dir, "rev-parse", "HEAD")
			h.git(dir, "tag", "-a", "v1", "-m", "first")
			h.git(dir, "push", "-q", "--atomic", "-o", "ci.skip", "origin", "main", "v1", ":agent/größe")
			p := h.last()
			assert.ElementsMatch(t, []github.RefUpdate{
				{Ref: "refs/heads/main", Old: first, New: second, Update: github.Change},
				{Ref: "refs/tags/v1", Old: zero, New: h.git(dir, "rev-parse", "v1"), Update: github.Create},
				{Ref: "refs/heads/agent/größe", Old: first, New: zero, Update: github.Delete},
			}, p.Updates)
			assert.True(t, p.Has("atomic"))
			assert.Equal(t, []string{"ci.skip"}, p.Options)

			h.git(dir, "push", "-q", "origin", ":v1")
			assert.Equal(t, github.Delete, h.last().Updates[0].Update)
			assert.Equal(t, second, h.git(h.bare, "rev-parse", "main"))
			assert.Equal(t, "refs/heads/main", h.git(h.bare, "for-each-ref", "--format=%(refname)"))
			assert.NotContains(t, h.names, "git/fetch")
		})
	}
}

// Above http.postBuffer git first sends an empty push to see whether it may, then the
// pack in chunks.
func TestRealGitLargePush(t *testing.T) {
	t.Parallel()
	h := newGitHost(t, accept)
	dir := h.clone(2 << 20)
	h.git(dir, "push", "-q", "origin", "main")
	require.Len(t, h.pushes, 2)
	assert.Empty(t, h.pushes[0].Updates)
	assert.False(t, h.pushes[0].CanReport())
	assert.Len(t, h.pushes[1].Updates, 1)
	assert.Equal(t, h.git(dir, "rev-parse", "HEAD"), h.git(h.bare, "rev-parse", "main"))
}

func TestRealGitShallowPush(t *testing.T) {
	t.Parallel()
	h := newGitHost(t, accept)
	dir := h.clone(10)
	h.commit(dir, 10)
	h.git(dir, "push", "-q", "origin", "main")
	shallow := filepath.Join(t.TempDir(), "shallow")
	h.git("", "clone", "-q", "--depth=1", h.url, shallow)
	boundary := h.git(shallow, "rev-parse", "HEAD")
	h.commit(shallow, 10)
	h.git(shallow, "push", "-q", "origin", "main")
	assert.Equal(t, []string{boundary}, h.last().Shallow)
	assert.Equal(t, h.git(shallow, "rev-parse", "HEAD"), h.git(h.bare, "rev-parse", "main"))
	assert.Contains(t, h.names, "git/fetch")
}

// A refused push ends as git's own rejection of each ref, whatever the size of the pack.
func TestRealGitShowsRefusal(t *testing.T) {
	t.Parallel()
	onlyAgents := func(u github.RefUpdate) string {
		if strings.HasPrefix(u.Ref, "refs/heads/agent/") {
			return ""
		}
		return "rule push-agent-branches allows refs/heads/agent/** only"
	}
	for name, size := range map[string]int{"small": 100, "large": 2 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newGitHost(t, onlyAgents)
			dir := h.clone(size)
			out, err := h.run(dir, "push", "origin", "main", "HEAD:agent/x")
			require.Error(t, err)
			assert.Contains(t, out, "! [remote rejected] main -> main (rule push-agent-branches allows refs/heads/agent/** only)")
			assert.Contains(t, out, "(refused together with others)")
			assert.Contains(t, out, "remote: refused by rule push-agent-branches")
			assert.Empty(t, h.git(h.bare, "for-each-ref"))
			h.git(dir, "push", "-q", "origin", "HEAD:agent/x")
		})
	}
}

// Some hundreds: git's own HTTP client takes time that grows with the square of the refs.
// TestReadPushLimits reads as many as are accepted.
func TestRealGitPushOfManyRefs(t *testing.T) {
	t.Parallel()
	h := newGitHost(t, func(github.RefUpdate) string { return "no" })
	dir := h.clone(10)
	head := h.git(dir, "rev-parse", "HEAD")
	const many = 300
	var packed bytes.Buffer
	packed.WriteString("# pack-refs with: peeled fully-peeled sorted \n")
	for i := range many {
		fmt.Fprintf(&packed, "%s refs/heads/many/%05d\n", head, i)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".git", "packed-refs"), packed.Bytes(), 0o600))
	out, err := h.run(dir, "push", "origin", "refs/heads/many/*")
	require.Error(t, err)
	assert.Equal(t, many, strings.Count(out, "! [remote rejected]"))
	assert.Len(t, h.last().Updates, many)
}
