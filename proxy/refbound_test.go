package proxy_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/policy"
	"sallyport/services"
)

// agentBranches is what people write who mean that main is nobody's but theirs.
const agentBranches = `
policy: operator
rules:
  - name: work
    allow: {github: {repos: [acme/web], access: write, refs: ["refs/heads/agent/**"]}}
    credential: hub
`

// Refs and access: write together say nothing about main, whatever the way to it, and
// nothing about what is an administrator's.
func TestRefsHoldOnEveryWay(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	r := newRig(t)
	r.upstream(func(http.ResponseWriter, *http.Request) { asked.Add(1) }, true, "api.github.com", "uploads.github.com")
	r.configure(agentBranches)
	client := r.client(r.agent("a"), true)
	sent := "{}"
	do := func(request string) (int, string) {
		method, path, _ := strings.Cut(request, " ")
		q, err := http.NewRequestWithContext(t.Context(), method, "https://api.github.com"+path, strings.NewReader(sent))
		require.NoError(t, err)
		response, err := client.Do(q)
		require.NoError(t, err)
		return response.StatusCode, body(t, response)
	}
	for _, request := range []string{
		"POST /repos/acme/web/git/refs", "PATCH /repos/acme/web/git/refs/heads/main", "DELETE /repos/acme/web/git/refs/heads/main",
		"PUT /repos/acme/web/contents/README.md", "DELETE /repos/acme/web/contents/README.md", "POST /repos/acme/web/merges",
		"PUT /repos/acme/web/pulls/1/merge", "PUT /repos/acme/web/pulls/1/update-branch", "POST /repos/acme/web/branches/main/rename",
		"POST /repos/acme/web/merge-upstream", "POST /repos/acme/web/releases", "POST /repos/acme/web/deployments",
	} {
		status, text := do(request)
		assert.Equal(t, http.StatusForbidden, status, request)
		assert.Contains(t, text, "writes a ref other than by a push, and rule work bounds the refs there", request)
	}
	for _, request := range []string{
		"DELETE /repos/acme/web", "PATCH /repos/acme/web", "PUT /repos/acme/web/collaborators/mallory",
		"DELETE /repos/acme/web/branches/main/protection", "POST /repos/acme/web/rulesets", "PUT /repos/acme/web/environments/prod",
		"POST /repos/acme/web/pages", "POST /repos/acme/web/hooks", "PUT /repos/acme/web/actions/permissions", "POST /repos/acme/web/transfer",
	} {
		status, text := do(request)
		assert.Equal(t, http.StatusForbidden, status, "%s: %s", request, text)
	}
	for _, assignment := range []string{
		`{"title":"x","agent_assignment":{"base_branch":"main"}}`, `{"assignees":["copilot-swe-agent[bot]"]}`, `{"title":"x","title":"y"}`,
		`{"body":"` + strings.Repeat("x", 2<<20) + `"}`,
	} {
		sent = assignment
		for _, request := range []string{"POST /repos/acme/web/issues", "PATCH /repos/acme/web/issues/1", "POST /repos/acme/web/issues/1/assignees"} {
			status, text := do(request)
			assert.Equal(t, http.StatusForbidden, status, "%s: %.60s", request, sent)
			assert.Contains(t, text, "writes a ref other than by a push, and rule work bounds the refs there", request)
		}
	}
	sent = `{"title":"x","assignees":["octocat"]}`
	for _, request := range []string{"POST /repos/acme/web/issues?agent_assignment[base_branch]=main", "PATCH /repos/acme/web/issues/1?x"} {
		status, text := do(request)
		assert.Equal(t, http.StatusForbidden, status, request)
		assert.Contains(t, text, "writes a ref other than by a push", request)
	}
	assert.Zero(t, asked.Load())
	for _, request := range []string{"POST /repos/acme/web/issues/1/assignees", "PATCH /repos/acme/web/issues/1", "POST /repos/acme/web/pulls", "POST /repos/acme/web/issues", "POST /repos/acme/web/git/commits", "GET /repos/acme/web/git/ref/heads/main"} {
		status, text := do(request)
		assert.Equal(t, http.StatusOK, status, "%s: %s", request, text)
	}
}

// The same of documents, and what names an operation exactly.
func TestRefsHoldInDocuments(t *testing.T) {
	t.Parallel()
	services := services.Languages(rooms(), nil)
	decide := func(rules, question string) policy.Decision {
		p, err := policy.Parse("operator.yaml", []byte(rules), services...)
		require.NoError(t, err)
		q, ok, err := p.ParseQuestion(question, services...)
		require.NoError(t, err)
		if !ok {
			q, err = policy.ParseRequest("PUT", question)
			require.NoError(t, err)
			q = p.Classify(q, services...)
		}
		return p.Decide(q)
	}
	document := func(mutation string) string { return "mutation { " + mutation + "(input: {}) { clientMutationId } }" }
	for _, mutation := range []string{
		"createRef", "updateRef", "updateRefs", "deleteRef", "createCommitOnBranch", "mergePullRequest", "mergeBranch",
		"enablePullRequestAutoMerge", "enqueuePullRequest", "updatePullRequestBranch", "revertPullRequest", "createLinkedBranch", "createDeployment",
		"updateRepository", "createRepositoryRuleset", "updateEnvironment", "somethingNew",
	} {
		assert.Equal(t, policy.Deny, decide(agentBranches, document(mutation)).Effect, mutation)
		named := strings.Replace(agentBranches, "rules:", "rules:\n  - {name: named, allow: {github: {repos: [acme/web], operations: [graphql/mutation."+mutation+"]}}, credential: hub}", 1)
		if mutation != "somethingNew" {
			assert.Equal(t, "named", decide(named, document(mutation)).Rule, mutation)
		}
	}
	assert.Equal(t, "work", decide(agentBranches, document("createPullRequest")).Rule)
	assert.Equal(t, "work", decide(agentBranches, document("createIssue")).Rule)
	assigning := strings.ReplaceAll(document("createIssue"), "{}", "{agentAssignment: {baseRef: \"main\"}}")
	assert.Contains(t, decide(agentBranches, assigning).Reason, "writes a ref other than by a push")
	const merge = "https://api.github.com/repos/acme/web/pulls/1/merge"
	assert.Equal(t, policy.Deny, decide(agentBranches, merge).Effect)
	named := strings.Replace(agentBranches, "rules:", "rules:\n  - {name: named, allow: {github: {repos: [acme/web], operations: [pulls/merge]}}, credential: hub}", 1)
	assert.Equal(t, "named", decide(named, merge).Rule)
	p, err := policy.Parse("operator.yaml", []byte(named), services...)
	require.NoError(t, err)
	warnings := p.Warnings()
	require.Len(t, warnings, 1)
	assert.Contains(t, warnings[0].Error(), "pulls/merge writes any ref there, which the refs and updates of rule work on line 5 do not bound")
}
