package llm_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/policy"
	"sallyport/services"
	"sallyport/services/llm"
)

func parse(t testing.TB, rules string) (*policy.Policy, error) {
	t.Helper()
	return policy.Parse("p.yaml", []byte("policy: p\nrules:\n"+rules), services.Languages([]services.Service{llm.New()}, nil)...)
}

// body is a body as a visit sees it.
type body struct {
	text   string
	denied bool // by the policy, whatever it says
	asked  []policy.Outline
}

func (b *body) Denied(_ policy.Meaning, outlines ...policy.Outline) bool {
	b.asked = append(b.asked, outlines...)
	return b.denied
}
func (b *body) Stream(int64, func(io.Reader) int64) { panic("is not streamed") }
func (b *body) Room(int64) bool                     { return true }
func (b *body) Replace([]byte, string)              { panic("is not replaced") }
func (b *body) Peek(most, _ int64) ([]byte, bool, error) {
	return []byte(b.text)[:min(most+1, int64(len(b.text)))], int64(len(b.text)) > most, nil
}

const everything = `  - {name: a, allow: {llm: {provider: anthropic}}, credential: k}
  - {name: o, allow: {llm: {provider: openai}}, credential: k}
  - {name: g, allow: {llm: {provider: gemini}}, credential: k}
  - {name: gateway, allow: {llm: {provider: openai, hosts: ["models.example.com:8443"], base: /api/v1}}, credential: k}
`

// found is the visit that a request is under a policy; nil for none.
func found(t testing.TB, p *policy.Policy, method, url string, h http.Header) services.Visit {
	t.Helper()
	q, err := policy.ParseRequest(method, url)
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, http.NoBody)
	require.NoError(t, err)
	if h != nil {
		r.Header = h
	}
	s := llm.New().Sites(services.Files{Policies: map[string]*policy.Policy{p.Name(): p}})
	return s.Find(&services.Line{Query: q, Request: r, Agent: "a", Policy: p})
}

// means is what a request means, "OPERATION MODEL", or why it has no name.
func means(t testing.TB, method, url, text string) string {
	t.Helper()
	p, err := parse(t, everything)
	require.NoError(t, err)
	v := found(t, p, method, url, nil)
	if v == nil {
		return "nothing"
	}
	m := v.Read(&body{text: text})
	if len(m.Calls) == 0 {
		return m.Unclassified
	}
	require.Len(t, m.Calls, 1)
	return m.Calls[0].Operation + " " + m.Calls[0].Resource
}

