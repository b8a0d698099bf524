package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/test/rig"
)

// gitHubPolicies are what the agents of the GitHub tests may do. Nobody holds more
// than a placeholder: what succeeds does so by a token that was minted for it.
func gitHubPolicies() map[string]string {
	return map[string]string{
		"developer": `rules:
  - {name: read-code, allow: {github: {repos: [acme/*], access: read}}, credential: acme}
  - {name: pull-requests, allow: {github: {repos: [acme/web], operations: [pulls/create, pulls/update, issues/create-comment]}}, credential: acme}
  - {name: push-agent-branches, allow: {github: {repos: [acme/web], operations: [git/push], refs: ["refs/heads/agent/**", "refs/tags/agent-*"], updates: [create, update]}}, credential: acme}
  - {name: releases, allow: {github: {repos: [acme/web], operations: [repos/create-release, repos/upload-release-asset]}}, credential: acme}
  - {name: documents, allow: {github: {repos: [acme/web], operations: ["graphql/query.*", graphql/mutation.createPullRequest]}}, credential: acme}
  - {name: accounts, allow: {github: {operations: [repos/list-for-org]}}, credential: acme}
  - {name: downloads, allow: {github: {operations: [download/get]}}, credential: acme}
  - {name: never-delete, deny: {github: {operations: ["*/delete*"]}}}
`,
		"maintainer": `rules:
  - {name: read-code, allow: {github: {repos: [acme/*], access: read}}, credential: acme}
  - {name: push, allow: {github: {repos: [acme/*], operations: [git/push]}}, credential: acme}
  - {name: objects, allow: {github: {repos: [acme/*], operations: [git/lfs-download, git/lfs-upload]}}, credential: acme}
  - {name: links, allow: {github: {operations: [download/get, download/put]}}, credential: acme}
`,
		// Two ways to bound an agent, which the same attempts must not pass: by what is
		// allowed, and by what is denied of everything else.
		"narrow": `rules:
  - {name: read-code, allow: {github: {repos: [acme/web], access: read}}, credential: acme}
  - {name: pull-requests, allow: {github: {repos: [acme/web], operations: [pulls/create]}}, credential: acme}
  - {name: push-agent-branches, allow: {github: {repos: [acme/web], operations: [git/push], refs: ["refs/heads/agent/**"], updates: [create, update]}}, credential: acme}
  - {name: documents, allow: {github: {repos: [acme/web], operations: [graphql/query.repository, graphql/query.node, graphql/mutation.createPullRequest]}}, credential: acme}
`,
		"wide": `rules:
  - name: everything
    allow: {host: api.github.com}
    credential: acme
    repositories: [acme/web, acme/api]
    permissions: {contents: write, administration: write, pull_requests: write, issues: write}
  - name: uploads
    allow: {host: uploads.github.com}
    credential: acme
    repositories: [acme/web, acme/api]
    permissions: {contents: write, administration: write}
  - name: git
    allow: {host: github.com}
    credential: acme
    repositories: [acme/web, acme/api]
    permissions: {contents: write}
  - {name: never-delete, deny: {github: {operations: ["*/delete*"]}}}
  - {name: never-main, deny: {github: {operations: [git/push], refs: [refs/heads/main]}}}
  - {name: no-removal, deny: {github: {operations: [git/push], updates: [delete]}}}
  - {name: not-the-secret, deny: {github: {repos: [acme/secret]}}}
`,
		"server-developer": `rules:
  - {name: read-code, allow: {github: {host: github.example.com, repos: [acme/*], access: read}}, credential: ghes}
  - {name: pull-requests, allow: {github: {host: github.example.com, repos: [acme/web], operations: [pulls/create]}}, credential: ghes}
  - {name: push-agent-branches, allow: {github: {host: github.example.com, repos: [acme/web], operations: [git/push], refs: ["refs/heads/agent/**"]}}, credential: ghes}
  - {name: documents, allow: {github: {host: github.example.com, repos: [acme/web], operations: ["graphql/query.*"]}}, credential: ghes}
  - {name: releases, allow: {github: {host: github.example.com, repos: [acme/web], operations: [repos/create-release, repos/upload-release-asset]}}, credential: ghes}
  - {name: downloads, allow: {github: {host: github.example.com, operations: [download/get]}}, credential: ghes}
`,
	}
}

