package api_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/policy"
	github "sallyport/services/github/api"
)

// What only an administrator or an owner may change is admin, as GitHub's own roles say.
func TestAdministrationIsAdmin(t *testing.T) {
	t.Parallel()
	for request, want := range map[string]string{
		"DELETE /repos/acme/web":                                         "admin",
		"PATCH /repos/acme/web":                                          "admin", // visibility, default branch
		"POST /repos/acme/web/transfer":                                  "admin",
		"PUT /repos/acme/web/collaborators/mallory":                      "admin",
		"PUT /repos/acme/web/branches/main/protection":                   "admin",
		"DELETE /repos/acme/web/branches/main/protection":                "admin",
		"POST /repos/acme/web/rulesets":                                  "admin",
		"DELETE /repos/acme/web/rulesets/1":                              "admin",
		"PUT /orgs/acme/memberships/mallory":                             "admin",
		"PUT /orgs/acme/teams/core/memberships/mallory":                  "admin",
		"PUT /repos/acme/web/environments/prod":                          "admin",
		"POST /repos/acme/web/environments/prod/variables":               "admin",
		"POST /repos/acme/web/pages":                                     "admin",
		"POST /repos/acme/web/hooks":                                     "admin",
		"DELETE /repos/acme/web/hooks/1":                                 "admin",
		"POST /repos/acme/web/keys":                                      "admin",
		"DELETE /repos/acme/web/keys/1":                                  "admin",
		"PUT /repos/acme/web/actions/permissions":                        "admin",
		"PUT /repos/acme/web/actions/permissions/workflow":               "admin",
		"PUT /repos/acme/web/actions/oidc/customization/sub":             "admin",
		"DELETE /repos/acme/web/actions/secrets/TOKEN":                   "admin",
		"POST /repos/acme/web/actions/variables":                         "admin",
		"POST /repos/acme/web/actions/runners/registration-token":        "admin",
		"PUT /repos/acme/web/automated-security-fixes":                   "admin",
		"PATCH /repos/acme/web/code-scanning/default-setup":              "admin",
		"PATCH /repos/acme/web/secret-scanning/alerts/1":                 "admin",
		"PUT /repos/acme/web/interaction-limits":                         "admin",
		"PATCH /orgs/acme":                                               "admin",
		"DELETE /orgs/acme/packages/container/web":                       "admin",
		"POST /user/keys":                                                "admin",
		"GET /repos/acme/web/branches/main/protection":                   "read",
		"GET /repos/acme/web/hooks":                                      "read",
		"GET /repos/acme/web/rulesets/1/history":                         "admin", // for GitHub wants a token that could write them
		"POST /repos/acme/web/pulls":                                     "write",
		"POST /repos/acme/web/forks":                                     "write",
		"PUT /repos/acme/web/pulls/1/merge":                              "write",
		"PUT /repos/acme/web/contents/a":                                 "write",
		"POST /repos/acme/web/releases":                                  "write",
		"POST /repos/acme/web/actions/workflows/ci.yml/dispatches":       "write",
		"PUT /repos/acme/web/actions/workflows/1/disable":                "write",
		"PATCH /repos/acme/web/code-scanning/alerts/1":                   "write",
		"POST /repos/acme/web/security-advisories":                       "admin",
		"POST /repos/acme/web/security-advisories/reports":               "write",
		"GET /repos/acme/web/actions/runners":                            "read",
		"PUT /user/starred/acme/web":                                     "write",
		"POST /gists":                                                    "write",
		"DELETE /installation/token":                                     "write",
		"POST /repos/acme/web/check-suites/1/rerequest":                  "write",
		"PATCH /repos/acme/web/check-suites/preferences":                 "admin",
		"POST /repos/acme/web/git/refs":                                  "write",
		"PUT /orgs/acme/teams/core/repos/acme/web":                       "admin",
		"POST /orgs/acme/repos":                                          "admin",
		"POST /markdown":                                                 "read",
		"DELETE /repos/acme/web/issues/comments/1":                       "write",
		"DELETE /repos/acme/web/actions/caches/1":                        "write",
		"POST /repos/acme/web/environments/p/deployment-branch-policies": "admin",
	} {
		method, path, _ := strings.Cut(request, " ")
		o, err := github.DotCom().Resolve(github.Request{Method: method, Host: "api.github.com", Path: path})
		require.NoError(t, err, request)
		assert.Equal(t, want, o.Access.String(), "%s: %s", request, o.Name)
	}
}

// mutation is what a document of one mutation does.
func mutation(t *testing.T, name string) github.Operation {
	t.Helper()
	body := `{"query":"mutation { ` + name + `(input: {}) { clientMutationId } }"}`
	operations, _, err := github.ReadGraphQL(map[string][]string{"Content-Type": {"application/json"}}, strings.NewReader(body))
	require.NoError(t, err)
	require.Len(t, operations, 1)
	return operations[0]
}

