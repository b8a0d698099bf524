package llm_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials"
	"sallyport/policy"
	"sallyport/services"
	"sallyport/services/llm"
)

// TestRulesAboutModels asks as people and the tests in policy files do.
func TestRulesAboutModels(t *testing.T) {
	t.Parallel()
	p, err := parse(t, `  - {name: no-opus, deny: {llm: {provider: anthropic, models: ["claude-opus-*"]}}}
  - {name: long, ask: {llm: {provider: anthropic, max_output_tokens: 16000}}, credential: k}
  - {name: claude, allow: {llm: {provider: anthropic, models: ["claude-*"], max_output_tokens: 32000, tools: {deny: [web_search, code_execution]}}}, credential: k}
  - {name: codex, allow: {llm: {provider: openai, operations: [responses, "models/*"], models: [gpt-5.1], tools: {deny: ["*"]}}}, credential: k}
  - {name: gateway, allow: {llm: {provider: openai, hosts: [models.example.com], operations: ["chat/*"]}}, credential: k}
`)
	require.NoError(t, err)
	languages := services.Languages([]services.Service{llm.New()}, nil)
	for question, want := range map[string]string{
		"llm:anthropic/messages claude-sonnet-4-5 max_output_tokens=8000":                  "allow claude",
		"llm:anthropic/messages claude-sonnet-4-5 max_output_tokens=16001":                 "ask long",
		"llm:anthropic/messages claude-sonnet-4-5 max_output_tokens=32001":                 "ask long",
		"llm:anthropic/messages claude-opus-4-1 max_output_tokens=1":                       "deny no-opus",
		"llm:anthropic/messages CLAUDE-OPUS-4-1 max_output_tokens=1":                       "deny no-opus",
		"llm:anthropic/messages claude-sonnet-4-5 max_output_tokens=8000 tools=web_search": "deny",
		"llm:anthropic/messages claude-sonnet-4-5 max_output_tokens=8000 tools=web_fetch":  "allow claude",
		"llm:anthropic/messages gpt-5.1 max_output_tokens=8000":                            "deny",
		"llm:anthropic/messages/count-tokens claude-sonnet-4-5":                            "allow claude",
		"llm:anthropic/models/list":                                                        "allow claude",
		"llm:openai/responses gpt-5.1":                                                     "allow codex",
		"llm:openai/responses gpt-5.1-pro":                                                 "deny",
		"llm:openai/responses gpt-5.1 tools=mcp":                                           "deny",
		"llm:openai/responses/socket":                                                      "deny",
		"llm:openai/chat/completions gpt-5.1":                                              "deny",
		"llm:openai/chat/completions whatever models.example.com":                          "allow gateway",
		"GET https://api.openai.com/v1/models":                                             "allow codex",
	} {
		q, ours, err := p.ParseQuestion(question, languages...)
		if !ours {
			method, url, _ := strings.Cut(question, " ")
			q, err = policy.ParseRequest(method, url)
			q.Meaning = languages[0].Meaning(q, []string{"openai", "api.openai.com"})
		}
		require.NoError(t, err, question)
		d := p.Decide(q)
		assert.Equal(t, want, strings.TrimSpace(d.Effect.String()+" "+d.Rule), "%s: %s", question, d.Reason)
	}
	for question, why := range map[string]string{
		"llm:anthropic/messages gpt-5.1 max_output_tokens=9":                   "models [claude-*] do not include gpt-5.1",
		"llm:anthropic/messages claude-a max_output_tokens=9 tools=mcp":        "",
		"llm:anthropic/messages claude-a max_output_tokens=40000":              "max_output_tokens 32000 is less than 40000, which the request asks for",
		"llm:anthropic/messages claude-a":                                      "max_output_tokens 32000 needs a request that bounds its answer, and this one does not",
		"llm:anthropic/batches/create":                                         "models [claude-*] may not be all that the request means: anthropic/batches/create is not read for its models",
		"llm:anthropic/messages CLAUDE-a max_output_tokens=9":                  "models [claude-*] may not be all that the request means: CLAUDE-a is written in another case",
		"llm:anthropic/messages claude-a max_output_tokens=9 tools=web_search": "tools deny [web_search, code_execution], and the request has the provider use web_search",
	} {
		q, _, err := p.ParseQuestion(question, languages...)
		require.NoError(t, err, question)
		for _, r := range p.Explain(q).Rules {
			if r.Rule == "claude" && why != "" {
				assert.Equal(t, why, r.Why, question)
			}
		}
	}
}