// gitEnvironment is what git wants to know of who commits.
func (c *client) gitEnvironment() {
	c.env = append(c.env, "GIT_AUTHOR_NAME=agent", "GIT_AUTHOR_EMAIL=agent@example.com", "GIT_COMMITTER_NAME=agent", "GIT_COMMITTER_EMAIL=agent@example.com", "GIT_TERMINAL_PROMPT=0")
}

// did waits until the agent's trail holds a finished request that did the operation,
// and returns the newest.
func (c *client) did(operation string) rig.Exchange {
	c.t.Helper()
	var found rig.Exchange
	require.Eventually(c.t, func() bool {
		rows, err := shared.home.Trail(c.t.Context())
		require.NoError(c.t, err)
		for _, x := range rows {
			if x.Agent == c.agent.ID && x.Operation != nil && *x.Operation == "github:"+operation && x.Outcome != nil {
				found = x
				return true
			}
		}
		return false
	}, 10*time.Second, 50*time.Millisecond, "the trail lacks %s of agent %s", operation, c.agent.Name)
	return found
}

// minted checks that a row tells with which token its request went, and that the
// token's mint has a row of its own which says the same.
func (c *client) minted(x rig.Exchange, permissions string) {
	c.t.Helper()
	assert.Equal(c.t, permissions, x.Details["permissions"], "%s", *x.Operation)
	assert.NotEmpty(c.t, x.Details["hashed_token"])
	assert.NotNil(c.t, x.Details["installation_id"])
	assert.NotNil(c.t, x.RequestID)
	rows, err := shared.home.Trail(c.t.Context())
	require.NoError(c.t, err)
	for _, mint := range rows {
		if mint.Operation != nil && *mint.Operation == "github:apps/create-installation-access-token" && mint.Details["hashed_token"] == x.Details["hashed_token"] {
			assert.Equal(c.t, c.agent.ID, mint.Agent, "a token is minted for one agent")
			assert.Equal(c.t, permissions, mint.Details["permissions"])
			return
		}
	}
	assert.Fail(c.t, "no row tells of the mint", "%s", *x.Operation)
}

func TestGitHubWithGit(t *testing.T) {
	t.Parallel()
	git := find(t, "git")
	c := newClientOf(t, "developer")
	c.gitEnvironment()
	c.run(git, "clone", "-q", "https://github.com/acme/web", "work")
	require.FileExists(t, filepath.Join(c.dir, "work", "README.md"))
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "work", "new"), []byte("new\n"), 0o600))
	c.run(git, "-C", "work", "add", "new")
	c.run(git, "-C", "work", "commit", "-q", "-m", "new")
	c.run(git, "-C", "work", "push", "-q", "origin", "HEAD:refs/heads/agent/quick")
	out, err := c.try(git, "-C", "work", "push", "origin", "HEAD:refs/heads/main")
	require.Error(t, err)
	assert.Contains(t, out, "! [remote rejected] HEAD -> main (")
	refs, err := shared.dotcom.Refs("acme/web")
	require.NoError(t, err)
	assert.Contains(t, strings.Join(refs, "\n"), "refs/heads/agent/quick ")
	c.minted(c.did("git/fetch"), "contents=read,metadata=read")
	pushed := c.did("git/push")
	assert.Equal(t, "acme/web", *pushed.Resource)
}

// An agent that is revoked leaves no token behind that GitHub would take.
func TestARevokedAgentsTokensEnd(t *testing.T) {
	t.Parallel()
	c := newClientOf(t, "developer")
	c.run(find(t, "curl"), "-sS", "--fail-with-body", "https://api.github.com/repos/acme/web")
	hash, _ := c.did("repos/get").Details["hashed_token"].(string)
	require.True(t, shared.dotcom.Takes(hash))
	_, err := shared.home.Run(t.Context(), "agent", "revoke", c.agent.ID, "--reason", "a test")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return !shared.dotcom.Takes(hash) }, 20*time.Second, 50*time.Millisecond)
	assert.Equal(t, c.agent.ID, c.did("apps/revoke-installation-access-token").Agent)
}
