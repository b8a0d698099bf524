package github_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"sallyport/policy"
	"sallyport/services/github"
)

func TestScopes(t *testing.T) {
	t.Parallel()
	p := ruled(t, `
  - {name: a, allow: {github: {repos: [acme/*], access: read}}, credential: k}
  - name: b
    allow: {host: github.com}
    credential: k
    repositories: [acme/web, acme/api]
    permissions: {pull_requests: write, contents: read}
    shared: true
`)
	read := p.Decide(means(t, call("git/fetch", policy.Read))).Scope
	assert.Equal(t, &github.Scope{Access: policy.Read, Repos: []string{"acme/*"}}, read)
	pinned := p.Decide(means(t, call("pulls/create", policy.Write))).Scope
	assert.Equal(t, &github.Scope{
		Repositories: []string{"acme/web", "acme/api"}, Shared: true,
		Permissions: []github.Permission{{Name: "contents", Access: policy.Read}, {Name: "pull_requests", Access: policy.Write}},
	}, pinned)
	assert.True(t, policy.SameScope(read, &github.Scope{Access: policy.Read, Repos: []string{"acme/*"}}))
	assert.False(t, policy.SameScope(read, &github.Scope{Access: policy.Write, Repos: []string{"acme/*"}}))
	assert.False(t, policy.SameScope(read, pinned))
	assert.False(t, policy.SameScope(read, nil))
	assert.True(t, read.Serves(&policy.Call{}))
	document := hidden("graphql/query.viewer")
	assert.False(t, read.Serves(&document), "the token alone bounds a document")
	assert.False(t, pinned.Serves(&policy.Call{}), "a pinned token is for its own rule")
}

// What a rule says is compared with what its credential is for.
func TestUsesAreChecked(t *testing.T) {
	t.Parallel()
	const pins = ", repositories: [acme/web], permissions: {contents: read}"
	for rule, want := range map[string]string{
		"allow: {github: {repos: [acme/*]}}, credential: k":                                                     "",
		"allow: {github: {repos: [\"*/web\"]}}, credential: k":                                                  "",
		"allow: {github: {repos: [stranger/web]}}, credential: k":                                               `the rule is about repositories of stranger, and credential "k" is bound to those of acme, other`,
		"allow: {github: {host: ghe.example, access: read}}, credential: k":                                     `the rule is about ghe.example, and credential "k" for github.com`,
		"allow: {host: api.github.com}, credential: k":                                                          `a rule about hosts does not tell what a token of credential "k" must be able to do`,
		"allow: {host: api.github.com}, credential: k" + pins:                                                   "",
		"allow: {host: api.github.com}, credential: k, repositories: [stranger/x], permissions: {issues: read}": "the rule is about repositories of stranger",
		"allow: {host: api.github.com}, credential: fixed" + pins:                                               `credential "fixed" is of kind github_token, which is never minted`,
		"allow: {host: api.github.com}, credential: fixed":                                                      "",
	} {
		uses := ruled(t, "  - {name: a, "+rule+"}\n").CredentialUses()
		what, hint := github.New().CheckUse(lookup(t)(uses[0].Credential), nil, uses[0])
		if want == "" {
			assert.Empty(t, what, rule)
			continue
		}
		assert.Contains(t, what, want, rule)
		assert.NotEmpty(t, hint, rule)
	}
}

func TestBadRules(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		"allow: {github: {}}":                                                                       "test.yaml:3: rules[a].allow.github: says nothing and would match every request to GitHub; write {repos: [OWNER/*], access: read}",
		"allow: {github: [a]}":                                                                      "must be a mapping with the keys host, repos, operations, access, refs, updates",
		"allow: {github: {repo: [a/b]}}":                                                            "rules[a].allow.github.repo: unknown key",
		"allow: {github: {resources: [b]}}":                                                         "rules[a].allow.github.resources: unknown key",
		"allow: {github: {repos: []}}":                                                              "the list is empty; write repos: [acme/web], or [acme/*]",
		"allow: {github: {repos: [acme]}}":                                                          "write OWNER/NAME",
		"allow: {github: {repos: [acme/web.git]}}":                                                  "leave .git out",
		"allow: {github: {repos: [\"acme/w?b\"]}}":                                                  "holds a character",
		"allow: {github: {repos: [a/b, a/b]}}":                                                      "listed twice",
		"allow: {github: {operations: [pulls]}}":                                                    "rules[a].allow.github.operations[0]: operation pattern \"pulls\": want CATEGORY/NAME",
		"allow: {github: {access: all}}":                                                            "must be read, write or admin",
		"allow: {github: {refs: [main]}}":                                                           "write refs/heads/main",
		"allow: {github: {refs: [tags/v1]}}":                                                        "write refs/tags/v1",
		"allow: {github: {refs: [refs/heads//x]}}":                                                  "empty part",
		"allow: {github: {refs: [refs/heads/x.lock]}}":                                              "no ref has a part like x.lock",
		"allow: {github: {refs: [\"refs/heads/a**\"]}}":                                             "** stands alone",
		"allow: {github: {refs: [\"refs/heads/[ab]\"]}}":                                            "only * and ** are patterns",
		"allow: {github: {updates: [force]}}":                                                       "must be create, update or delete",
		"allow: {github: {operations: [pulls/create], refs: [refs/heads/a]}}":                       "do not include git/push",
		"allow: {github: {host: a/b, access: read}}":                                                "is not a GitHub server; write its web host",
		"allow: {github: {host: [a], access: read}}":                                                "write host: github.com",
		"allow: {github: {access: read}, host: a.example}":                                          "github stands alone",
		"allow: {github: {access: read}}, credential: k, unnamed: allow":                            "allows only what it names",
		"allow: {github: {access: read}}, shared: true":                                             "has no credential",
		"allow: {github: {access: read}}, credential: k, shared: yes":                               "the only value is true",
		"allow: {github: {access: read}}, credential: k, repositories: [a/b]":                       "repositories and permissions together",
		"allow: {host: a.example}, credential: k, repositories: [], permissions: {a: read}":         "the list is empty",
		"allow: {host: a.example}, credential: k, repositories: [a/b], permissions: {}":             "must be a mapping",
		"allow: {host: a.example}, credential: k, repositories: [a/*], permissions: {a: read}":      "by their names",
		"allow: {host: a.example}, credential: k, repositories: [a/b, c/d], permissions: {a: read}": "another owner",
		"allow: {host: a.example}, credential: k, repositories: [a/b], permissions: {a-b: read}":    "is not the name of a permission",
		"allow: {host: a.example}, credential: k, repositories: [a/b], permissions: {a: all}":       "must be read, write or admin",
		"allow: {host: a.example}, credentials: k":                                                  "known here are name, description, allow, ask, deny, credential, unnamed, repositories, permissions, shared, agent_auth, cookies, record; did you mean credential?",
	} {
		_, err := parse(t, "  - {name: a, "+rule+"}\n")
		assert.ErrorContains(t, err, want, rule)
	}
	_, err := parse(t, "  - {name: a, allow: {github: {operations: [pulls/create], updates: [force]}}}\n")
	assert.ErrorContains(t, err, "must be create, update or delete")
	assert.ErrorContains(t, err, "do not include git/push", "all that is wrong is said at once")
}