// What a request may mean beside what is read of it, no rule about models or tools allows.
func TestDoubtAllowsNothing(t *testing.T) {
	t.Parallel()
	p, err := parse(t, `  - {name: models, allow: {llm: {provider: openai, models: [gpt-5.1]}}, credential: k}
  - {name: tools, allow: {llm: {provider: openai, operations: [chat/completions], tools: {deny: [web_search]}}}, credential: k}
  - {name: gemini, allow: {llm: {provider: gemini, tools: {deny: [web_search, web_fetch]}}}, credential: k}
  - {name: claude, allow: {llm: {provider: anthropic, tools: {deny: ["*"]}}}, credential: k}
`)
	require.NoError(t, err)
	const r, c, a = "https://api.openai.com/v1/responses", "https://api.openai.com/v1/chat/completions", "https://api.anthropic.com/v1/messages"
	const g = "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent"
	for _, one := range []struct{ url, body, want string }{
		{r, `{"model":"gpt-5.1","input":"hi"}`, "allow models"},
		{r, `{"model":"gpt-5.1","prompt":"text of completions"}`, "allow models"},
		{r, `{"input":"hi"}`, "deny"},
		{r, `{"model":"gpt-5.1","prompt":{"id":"pmpt_1"}}`, "deny"},
		{r, `{"model":"gpt-5.1","models":["gpt-5.1","o3-pro"]}`, "deny"},
		{r, `{"model":"gpt-5.1","fallbacks":[{"model":"o3"}]}`, "deny"},
		{c, `{"model":"x","tools":[{"type":"function","function":{"name":"web_search"}}]}`, "allow tools"},
		{c, `{"model":"x","web_search_options":{}}`, "deny"},
		{c, `{"model":"x","web_search_options":null}`, "allow tools"},
		{c, `{"model":"gpt-4o-search-preview"}`, "deny"},
		{c, `{"model":"x","tools":[{"type":"web_search_preview_2025_03_11"}]}`, "deny"},
		{c, `{"model":"x","tools":[{"type":"tomorrow"}]}`, "deny"},
		{c, `{"model":"x:online"}`, "deny"},
		{c, `{"model":"x","plugins":[{"id":"web"}]}`, "deny"},
		{c, `{"model":"x","tools":[{"type":"shell","environment":{"type":"local"}}]}`, "allow tools"},
		{g, `{"tools":[{"functionDeclarations":[]}]}`, "allow gemini"},
		{g, `{"tools":[{"functionDeclarations":[],"googleSearch":{}}]}`, "deny"},
		{g, `{"tools":[{"url_context":{}}]}`, "deny"},
		{g, `{"cachedContent":"cachedContents/1"}`, "deny"},
		{g, `{"tools":[{"tomorrow":{}}]}`, "deny"},
		{a, `{"model":"m","tools":[{"name":"x","input_schema":{}},{"type":"bash_20250124"}]}`, "allow claude"},
		{a, `{"model":"m","tools":[{"type":"code_execution_20250825"}]}`, "deny"},
		{a, `{"model":"m","mcp_servers":[{"url":"https://x"}]}`, "deny"},
		{a, `{"model":"m","mcp_servers":[]}`, "allow claude"},
		{a, `{"model":"m","tools":[{"type":"tomorrow_20270101"}]}`, "deny"},
	} {
		q, err := policy.ParseRequest("POST", one.url)
		require.NoError(t, err)
		m := found(t, p, "POST", one.url, nil).Read(&body{text: one.body})
		q.Meaning = &m
		d := p.Decide(q)
		assert.Equal(t, one.want, strings.TrimSpace(d.Effect.String()+" "+d.Rule), "%s: %s", one.body, d.Reason)
	}
	for _, name := range []string{"X-Portkey-Config", "Helicone-Fallbacks", "Cf_aig_step"} {
		q, err := policy.ParseRequest("POST", r)
		require.NoError(t, err)
		m := found(t, p, "POST", r, http.Header{name: {"x"}}).Read(&body{text: `{"model":"gpt-5.1"}`})
		q.Meaning = &m
		assert.Equal(t, policy.Deny, p.Decide(q).Effect, name)
	}
}

