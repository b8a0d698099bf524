package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// gitVersions are the two ways in which git speaks HTTP. The proxy offers it no HTTP/2,
// because some libcurls hang in it when an upload fills the window; under another name
// git gets it, and must not fill the window here.
func gitVersions() []string { return []string{"HTTP/1.1", "HTTP/2"} }

// fitsWindow is less than the proxy's window for an HTTP/2 stream, 256 KiB.
const fitsWindow = 200 << 10

func sizeFor(version string) int {
	if version == "HTTP/2" {
		return fitsWindow
	}
	return 3 << 20
}

func gitFlags(version string) []string {
	flags := []string{"-c", "http.version=HTTP/2", "-c", "core.bigFileThreshold=1m", "-c", "core.compression=0"}
	if version == "HTTP/2" {
		flags = append(flags, "-c", "http.userAgent=agent/1", "-c", "http.postBuffer=65536") // beyond which git streams
	}
	return flags
}

// work clones a repository and returns a function that runs git in it.
func (c *client) work(repository, version string, flags ...string) (run func(args ...string) string, try func(args ...string) (string, error)) {
	c.t.Helper()
	git := find(c.t, "git")
	c.gitEnvironment()
	folder := strings.NewReplacer("/", "-", ".", "-").Replace(repository + version)
	prefix := gitFlags(version)
	c.run(git, slices.Concat(prefix, []string{"clone", "-q"}, flags, []string{"https://github.com/" + repository + ".git", folder})...)
	prefix = append(prefix, "-C", folder)
	return func(args ...string) string { return c.run(git, append(prefix, args...)...) },
		func(args ...string) (string, error) { return c.try(git, append(prefix, args...)...) }
}

// commit adds random bytes to a clone.
func (c *client) commit(run func(...string) string, size int) {
	c.t.Helper()
	file, _ := c.randomFile(size)
	top := strings.TrimSpace(run("rev-parse", "--show-toplevel"))
	require.NoError(c.t, os.Rename(file, filepath.Join(top, "data")))
	run("add", "data")
	run("commit", "-q", "-m", "data")
}

func refs(t *testing.T, repository string) string {
	t.Helper()
	all, err := shared.dotcom.Refs(repository)
	require.NoError(t, err)
	return strings.Join(all, "\n")
}

// A push goes through at any size, and what the server holds of it is little: it does
// not run beside other tests, so that its memory is all about the push.
func TestPushOfAHundredMegabytes(t *testing.T) {
	full(t)
	pushes := map[string]func(c *client, branch string) (head string){"HTTP/1.1": pushByGit, "HTTP/2": pushByCurl}
	for _, version := range gitVersions() {
		t.Run(version, func(t *testing.T) {
			c := newClientOf(t, "maintainer")
			branch := "refs/heads/large-" + strings.ReplaceAll(version, "/", "-")
			head := pushes[version](c, branch)
			assert.Contains(t, refs(t, "acme/api"), branch+" "+head)
			row := c.did("git/push")
			assert.Greater(t, *row.Sent, int64(100<<20))
			assert.Equal(t, strings.TrimPrefix(version, "HTTP/"), *row.HTTPVersion)
		})
	}
}

func pushByGit(c *client, branch string) (head string) {
	run, _ := c.work("acme/api", "HTTP/1.1")
	c.commit(run, 100<<20)
	c.staysFlat(func() { run("push", "-q", "origin", "HEAD:"+branch) })
	return strings.TrimSpace(run("rev-parse", "HEAD"))
}

