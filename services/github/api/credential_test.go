package api_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	github "sallyport/services/github/api"
)

func TestCredentialAnswers(t *testing.T) {
	t.Parallel()
	for path, marked := range map[string]bool{
		"POST /app/installations/1/access_tokens":                 true,
		"POST /repos/acme/web/actions/runners/registration-token": true,
		"POST /repos/acme/web/actions/runners/remove-token":       true,
		"POST /orgs/acme/actions/runners/generate-jitconfig":      true,
		"POST /repos/acme/web/keys":                               true,
		"PUT /repos/acme/web/actions/secrets/TOKEN":               true,
		"PUT /repos/acme/web/environments/prod/secrets/TOKEN":     true,
		"POST /repos/acme/web/hooks":                              true,
		"PATCH /orgs/acme/hooks/1/config":                         true,
		"POST /user/keys":                                         true,
		"PATCH /applications/Iv1.abc/token":                       true,
		"POST /app-manifests/abc/conversions":                     true,
		"GET /repos/acme/web/secret-scanning/alerts/1":            true,
		"GET /repos/acme/web/actions/runners/downloads":           true,
		"PUT /orgs/acme/actions/secrets/TOKEN/repositories":       true,
		"PUT /repos/acme/web/collaborators/mallory":               true,
		"POST /repos/acme/web/transfer":                           true,
		"PUT /repos/acme/web/actions/oidc/customization/sub":      true,
		"PUT /orgs/acme/memberships/mallory":                      true,
		"PUT /orgs/acme/teams/core/repos/acme/web":                true,
		"PUT /repos/acme/web/actions/permissions/workflow":        true,
		"POST /repos/acme/web/actions/runs/1/pending_deployments": true,
		"POST /orgs/acme/invitations":                             true,
		"DELETE /repos/acme/web/collaborators/mallory":            false,
		"GET /repos/acme/web/collaborators":                       false,
		"GET /repos/acme/web":                                     false,
		"GET /repos/acme/web/keys":                                false,
		"GET /repos/acme/web/actions/secrets":                     false,
		"DELETE /installation/token":                              false,
		"POST /repos/acme/web/pulls":                              false,
	} {
		method, target, _ := strings.Cut(path, " ")
		o, err := github.DotCom().Resolve(github.Request{Method: method, Host: "api.github.com", Path: target})
		require.NoError(t, err, path)
		assert.Equal(t, marked, o.CredentialAnswer, path)
	}
}

// review reads the review's result: what has to be named exactly, and what only looks like it.
func review(t *testing.T) (exact, other map[string]bool) {
	t.Helper()
	text, err := os.ReadFile("review.txt")
	require.NoError(t, err)
	named, not, ok := strings.Cut(string(text), "\n## Not, and why\n")
	require.True(t, ok)
	exact, other = map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(named) {
		if name, why, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			exact[name] = true
			assert.NotEmpty(t, why, name)
		}
	}
	for line := range strings.Lines(not) {
		if !strings.HasPrefix(line, "#") {
			for name := range strings.FieldsSeq(line) {
				other[name] = true
			}
		}
	}
	return exact, other
}

// Every operation whose shapes hold something like a credential is one that a rule has to
// name exactly, or was looked at and left, with a reason.
func TestTheReviewIsWhatTheTableSays(t *testing.T) {
	t.Parallel()
	exact, other := review(t)
	require.Greater(t, len(exact), 150)
	require.Greater(t, len(other), 200)
	for _, r := range github.Routes() {
		name := r.Operation.Name
		assert.Equal(t, exact[name], r.Operation.CredentialAnswer, name)
		assert.False(t, exact[name] && other[name], name)
	}
	for _, name := range github.Names() {
		if field, ok := strings.CutPrefix(name, "graphql/mutation."); ok && field != "__typename" {
			assert.Equal(t, exact[name], mutation(t, field).CredentialAnswer, name)
		}
	}
}

// What the schema holds that is a credential is found wherever a document asks for it.
func TestCredentialsInDocuments(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]bool{
		`query { enterprise(slug: \"acme\") { ownerInfo { samlIdentityProvider { a: recoveryCodes } } } }`: true,
		`query { viewer { ...f } } fragment f on EnterpriseIdentityProvider { recoveryCodes }`:             true,
		`query { repository(owner: \"acme\", name: \"web\") { tempCloneToken } }`:                          true,
		`query { repository(owner: \"acme\", name: \"web\") { id } }`:                                      false,
	} {
		operations, _, err := github.ReadGraphQL(map[string][]string{"Content-Type": {"application/json"}}, strings.NewReader(`{"query":"`+document+`"}`))
		require.NoError(t, err, document)
		assert.Equal(t, want, operations[len(operations)-1].CredentialAnswer, document)
	}
}

// A new version of GitHub's descriptions must not bring an unmarked operation that makes
// tokens, keys or secrets: whatever sounds like it is marked.
func TestNoUnreviewedCredentials(t *testing.T) {
	t.Parallel()
	sounds := regexp.MustCompile(`/(create|generate|reset|scope|add|set|update|get-or-create|regenerate)[a-z-]*-(token|key|secret|jitconfig|webhook|o-auth-token|registry)(-|$)`)
	for _, r := range github.Routes() {
		if sounds.MatchString(r.Operation.Name) {
			assert.True(t, r.Operation.CredentialAnswer, "%s %s", r.Method, r.Operation.Name)
		}
	}
}