// An answer can be as long as all the answers that are asked for.
func TestSeveralAnswersAreBoundedTogether(t *testing.T) {
	t.Parallel()
	p, err := parse(t, `  - {name: o, allow: {llm: {provider: openai, max_output_tokens: 1000}}, credential: k}
  - {name: g, allow: {llm: {provider: gemini, max_output_tokens: 1000}}, credential: k}
`)
	require.NoError(t, err)
	const c, g = "https://api.openai.com/v1/chat/completions", "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent"
	for _, one := range []struct {
		url, body string
		want      policy.Effect
	}{
		{c, `{"model":"m","max_tokens":1000}`, policy.Allow},
		{c, `{"model":"m","max_tokens":1000,"max_completion_tokens":1001}`, policy.Deny},
		{c, `{"model":"m","max_tokens":500,"n":2}`, policy.Allow},
		{c, `{"model":"m","max_tokens":500,"n":3}`, policy.Deny},
		{c, `{"model":"m","max_tokens":9223372036854775807,"n":9223372036854775807}`, policy.Deny},
		{c, `{"model":"m"}`, policy.Deny},
		{g, `{"generationConfig":{"maxOutputTokens":1000}}`, policy.Allow},
		{g, `{"generation_config":{"max_output_tokens":1000,"candidate_count":2}}`, policy.Deny},
		{g, `{}`, policy.Deny},
	} {
		q, err := policy.ParseRequest("POST", one.url)
		require.NoError(t, err)
		m := found(t, p, "POST", one.url, nil).Read(&body{text: one.body})
		q.Meaning = &m
		assert.Equal(t, one.want, p.Decide(q).Effect, one.body)
	}
}

func TestWhatIsWrongInARuleIsSaidWhereItStands(t *testing.T) {
	t.Parallel()
	for clause, want := range map[string]string{
		"{models: [a]}":    `rules[r].allow.llm.provider: missing; write provider: anthropic, openai, gemini`,
		"{provider: acme}": "acme is no provider; there are anthropic, openai, gemini",
		"{provider: openai, operations: [messages]}":         `"messages" names no operation of openai; there are responses,`,
		"{provider: openai, base: /v1}":                      "belongs to hosts",
		"{provider: openai, hosts: [a.example], base: v1}":   "must be the path below which the provider's operations are; write base: /v1",
		"{provider: openai, hosts: [a.example], base: /v1/}": "must be the path below which",
		"{provider: openai, hosts: ['*']}":                   "",
		"{provider: openai, max_output_tokens: many}":        "must be a whole number from 1 to",
		"{provider: openai, tools: {allow: [mcp]}}":          "unknown key; known here are deny",
		"{provider: openai, tools: {deny: [browser]}}":       "browser is no tool of a provider's side; there are web_search,",
		"{provider: openai, model: gpt}":                     "did you mean models?",
	} {
		_, err := parse(t, "  - {name: r, allow: {llm: "+clause+"}, credential: k}\n")
		if want == "" {
			continue
		}
		require.ErrorContains(t, err, want, clause)
	}
	_, err := parse(t, "  - {name: r, deny: {llm: {provider: openai, tools: {deny: [mcp]}}}}\n")
	require.ErrorContains(t, err, "narrows what a rule allows")
	for question, want := range map[string]string{
		"llm:acme/messages m":                        `"acme" is no provider`,
		"llm:openai/messages m":                      `"messages" names no operation of openai`,
		"llm:openai/models/* m":                      `"models/*" is not the name of one operation`,
		"llm:openai/responses m max_output_tokens=x": "max_output_tokens is a whole number",
	} {
		p, err := parse(t, everything)
		require.NoError(t, err)
		_, ours, err := p.ParseQuestion(question, services.Languages([]services.Service{llm.New()}, nil)...)
		assert.True(t, ours)
		require.ErrorContains(t, err, want, question)
	}
}

// A key that must not go where its rule leads is found before anything is sent.
func TestAKeyIsBoundToTheHostsOfItsRule(t *testing.T) {
	t.Parallel()
	set, err := credentials.Parse("credentials.yaml", []byte(`credentials:
  openai: {kind: bearer, secret: {env: KEY}, hosts: [api.openai.com]}
`), credentials.Options{Getenv: func(string) string { return "key" }})
	require.NoError(t, err)
	for rule, fits := range map[string]bool{
		"{provider: openai}":                              true,
		"{provider: anthropic}":                           false,
		"{provider: openai, hosts: [models.example.com]}": false,
		"{provider: anthropic, hosts: [api.openai.com]}":  true,
	} {
		p, err := parse(t, "  - {name: r, allow: {llm: "+rule+"}, credential: openai}\n")
		require.NoError(t, err)
		what, hint := llm.New().CheckUse(set.Lookup("openai"), p, p.CredentialUses()[0])
		assert.Equal(t, fits, what == "", "%s: %s", rule, what)
		assert.Equal(t, fits, hint == "", rule)
	}
}