func TestMutationsHaveRolesToo(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]policy.Access{
		"updateRepository": policy.Admin, "createRepositoryRuleset": policy.Admin, "deleteBranchProtectionRule": policy.Admin,
		"updateEnvironment": policy.Admin, "removeOutsideCollaborator": policy.Admin, "updateTeamsRepository": policy.Admin,
		"updateEnterpriseTwoFactorAuthenticationRequiredSetting": policy.Admin, "archiveRepository": policy.Admin,
		"createIssue": policy.Write, "mergePullRequest": policy.Write, "createCommitOnBranch": policy.Write, "addStar": policy.Write,
		"somethingNew": policy.Admin, // newer than the table: it may be anything
	} {
		assert.Equal(t, want, mutation(t, name).Access, name)
	}
	assert.True(t, mutation(t, "somethingNew").WritesRefs)
}

// A new version of GitHub's schema must not bring a mutation that administers, or writes a
// ref, as one that merely writes: whatever sounds like it is on the reviewed lists.
func TestMutationsAreReviewed(t *testing.T) {
	t.Parallel()
	administers := regexp.MustCompile(`Enterprise|Organization|Ruleset|Protection|Environment|Repository|IpAllow|VerifiableDomain|Team|Collaborator|Setting|Migrat|InteractionLimit|Admin|Member`)
	writes := regexp.MustCompile(`Ref|Branch|Commit|[mM]erge|PullRequest|Deployment|Template|Import|import|enqueue|revert`)
	access, refs := reviewed(t, "access.txt"), reviewed(t, "refs.txt")
	for _, name := range github.Names() {
		if !strings.HasPrefix(name, "graphql/mutation.") {
			continue
		}
		if administers.MatchString(name) {
			assert.True(t, access(name), "access.txt does not say what %s takes", name)
		}
		if writes.MatchString(strings.TrimPrefix(name, "graphql/mutation.")) {
			assert.True(t, refs(name), "refs.txt does not say whether %s writes a ref", name)
		}
	}
}

// reviewed tells which operations a list in gen/data speaks of.
func reviewed(t *testing.T, file string) func(name string) bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("gen", "data", file))
	require.NoError(t, err)
	var patterns []string
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		if fields := strings.Fields(line); len(fields) > 0 {
			patterns = append(patterns, strings.TrimPrefix(fields[0], "!"))
		}
	}
	return func(name string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			ok, err := path.Match(pattern, name)
			return ok && err == nil
		})
	}
}

func TestWhatWritesRefs(t *testing.T) {
	t.Parallel()
	for request, want := range map[string]bool{
		"POST /repos/acme/web/git/refs":                               true,
		"PATCH /repos/acme/web/git/refs/heads/main":                   true,
		"DELETE /repos/acme/web/git/refs/heads/main":                  true,
		"PUT /repos/acme/web/contents/a":                              true,
		"DELETE /repos/acme/web/contents/a":                           true,
		"POST /repos/acme/web/merges":                                 true,
		"POST /repos/acme/web/merge-upstream":                         true,
		"PUT /repos/acme/web/pulls/1/merge":                           true,
		"PUT /repos/acme/web/pulls/1/update-branch":                   true,
		"POST /repos/acme/web/branches/main/rename":                   true,
		"POST /repos/acme/web/releases":                               true,
		"PATCH /repos/acme/web/releases/1":                            true,
		"POST /repos/acme/web/deployments":                            true,
		"POST /repos/acme/web/code-scanning/alerts/1/autofix/commits": true,
		"DELETE /repos/acme/web":                                      true,
		"POST /repos/acme/web/git/commits":                            false,
		"POST /repos/acme/web/git/tags":                               false,
		"POST /repos/acme/web/pulls":                                  false,
		"DELETE /repos/acme/web/releases/1":                           false,
		"GET /repos/acme/web/git/ref/heads/main":                      false,
		"POST /repos/acme/web/actions/workflows/1/dispatches":         false,
		"POST /repos/acme/web/code-scanning/alerts/1/autofix":         false,
		"POST /repos/acme/web/deployments/1/statuses":                 false,
		"POST /repos/acme/web/pulls/1/reviews":                        false,
	} {
		method, path, _ := strings.Cut(request, " ")
		o, err := github.DotCom().Resolve(github.Request{Method: method, Host: "api.github.com", Path: path})
		require.NoError(t, err, request)
		assert.Equal(t, want, o.WritesRefs, "%s: %s", request, o.Name)
	}
	for _, name := range []string{
		"createRef", "updateRef", "updateRefs", "deleteRef", "createCommitOnBranch", "mergeBranch", "mergePullRequest",
		"enablePullRequestAutoMerge", "enqueuePullRequest", "revertPullRequest", "updatePullRequestBranch", "createLinkedBranch", "createDeployment",
	} {
		assert.True(t, mutation(t, name).WritesRefs, name)
	}
	assert.False(t, mutation(t, "createPullRequest").WritesRefs)
}
