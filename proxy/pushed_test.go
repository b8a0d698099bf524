package proxy_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// TestWhatTheServerRejectsIsOnRecord has a real git server reject a push, whole and in part,
// with status 200.
func TestWhatTheServerRejectsIsOnRecord(t *testing.T) {
	t.Parallel()
	remote := newGitRemote(t)
	hook := "#!/bin/sh\ncase $1 in */bad*) echo no >&2; exit 1;; esac\n"
	require.NoError(t, os.WriteFile(filepath.Join(remote.repository, "hooks", "update"), []byte(hook), 0o700))
	named := func(commit string) int {
		reader, err := trail.OpenReader(remote.r.trailPath)
		require.NoError(t, err)
		defer reader.Close()
		list, err := reader.List(t.Context(), audit.Filter{Mark: commit})
		require.NoError(t, err)
		return len(list)
	}
	commit := remote.commit("first")
	require.Error(t, remote.git("push", "origin", "HEAD:refs/heads/agent/bad"))
	row := remote.r.rows()[0]
	assert.Equal(t, audit.OutcomeRejected, row.Outcome.Outcome)
	assert.Equal(t, http.StatusOK, row.Outcome.Status)
	assert.Equal(t, []any{map[string]any{"ref": "refs/heads/agent/bad", "reason": "hook declined"}}, row.Outcome.Details["rejected"])
	assert.Equal(t, "the server rejected the push: refs/heads/agent/bad: hook declined", row.Outcome.Error)
	assert.Zero(t, named(commit))

	commit = remote.commit("second")
	require.Error(t, remote.git("push", "origin", "HEAD:refs/heads/agent/good", "HEAD:refs/heads/agent/bad"))
	row = remote.r.rows()[0]
	assert.Equal(t, audit.OutcomeCompleted, row.Outcome.Outcome)
	assert.Equal(t, []any{map[string]any{"ref": "refs/heads/agent/bad", "reason": "hook declined"}}, row.Outcome.Details["rejected"])
	assert.Equal(t, "the server rejected 1 of 2 refs: refs/heads/agent/bad: hook declined", row.Outcome.Error)
	assert.Equal(t, 1, named(commit), "it did bring the commit")

	remote.commit("third")
	require.NoError(t, remote.git("push", "origin", "HEAD:refs/heads/agent/good"))
	row = remote.r.rows()[0]
	assert.Equal(t, audit.OutcomeCompleted, row.Outcome.Outcome)
	assert.Empty(t, row.Outcome.Details)
	assert.Empty(t, row.Outcome.Error)
}

// commit makes an empty commit in the work tree and returns its id.
func (g *gitRemote) commit(message string) string {
	g.run("git", "-C", g.work, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "--allow-empty", "-m", message)
	id, err := exec.Command("git", "-C", g.work, "rev-parse", "HEAD").Output()
	require.NoError(g.t, err)
	return strings.TrimSpace(string(id))
}

// TestReportsPassUnchanged: the answer to a push arrives as it was sent, compressed or not,
// whatever is read of it.
func TestReportsPassUnchanged(t *testing.T) {
	t.Parallel()
	line := func(text string) string { return fmt.Sprintf("%04x%s", len(text)+4, text) }
	report := line("\x01"+line("unpack ok\n")+line("ng refs/heads/agent/x00000 declined\n")+"0000") + "0000"
	for _, http2 := range []bool{false, true} {
		r := newRig(t)
		sent := map[string]string{"": report, "gzip": gzippedWhole(t, report), "br": "\x8b not read"}
		r.upstream(func(w http.ResponseWriter, req *http.Request) {
			_, _ = io.Copy(io.Discard, req.Body)
			encoding := req.Header.Get("X-Encoding")
			if encoding != "" {
				w.Header().Set("Content-Encoding", encoding)
			}
			w.Header().Set("Content-Type", "application/x-git-receive-pack-result")
			_, _ = io.WriteString(w, sent[encoding])
		}, true, "github.com")
		r.configure(hubPolicy)
		client := r.client(r.agent("a"), http2)
		for encoding, want := range sent {
			response := postTo(t, client, "https://github.com/acme/web/git-receive-pack", map[string]string{
				"Content-Type": "application/x-git-receive-pack-request", "X-Encoding": encoding, "Accept-Encoding": "gzip, br",
			}, strings.NewReader(pushList(1, 1)+"PACK"))
			assert.Equal(t, want, body(t, response), encoding)
			row := r.rows()[0]
			if encoding == "br" {
				assert.Equal(t, audit.OutcomeCompleted, row.Outcome.Outcome)
				assert.Equal(t, "unread", row.Outcome.Details["push_report"])
				continue
			}
			assert.Equal(t, audit.OutcomeRejected, row.Outcome.Outcome, encoding)
		}
	}
}

func gzippedWhole(t testing.TB, text string) string {
	from, to := io.Pipe()
	go func() {
		w := gzip.NewWriter(to)
		_, _ = io.WriteString(w, text)
		_ = w.Close()
		_ = to.Close()
	}()
	b, err := io.ReadAll(from)
	require.NoError(t, err)
	return string(b)
}

// TestRequestIDsAreTheServices: what only GitHub or AWS calls a request is taken from their
// servers alone.
func TestRequestIDsAreTheServices(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.upstream(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Github-Request-Id", "hub")
		w.Header().Set("X-Amzn-Requestid", "aws")
		w.Header().Set("X-Request-Id", "anybody")
	}, true, "api.github.com", "api.test", "sts.eu-west-1.amazonaws.com", "f.lambda-url.eu-west-1.on.aws")
	r.configure("policy: operator\nrules: [{name: all, allow: {host: \"*\"}}]\n")
	client := r.client(r.agent("a"), true)
	for url, want := range map[string]string{
		"https://api.github.com/zen":                     "hub",
		"https://sts.eu-west-1.amazonaws.com/":           "aws",
		"https://api.test/":                              "anybody",
		"https://f.lambda-url.eu-west-1.on.aws/anything": "anybody",
	} {
		response, err := client.Get(url)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, response.StatusCode, body(t, response))
		assert.Equal(t, want, r.rows()[0].Outcome.UpstreamRequestID, url)
	}
}
