package api_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	github "sallyport/services/github/api"
)

func TestPattern(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, operation string
		matches, catches   bool
	}{
		{"pulls/create", "pulls/create", true, true},
		{"pulls/create", "pulls/create-review", false, false},
		{"pulls/*", "pulls/create-review", true, true},
		{"pulls/create*", "pulls/create-review", true, true},
		{"pulls/*review", "pulls/create-review", true, true},
		{"pulls/*re*e*", "pulls/create-review", true, true},
		{"p*/create", "pulls/create", true, true},
		{"*/delete*", "repos/delete", true, true},
		{"*/delete*", "repos/delete-webhook", true, true},
		{"*/delete*", "actions/set-self-hosted-runners-in-group-for-org", false, false},
		{"*/delete*", "graphql/mutation.deleteRef", false, true},
		{"graphql/delete*", "graphql/mutation.deleteRef", false, true},
		{"repos/delete*", "graphql/mutation.deleteRef", false, false},
		{"graphql/mutation.*", "graphql/mutation.createIssue", true, true},
		{"graphql/query.*", "graphql/mutation.createIssue", false, false},
		{"git/*", "git/push", true, true},
		{"*", "git/push", true, true},
		{"*/*", "graphql/query.node", true, true},
		{"repos/compare-commits-with-basehead", "repos/compare-commits", true, true},
		{"repos/compare-commits", "repos/compare-commits-with-basehead", true, true},
		{"*", "", false, false},
	} {
		p, err := github.ParsePattern(c.pattern)
		require.NoError(t, err, c.pattern)
		assert.Equal(t, c.matches, p.Matches(c.operation), "%s matches %s", c.pattern, c.operation)
		assert.Equal(t, c.catches, p.Catches(c.operation), "%s catches %s", c.pattern, c.operation)
		assert.Equal(t, c.pattern, p.String())
	}
	assert.False(t, github.Pattern{}.Matches("pulls/create"), "the zero value matches nothing")
	assert.False(t, github.Pattern{}.Catches("graphql/mutation."))
}

func TestPatternExact(t *testing.T) {
	t.Parallel()
	for pattern, exact := range map[string]bool{"apps/create-installation-access-token": true, "apps/*": false, "*": false} {
		p, err := github.ParsePattern(pattern)
		require.NoError(t, err)
		assert.Equal(t, exact, p.Exact(), pattern)
	}
}

func TestPatternThatMatchesNothing(t *testing.T) {
	t.Parallel()
	for pattern, nearest := range map[string]string{
		"pulls/creat":                  "pulls/create",
		"pull/create":                  "pulls/create",
		"issue/create-comment":         "issues/create-comment",
		"Pulls/Create":                 "pulls/create",
		"git/pull":                     "git/push",
		"git/clone*":                   "gists/fork",
		"graphql/mutation.CreateIssue": "graphql/mutation.createIssue",
		"github:pulls/create":          "pulls/create",
		"pulls":                        "",
		"pulls/":                       "pulls/get",
		"/create":                      "",
		"pulls/create/x":               "pulls/create",
		"":                             "",
		"*/*/*":                        "",
	} {
		_, err := github.ParsePattern(pattern)
		require.Error(t, err, pattern)
		assert.Contains(t, err.Error(), "did you mean")
		if nearest != "" && pattern != "git/clone*" {
			assert.Contains(t, err.Error(), `"`+nearest+`"`)
		}
	}
}