// pushByCurl sends what git would. git itself can hang where the window ends.
func pushByCurl(c *client, branch string) (head string) {
	run, _ := c.work("acme/api", "HTTP/2")
	c.commit(run, 100<<20)
	head = strings.TrimSpace(run("rev-parse", "HEAD"))
	command := strings.Repeat("0", 40) + " " + head + " " + branch + "\x00report-status"
	body := filepath.Join(c.dir, "push")
	require.NoError(c.t, os.WriteFile(body, fmt.Appendf(nil, "%04x%s0000", len(command)+4, command), 0o600))
	pack := exec.CommandContext(c.t.Context(), find(c.t, "git"), "-C", strings.TrimSpace(run("rev-parse", "--show-toplevel")), "pack-objects", "-q", "--revs", "--stdout")
	pack.Stdin = strings.NewReader(head + "\n^" + strings.TrimSpace(run("rev-parse", "HEAD~1")) + "\n")
	out, err := os.OpenFile(body, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(c.t, err)
	pack.Stdout = out
	require.NoError(c.t, pack.Run())
	require.NoError(c.t, out.Close())
	c.staysFlat(func() {
		answer := c.run(find(c.t, "curl"), "-sS", "--fail", "--http2", "-X", "POST", "-T", body,
			"-H", "Content-Type: application/x-git-receive-pack-request", "https://github.com/acme/api.git/git-receive-pack")
		assert.Contains(c.t, answer, "ok "+branch)
	})
	return head
}

// staysFlat holds the server to little memory while something passes through it.
func (c *client) staysFlat(pass func()) {
	c.t.Helper()
	require.NoError(c.t, shared.server.ForgetPeak())
	before, err := shared.server.Memory("VmRSS")
	require.NoError(c.t, err)
	pass()
	peak, err := shared.server.Memory("VmHWM")
	require.NoError(c.t, err)
	c.t.Logf("resident %d MiB before, %d MiB at most meanwhile", before>>20, peak>>20)
	assert.Less(c.t, peak-before, int64(32<<20), "bodies stream")
}

func TestGitThatIsAllowed(t *testing.T) {
	full(t)
	t.Parallel()
	for _, version := range gitVersions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			c := newClientOf(t, "maintainer")
			run, _ := c.work("acme/web.app", version)
			name := strings.ToLower(strings.NewReplacer("/", "-", ".", "-").Replace(version))
			c.commit(run, sizeFor(version))
			run("tag", "light-"+name)
			run("tag", "-a", "-m", "a tag", "heavy-"+name)
			run("push", "-q", "--atomic", "origin", "HEAD:refs/heads/one-"+name, "HEAD:refs/heads/two-"+name, "--tags")
			run("push", "-q", "-o", "ci.skip", "-o", "topic=a b", "origin", "HEAD:refs/heads/three-"+name)
			run("push", "-q", "origin", ":refs/heads/two-"+name)
			run("push", "-q", "origin", "HEAD:refs/heads/größe/日本-"+name)
			held := refs(t, "acme/web.app")
			for _, want := range []string{"heads/one-", "heads/three-", "heads/größe/日本-", "tags/light-", "tags/heavy-"} {
				assert.Contains(t, held, "refs/"+want+name+" ")
			}
			assert.NotContains(t, held, "refs/heads/two-"+name)
			assert.EqualValues(t, 2, c.pushOptions())

			run("fetch", "-q", "--tags", "--prune", "origin")
			run("-c", "protocol.version=0", "fetch", "-q", "origin", "one-"+name)
			run("-c", "protocol.version=1", "fetch", "-q", "origin", "three-"+name)
			c.shallow(version, name)
		})
	}
}

