package config_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"sallyport/config"
)

func TestRuleText(t *testing.T) {
	t.Parallel()
	policy := []byte(`policy: p
rules:
  # the first
  - name: a
    allow: {host: a.example}
  - allow:
      host: b.example
    name: b

  - {name: c, deny: {host: "*"}}
tests:
  - request: GET https://a.example/
    expect: allow
`)
	assert.Equal(t, "  - name: a\n    allow: {host: a.example}", config.RuleText(policy, "a"))
	assert.Equal(t, "  - allow:\n      host: b.example\n    name: b", config.RuleText(policy, "b"))
	assert.Equal(t, `  - {name: c, deny: {host: "*"}}`, config.RuleText(policy, "c"))
	assert.Empty(t, config.RuleText(policy, "d"))
	assert.Empty(t, config.RuleText([]byte("rules: {a: ["), "a"))
	assert.Empty(t, config.RuleText([]byte("rules: x"), "a"))
	assert.Empty(t, config.RuleText(nil, ""))
	assert.Equal(t, "rules: [{name: a}, {name: b}]", config.RuleText([]byte("rules: [{name: a}, {name: b}]\n"), "a"))
}
