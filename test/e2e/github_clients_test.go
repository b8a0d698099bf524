package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGitHubWithGH(t *testing.T) {
	full(t)
	t.Parallel()
	gh := find(t, "gh")
	c := newClientOf(t, "developer")
	c.gitEnvironment()
	c.env = append(c.env, "GH_PROMPT_DISABLED=1", "NO_COLOR=1", "GH_NO_UPDATE_NOTIFIER=1")

	assert.Contains(t, c.run(gh, "auth", "status", "--hostname", "github.com"), "Logged in to github.com")
	c.minted(c.did("meta/root"), "metadata=read")
	assert.Contains(t, c.run(gh, "repo", "view", "acme/web"), "acme/web")
	row := c.did("graphql/query.repository")
	c.minted(row, "checks=read,contents=read,issues=read,metadata=read,pull_requests=read,statuses=read")

	assert.Equal(t, "acme/web\n", c.run(gh, "api", "repos/acme/web", "--jq", ".full_name"))
	c.minted(c.did("repos/get"), "metadata=read")

	c.run(gh, "repo", "clone", "acme/web", "cloned")
	require.FileExists(t, filepath.Join(c.dir, "cloned", "README.md"))

	out := c.run(gh, "pr", "create", "-R", "acme/web", "--head", "agent/by-gh", "--base", "main", "--title", "by gh", "--body", "a change")
	assert.Contains(t, out, "https://github.com/acme/web/pull/")
	c.whodid("graphql/mutation.createPullRequest", strings.TrimSpace(out[strings.Index(out, "https://github.com/acme/web/pull/"):]))
	assert.Contains(t, shared.dotcom.Pulls("acme/web"), "by gh")
	assert.Contains(t, c.did("graphql/mutation.createPullRequest").Details["permissions"], "pull_requests=write")

	asset, _ := c.randomFile(1 << 20)
	c.run(gh, "release", "create", "v1", "-R", "acme/web", "--title", "one", "--notes", "first")
	c.run(gh, "release", "upload", "v1", asset, "-R", "acme/web")
	c.minted(c.did("repos/upload-release-asset"), "contents=write,metadata=read")
	c.run(gh, "release", "download", "v1", "-R", "acme/web", "--dir", "down")
	want, err := os.ReadFile(asset)
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(c.dir, "down", "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	got, err := os.ReadFile(files[0])
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.Nil(t, c.did("download/get").Details["hashed_token"], "a signed link gets no token")

	out, err = c.try(gh, "api", "-X", "DELETE", "repos/acme/web")
	require.Error(t, err)
	assert.Contains(t, out, "never-delete")
	out, err = c.try(gh, "release", "delete", "v1", "-R", "acme/web", "--yes")
	require.Error(t, err)
	assert.Contains(t, out, "sallyport: rule never-delete", "gh shows the reason")
	_, err = c.try(gh, "repo", "view", "other/web")
	require.Error(t, err, "the token of a document reaches what its rule names, and no more")
}

func TestGitHubWithGoGitHub(t *testing.T) {
	full(t)
	t.Parallel()
	c := newClientOf(t, "developer")
	out := c.goClient("github", "https://github.com")
	for _, want := range []string{
		"repository acme/web", "readme Sources of acme/web.", "files true", "pull request by go-github", "comments 1", "asset 3 bytes",
		"back abc", "archive true", "refused 403",
	} {
		assert.Contains(t, out, want)
	}
	assert.Contains(t, shared.dotcom.Pulls("acme/web"), "by go-github")
	c.minted(c.did("pulls/create"), "metadata=read,pull_requests=write")
	c.minted(c.did("repos/get-content"), "contents=read,metadata=read")
}

func TestGitHubWithOctokit(t *testing.T) {
	full(t)
	t.Parallel()
	node := find(t, "node")
	module, err := filepath.Abs(filepath.Join("..", "..", ".cache", "clients", "node_modules", "octokit", "dist-bundle", "index.js"))
	require.NoError(t, err)
	if _, err := os.Stat(module); err != nil {
		missing(t, "octokit")
	}
	script, err := filepath.Abs(filepath.Join("testdata", "octokit.mjs"))
	require.NoError(t, err)
	c := newClientOf(t, "developer")
	out := c.run(node, script, "file://"+module, "https://api.github.com")
	for _, want := range []string{"repository acme/web", "pull request by octokit", "issues 1", "pages 5", "graphql acme/web", "refused 403 ", "never-delete"} {
		assert.Contains(t, out, want)
	}
	c.minted(c.did("issues/list-for-repo"), "issues=read,metadata=read")
}

// whodid checks that the trail names this agent behind what another system shows.
func (c *client) whodid(operation, seen string) {
	c.t.Helper()
	c.did(operation) // its outcome is there
	var found struct {
		Candidates []struct {
			Agent string `json:"agent"`
		} `json:"candidates"`
	}
	require.Eventually(c.t, func() bool {
		return shared.home.RunJSON(c.t.Context(), &found, "audit", "whodid", seen) == nil
	}, 10*time.Second, 50*time.Millisecond, "nobody is behind %s", seen)
	require.Len(c.t, found.Candidates, 1, seen)
	assert.Equal(c.t, c.agent.ID, found.Candidates[0].Agent, seen)
}

// isKnownBy checks that the directory finds this agent, and knows that it was there.
func (c *client) isKnownBy(query string) {
	c.t.Helper()
	type known struct {
		ID       string  `json:"id"`
		LastSeen *string `json:"last_seen"`
	}
	var found []known
	require.NoError(c.t, shared.home.RunJSON(c.t.Context(), &found, "who", "--limit", "1000", query))
	assert.True(c.t, slices.ContainsFunc(found, func(one known) bool { return one.ID == c.agent.ID && one.LastSeen != nil }), query)
}

func TestGitHubWithCurl(t *testing.T) {
	t.Parallel()
	curl := find(t, "curl")
	c := newClientOf(t, "developer")
	for _, version := range []string{"--http1.1", "--http2"} {
		ask := func(args ...string) string {
			c.t.Helper()
			return c.run(curl, append([]string{"-sS", "--fail-with-body", version}, args...)...)
		}
		assert.Contains(t, ask("https://api.github.com/repos/acme/web"), `"full_name":"acme/web"`)
		assert.Contains(t, ask("-H", "Authorization: token placeholder", "https://API.github.com/repos/Acme/Web.app"), `"full_name":"acme/web.app"`)
		var pull struct {
			URL string `json:"html_url"`
		}
		made := ask("-d", `{"title":"by curl","head":"agent/x","base":"main"}`, "https://api.github.com/repos/acme/web/pulls")
		require.NoError(t, json.Unmarshal([]byte(made), &pull), made)
		c.whodid("pulls/create", pull.URL)
		for _, query := range []string{c.agent.Name, "api.github.com", "github:pulls/*"} {
			c.isKnownBy(query)
		}
		c.whodid("pulls/create", "acme/web#"+filepath.Base(pull.URL))
		assert.Contains(t, ask("-d", `{"query":"{repository(owner:\"acme\",name:\"web\"){name}}"}`, "https://api.github.com/graphql"), `"name":"web"`)
		assert.Equal(t, "Sources of acme/web.\n", ask("https://raw.githubusercontent.com/acme/web/main/README.md"))
		assert.NotEmpty(t, ask("-L", "https://api.github.com/repos/acme/web/tarball/main"))
		assert.Contains(t, ask("https://api.github.com/repos/acme/"+strings.Repeat("long-name-", 10)), "long-name-")
	}
	c.minted(c.did("repos/get"), "metadata=read")
	c.minted(c.did("raw/get-content"), "contents=read,metadata=read")
}

// An Enterprise Server has all its parts under one name.
func TestEnterpriseServer(t *testing.T) {
	full(t)
	t.Parallel()
	c := newClientOf(t, "server-developer")
	c.gitEnvironment()
	out := c.goClient("github", "https://github.example.com")
	for _, want := range []string{"repository acme/web", "pull request by go-github", "asset 3 bytes", "refused 403"} {
		assert.Contains(t, out, want)
	}
	c.env = append(c.env, "GH_HOST=github.example.com", "NO_COLOR=1", "GH_NO_UPDATE_NOTIFIER=1")
	assert.Contains(t, c.run(find(t, "gh"), "repo", "view", "acme/web"), "acme/web")
	git := find(t, "git")
	c.run(git, "clone", "-q", "https://github.example.com/acme/web.git", "work")
	c.run(git, "-C", "work", "push", "-q", "origin", "HEAD:refs/heads/agent/a")
	out, err := c.try(git, "-C", "work", "push", "origin", "HEAD:refs/heads/b")
	require.Error(t, err)
	assert.Contains(t, out, "! [remote rejected] HEAD -> b (")
	assert.Equal(t, "github.example.com", c.did("git/push").Host)
	held, err := shared.ghes.Refs("acme/web")
	require.NoError(t, err)
	assert.Len(t, held, 2)
}

// GitHub links the next page by number. Who follows gets the whole list; who guesses a number
// gets nothing.
func TestListsAreReadToTheirEnd(t *testing.T) {
	t.Parallel()
	curl := find(t, "curl")
	c := newClientOf(t, "developer")
	head := c.run(curl, "-sS", "--fail-with-body", "-D", "-", "-o", "/dev/null", "https://api.github.com/repos/acme/api/issues?per_page=2")
	_, next, found := strings.Cut(head, "<https://api.github.com/repositories/")
	require.True(t, found, head)
	next, _, _ = strings.Cut(next, ">")
	assert.Contains(t, c.run(curl, "-sS", "--fail-with-body", "https://api.github.com/repositories/"+next), `"issue 3"`)
	row := c.did("issues/list-for-repo")
	assert.Equal(t, "acme/api", *row.Resource)
	c.minted(row, "issues=read,metadata=read")

	secret := shared.dotcom.Number("acme/secret")
	out, err := c.try(curl, "-sS", "--fail-with-body", fmt.Sprintf("https://api.github.com/repositories/%d/issues", secret))
	require.Error(t, err)
	assert.Contains(t, out, "GitHub has not told this agent")
	other := newClientNamed(t, "developer", "who was told nothing")
	_, err = other.try(curl, "-sS", "--fail-with-body", "https://api.github.com/repositories/"+next)
	require.Error(t, err, "another agent was not told")
}

func TestGHReadsListsToTheirEnd(t *testing.T) {
	full(t)
	t.Parallel()
	gh := find(t, "gh")
	c := newClientOf(t, "developer")
	c.env = append(c.env, "GH_PROMPT_DISABLED=1", "NO_COLOR=1", "GH_NO_UPDATE_NOTIFIER=1")
	assert.Equal(t, "first\nissue 2\nissue 3\nissue 4\nissue 5\n", c.run(gh, "api", "--paginate", "repos/acme/api/issues?per_page=2", "--jq", ".[].title"))
	assert.Contains(t, c.run(gh, "api", "--paginate", "orgs/acme/repos?per_page=2", "--jq", ".[].full_name"), "acme/web.app")
}

// What people paste arrives, at wherever GitHub keeps it.
func TestPastedAddressesArrive(t *testing.T) {
	t.Parallel()
	curl := find(t, "curl")
	c := newClientOf(t, "developer")
	get := func(address string) string {
		c.t.Helper()
		return c.run(curl, "-sS", "-L", "--fail-with-body", address)
	}
	assert.Equal(t, "Sources of acme/web.\n", get("https://github.com/acme/web/raw/main/README.md"))
	assert.Equal(t, "Sources of acme/web.\n", get("https://www.github.com/acme/web/blob/main/README.md?raw=true"))
	assert.NotEmpty(t, get("https://github.com/acme/web/archive/refs/heads/main.zip"))
	assert.NotEmpty(t, get("https://github.com/acme/web/archive/refs/heads/main.tar.gz"))
	assert.Contains(t, get("https://github.com/acme/web/pull/1.diff"), "diff --git")
	assert.Contains(t, get("https://www.github.com/acme/web/pull/1.patch"), "From 0123abc")
	assert.Contains(t, get("https://api.github.com/repos/acme/web/actions/artifacts/5/zip"), "out.txt")
	row := c.did("download/get")
	assert.Equal(t, "productionresultssa7.blob.core.windows.net", row.Host)
	assert.Nil(t, row.Credential)
	assert.Equal(t, "actions/download-artifact acme/web", row.Details["redirected_by"])
	c.minted(c.did("pulls/get"), "metadata=read,pull_requests=read")

	link := c.run(curl, "-sS", "-o", "/dev/null", "-w", "%{redirect_url}", "https://api.github.com/repos/acme/web/actions/artifacts/5/zip")
	other := newClientNamed(t, "developer", "who was led nowhere")
	for _, elsewhere := range []string{link, "https://productionresultssa7.blob.core.windows.net/?comp=list&sig=x"} {
		_, err := other.try(curl, "-sS", "--fail-with-body", elsewhere)
		require.Error(t, err, "the cloud is open to nobody else")
	}
	_, err := c.try(curl, "-sS", "--fail-with-body", strings.TrimSuffix(link, link[len(link)-1:]))
	require.Error(t, err, "and only for that address")
	_, err = c.try(curl, "-sS", "--fail-with-body", "-X", "PUT", "-d", "x", link)
	require.Error(t, err, "to read it")
	_, err = c.try(curl, "-sS", "-L", "--fail-with-body", "https://github.com/other/web/raw/main/README.md")
	require.Error(t, err, "another's repository is as closed as by the API")
}