func TestRequestsHaveTheirOperationAndModel(t *testing.T) {
	t.Parallel()
	const a, o, g = "https://api.anthropic.com/v1/", "https://api.openai.com/v1/", "https://generativelanguage.googleapis.com/v1beta/"
	const unknown = "it is none of the operations of "
	for _, c := range []struct{ method, url, body, want string }{
		{"POST", a + "messages", `{"model":"claude-sonnet-4-5","max_tokens":10,"messages":[]}`, "anthropic/messages claude-sonnet-4-5"},
		{"POST", a + "messages?beta=true", `{"max_tokens":10,"model":"m"}`, "anthropic/messages m"},
		{"POST", a + "messages/count_tokens", `{"model":"m"}`, "anthropic/messages/count-tokens m"},
		{"GET", a + "models", "", "anthropic/models/list "},
		{"GET", a + "models/claude", "", "anthropic/models/get "},
		{"POST", a + "messages/batches", `{"requests":[]}`, "anthropic/batches/create "},
		{"GET", a + "messages/batches/b1/results", "", "anthropic/batches/results "},
		{"POST", o + "responses", `{"model":"gpt-5.1"}`, "openai/responses gpt-5.1"},
		{"POST", o + "chat/completions", `{"model":"gpt-5.1"}`, "openai/chat/completions gpt-5.1"},
		{"POST", "https://eu.api.openai.com/v1/responses", `{"model":"m"}`, "openai/responses m"},
		{"GET", o + "responses/resp_1", "", "openai/responses/get "},
		{"GET", o + "models/ft:gpt:acme::1", "", "openai/models/get "},
		{"WEBSOCKET", o + "responses", "", "openai/responses/socket "},
		{"POST", o + "audio/transcriptions", "--form", "openai/audio/transcriptions "},
		{"POST", g + "models/gemini-2.5-pro:generateContent", `{}`, "gemini/generateContent gemini-2.5-pro"},
		{"POST", g + "models/gemini-2.5-pro:streamGenerateContent?alt=sse", `{"model":"models/gemini-2.5-pro"}`, "gemini/streamGenerateContent gemini-2.5-pro"},
		{"POST", "https://generativelanguage.googleapis.com/v1/models/m:countTokens", `{}`, "gemini/countTokens m"},
		{"POST", "https://models.example.com:8443/api/v1/responses", `{"model":"m"}`, "openai/responses m"},

		{"POST", "https://models.example.com:8443/v1/responses", `{"model":"m"}`, unknown + "openai that are known"},
		{"POST", "https://models.example.com/api/v1/responses", `{"model":"m"}`, "nothing"},
		{"GET", a + "messages", "", unknown + "anthropic that are known"},
		{"POST", a + "messages/", `{"model":"m"}`, unknown + "anthropic that are known"},
		{"POST", a + "m%65ssages", `{"model":"m"}`, unknown + "anthropic that are known"},
		{"POST", "https://api.anthropic.com/v2/messages", `{"model":"m"}`, unknown + "anthropic that are known"},
		{"POST", g + "models/a:b:generateContent", `{}`, unknown + "gemini that are known"},
		{"POST", g + "models/:generateContent", `{}`, unknown + "gemini that are known"},
		{"POST", "https://example.com/v1/messages", `{"model":"m"}`, "nothing"},
	} {
		assert.Equal(t, c.want, means(t, c.method, c.url, c.body), "%s %s", c.method, c.url)
	}
}

// What two readers may read differently has no name, so that no rule about models allows it.
func TestTheModelHasOneReading(t *testing.T) {
	t.Parallel()
	const a, o, g = "https://api.anthropic.com/v1/messages", "https://api.openai.com/v1/chat/completions", "https://generativelanguage.googleapis.com/v1beta/models/m:"
	for _, c := range []struct{ url, body, why string }{
		{a, `{"model":"a","model":"b"}`, "its body names a key twice"},
		{a, `{"model":"a","Model":"b"}`, `the request has "Model", which some servers read as model; write model`},
		{a, `{"MODEL":"b"}`, `the request has "MODEL", which some servers read as model; write model`},
		{a, `{"mo_del":"b"}`, `the request has "mo_del", which some servers read as model; write model`},
		{a, `{"model":"a","max_tokens":1,"maxTokens":9}`, `the request has "maxTokens", which some servers read as max_tokens; write max_tokens`},
		{a, "{\"model\":\"a\",\"max_to\u212aens\":9}", `the request has "max_to\u212aens", which some servers read as max_tokens; write max_tokens`},
		{a, `{"model":["a"]}`, "its model is no string"},
		{a, `{"model":"a b"}`, "its model is not written as a name"},
		{a, `{"model":"a*"}`, "its model is not written as a name"},
		{a, `{"model":"` + strings.Repeat("a", 257) + `"}`, "its model is not written as a name"},
		{a, `{"model":"a","max_tokens":"9"}`, "its max_tokens is no whole number"},
		{a, `{"model":"a","max_tokens":1e9}`, "its max_tokens is no whole number"},
		{a, `{"model":"a"} {}`, "its body goes on after its JSON value"},
		{a, `[{"model":"a"}]`, "its body is not a JSON object"},
		{a, ``, "its body is not a JSON object"},
		{a, `{"model":"a","tools":{"type":"x"}}`, "its tools is no list"},
		{a, `{"model":"a","tools":["web_search"]}`, "its tools holds what is no object"},
		{a, `{"model":"a","tools":[{"Type":"web_search_20250305"}]}`, `in its tools, the request has "Type", which some servers read as type; write type`},
		{o, `{"model":"a","n":"2"}`, "its n is no whole number"},
		{g + "generateContent", `{"model":"models/other"}`, "it names one model in its path and another in its body"},
		{g + "countTokens", `{"generateContentRequest":{"model":"models/other"}}`, "it names one model in its path and another in its body"},
		{g + "batchEmbedContents", `{"requests":[{"model":"models/m"},{"model":"models/other"}]}`, "it names one model in its path and another in its body"},
		{g + "generateContent", `{"generationConfig":{},"generation_config":{}}`, "the request has both generationConfig and generation_config; write one"},
	} {
		assert.Equal(t, c.why, means(t, "POST", c.url, c.body), "%s %s", c.url, c.body)
	}
}