// Each of many refs is told, in the row or in its events.
func TestPushOfManyRefs(t *testing.T) {
	full(t)
	t.Parallel()
	repository := "acme/" + strings.Repeat("long-name-", 10)
	c := newClientOf(t, "maintainer")
	run, _ := c.work(repository, "HTTP/1.1")
	head := strings.TrimSpace(run("rev-parse", "HEAD"))
	run("pack-refs", "--all")
	packed, err := os.OpenFile(strings.TrimSpace(run("rev-parse", "--absolute-git-dir"))+"/packed-refs", os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	for i := range 100 { // one by one takes git long
		fmt.Fprintf(packed, "%s refs/tags/many/%05d\n", head, i)
	}
	require.NoError(t, packed.Close())

	run("push", "-q", "--atomic", "origin", "refs/tags/many/*:refs/tags/many/*")
	assert.Equal(t, 100, strings.Count(refs(t, repository), "refs/tags/many/"))
	assert.EqualValues(t, 100, c.did("git/push").Details["refs_total"])
	events, err := shared.home.Run(t.Context(), "audit", "events", "-o", "json", "--limit", "0")
	require.NoError(t, err)
	assert.Contains(t, events, "refs/tags/many/00099")
}

// pushOptions is what the trail says of the push that had some.
func (c *client) pushOptions() any {
	c.t.Helper()
	rows, err := shared.home.Trail(c.t.Context())
	require.NoError(c.t, err)
	for _, x := range rows {
		if n := x.Details["push_options"]; x.Agent == c.agent.ID && n != nil {
			return n
		}
	}
	return nil
}

// shallow pushes from a clone that has not the whole history.
func (c *client) shallow(version, name string) {
	c.t.Helper()
	second := &client{t: c.t, agent: c.agent, proxy: c.proxy, dir: c.t.TempDir(), env: c.env}
	run, _ := second.work("acme/web.app", version, "--depth=1", "--branch=one-"+name)
	second.commit(run, 1000)
	run("push", "-q", "origin", "HEAD:refs/heads/shallow-"+name)
	assert.Contains(c.t, refs(c.t, "acme/web.app"), "refs/heads/shallow-"+name+" "+strings.TrimSpace(run("rev-parse", "HEAD")))
}

func TestGitThatIsRefused(t *testing.T) {
	full(t)
	t.Parallel()
	for _, version := range gitVersions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			c := newClientOf(t, "developer")
			run, try := c.work("acme/web", version)
			name := strings.ToLower(strings.NewReplacer("/", "-", ".", "-").Replace(version))
			c.commit(run, sizeFor(version))
			for what, test := range map[string]struct {
				args    []string
				reasons []string
			}{
				"another branch": {[]string{"HEAD:refs/heads/main"}, []string{"! [remote rejected] HEAD -> main (", "policy developer"}},
				"one of two":     {[]string{"HEAD:refs/heads/agent/a-" + name, "HEAD:refs/heads/release"}, []string{"agent/a-" + name + " (refused together with the others", "release ("}},
				"atomic":         {[]string{"--atomic", "HEAD:refs/heads/agent/b-" + name, "HEAD:refs/tags/v1"}, []string{"! [remote rejected] HEAD -> v1"}},
				"deletion":       {[]string{":refs/heads/main"}, []string{"! [remote rejected] main ("}},
				"another root":   {[]string{"HEAD:refs/notes/commits"}, []string{"! [remote rejected]"}},
			} {
				out, err := try(append([]string{"push", "origin"}, test.args...)...)
				require.Error(t, err, what)
				for _, reason := range test.reasons {
					assert.Contains(t, out, reason, what)
				}
				row := c.did("git/push")
				assert.Equal(t, "policy", *row.Refusal, what)
				assert.Equal(t, strings.TrimPrefix(version, "HTTP/"), *row.HTTPVersion, what)
			}
			held := refs(t, "acme/web")
			assert.NotContains(t, held, name)
			assert.NotContains(t, held, "v1")

			out, err := try("push", "https://github.com/acme/api.git", "HEAD:refs/heads/agent/x")
			require.Error(t, err, "a repository where no ref may be pushed")
			assert.Contains(t, out, "remote error: sallyport: The policy does not allow this request: ")
			out, err = try("fetch", "https://github.com/other/web.git")
			require.Error(t, err, "another owner's")
			assert.Contains(t, out, "remote error: sallyport: The policy does not allow this request: ")
			assert.Contains(t, out, "(exchange "+c.did("git/fetch").ID)
			assert.Equal(t, 403, *c.did("git/fetch").Status, "the row says what it is")
			out, err = try("fetch", "https://github.com/acme/absent.git")
			require.Error(t, err, "a repository that is not there")
			assert.Contains(t, out, "remote error: sallyport: The credential cannot be had: ")
		})
	}
}

// Objects of LFS lie on other hosts. The agent's client gets there with nothing.
func TestGitLFS(t *testing.T) {
	full(t)
	t.Parallel()
	find(t, "git-lfs")
	c := newClientOf(t, "maintainer")
	run, _ := c.work("acme/web.app", "HTTP/1.1")
	run("lfs", "install", "--local")
	run("lfs", "track", "data")
	run("add", ".gitattributes")
	c.commit(run, 3<<20)
	oid := strings.Fields(run("lfs", "ls-files", "--long"))[0]
	c.env = append(c.env, "GIT_CURL_VERBOSE=1") // shows what comes back, which is searched for secrets
	assert.Contains(t, run("push", "origin", "HEAD:refs/heads/lfs"), `"actions":`)
	assert.Len(t, shared.dotcom.Object(oid), 3<<20)

	second := &client{t: t, agent: c.agent, proxy: c.proxy, dir: t.TempDir(), env: c.env}
	run, _ = second.work("acme/web.app", "HTTP/1.1", "--branch=lfs")
	run("lfs", "install", "--local")
	run("lfs", "pull")
	info, err := os.Stat(filepath.Join(strings.TrimSpace(run("rev-parse", "--show-toplevel")), "data"))
	require.NoError(t, err)
	assert.EqualValues(t, 3<<20, info.Size())
}
