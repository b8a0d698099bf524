package github_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/operations/github"
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