// Only agents whose policy has rules about models are read so.
func TestOthersAskAHostLikeAny(t *testing.T) {
	t.Parallel()
	p, err := parse(t, "  - {name: a, allow: {host: api.anthropic.com}, credential: k}\n")
	require.NoError(t, err)
	assert.Nil(t, found(t, p, "POST", "https://api.anthropic.com/v1/messages", nil))
	p, err = parse(t, "  - {name: a, allow: {llm: {provider: anthropic}}, credential: k}\n")
	require.NoError(t, err)
	assert.NotNil(t, found(t, p, "POST", "https://api.anthropic.com/v1/messages", nil))
	assert.Nil(t, found(t, p, "POST", "https://api.openai.com/v1/responses", nil))
}

func TestWhatIsNotReadSaysWhy(t *testing.T) {
	t.Parallel()
	p, err := parse(t, everything)
	require.NoError(t, err)
	const url = "https://api.anthropic.com/v1/messages"
	m := found(t, p, "POST", url, http.Header{"Content-Encoding": {"zstd"}}).Read(&body{text: `{"model":"a"}`})
	assert.Contains(t, m.Unclassified, "its body is compressed")
	m = found(t, p, "POST", url, http.Header{"Content-Encoding": {"identity"}}).Read(&body{text: `{"model":"a"}`})
	assert.Len(t, m.Calls, 1)
	m = found(t, p, "POST", url, nil).Read(&body{text: `{"model":"a","x":"` + strings.Repeat("x", 12<<20) + `"}`})
	assert.Contains(t, m.Unclassified, "longer than what is read")

	denied := &body{text: `{"model":"a"}`, denied: true}
	m = found(t, p, "POST", url, nil).Read(denied)
	assert.Equal(t, services.Unread, m.Unclassified)
	require.Len(t, denied.asked, 1)
	assert.Equal(t, "anthropic/messages", denied.asked[0].Operation)
}

func TestRowsTellWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	p, err := parse(t, everything)
	require.NoError(t, err)
	v := found(t, p, "POST", "https://api.anthropic.com/v1/messages", nil)
	v.Read(&body{text: `{"model":"m","max_tokens":9,"tools":[{"name":"x"},{"type":"web_search_20250305"},{"type":"web_search_20260209"}],"mcp_servers":[{}]}`})
	d := v.(services.Describer).Describe()
	assert.Equal(t, "anthropic/messages", d.Operation)
	assert.Equal(t, "m", d.Resource)
	assert.Equal(t, map[string]any{"max_output_tokens": int64(9), "tools": "mcp, web_search"}, d.Details)

	h := http.Header{"Accept-Encoding": {"gzip, br"}}
	v.(services.Shaper).Shape(h, true)
	assert.Equal(t, "identity", h.Get("Accept-Encoding"))
	watch := v.(services.Watcher)
	assert.Nil(t, watch.Watch(&http.Response{Header: http.Header{"Content-Encoding": {"gzip"}}}, false))
	w := watch.Watch(&http.Response{Header: http.Header{"Content-Type": {"application/json"}}}, false)
	_, _ = io.Copy(w, bytes.NewReader([]byte(`{"usage":{"input_tokens":3,"output_tokens":4}}`)))
	assert.Equal(t, map[string]any{"input_tokens": int64(3), "output_tokens": int64(4)}, w.Close(func([]string) {}).Details)
}
