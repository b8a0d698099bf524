package llm

import (
	"net/http"
	"slices"
	"strings"

	"sallyport/policy"
)

// source says where a request names its model.
type source uint8

const (
	inBody  source = iota
	inPath         // before the colon of its last segment
	nowhere        // it is about none
	unseen         // it may be about any, which is not read: many requests in one, forms, sockets
)

// operation is one thing that can be asked of a provider.
type operation struct {
	name   string // in rules and in the trail, behind the provider's
	method string
	path   string // below the base; {} stands for one segment
	access policy.Access
	model  source
	writes bool // the model writes an answer, whose length has a bound and which tools serve
}

// provider is a protocol of models.
type provider struct {
	name       string
	hosts      []string // its own
	bases      []string // below which its operations are, the first where nothing is said
	operations []operation
	body       func(b *request, members members) error
	usage      map[string]figure // by the path in an answer, dots between names
}

func anthropic() *provider {
	const write, read = policy.Write, policy.Read
	return &provider{
		name: "anthropic", hosts: []string{"api.anthropic.com"}, bases: []string{"/v1"}, body: readAnthropic,
		operations: []operation{
			{"messages", http.MethodPost, "messages", write, inBody, true},
			{"messages/count-tokens", http.MethodPost, "messages/count_tokens", read, inBody, false},
			{"complete", http.MethodPost, "complete", write, inBody, true},
			{"models/list", http.MethodGet, "models", read, nowhere, false},
			{"models/get", http.MethodGet, "models/{}", read, nowhere, false},
			{"batches/create", http.MethodPost, "messages/batches", write, unseen, true},
			{"batches/list", http.MethodGet, "messages/batches", read, nowhere, false},
			{"batches/get", http.MethodGet, "messages/batches/{}", read, nowhere, false},
			{"batches/results", http.MethodGet, "messages/batches/{}/results", read, nowhere, false},
			{"batches/cancel", http.MethodPost, "messages/batches/{}/cancel", write, nowhere, false},
			{"batches/delete", http.MethodDelete, "messages/batches/{}", write, nowhere, false},
		},
		usage: below([]string{"", "message."}, map[string]figure{
			"usage.input_tokens": input, "usage.cache_creation_input_tokens": cacheWritten,
			"usage.cache_read_input_tokens": cacheRead, "usage.output_tokens": output,
		}),
	}
}

func openai() *provider {
	const write, read = policy.Write, policy.Read
	return &provider{
		name: "openai", hosts: []string{"api.openai.com", "*.api.openai.com"}, bases: []string{"/v1"}, body: readOpenAI,
		operations: []operation{
			{"responses", http.MethodPost, "responses", write, inBody, true},
			{"responses/compact", http.MethodPost, "responses/compact", write, inBody, true},
			{"responses/count-tokens", http.MethodPost, "responses/input_tokens", read, inBody, false},
			{"responses/socket", policy.Upgrade, "responses", write, unseen, true},
			{"responses/get", http.MethodGet, "responses/{}", read, nowhere, false},
			{"responses/items", http.MethodGet, "responses/{}/input_items", read, nowhere, false},
			{"responses/cancel", http.MethodPost, "responses/{}/cancel", write, nowhere, false},
			{"responses/delete", http.MethodDelete, "responses/{}", write, nowhere, false},
			{"chat/completions", http.MethodPost, "chat/completions", write, inBody, true},
			{"completions", http.MethodPost, "completions", write, inBody, true},
			{"embeddings", http.MethodPost, "embeddings", read, inBody, false},
			{"moderations", http.MethodPost, "moderations", read, inBody, false},
			{"images/generations", http.MethodPost, "images/generations", write, inBody, false},
			{"images/edits", http.MethodPost, "images/edits", write, unseen, false},
			{"audio/speech", http.MethodPost, "audio/speech", write, inBody, false},
			{"audio/transcriptions", http.MethodPost, "audio/transcriptions", write, unseen, false},
			{"audio/translations", http.MethodPost, "audio/translations", write, unseen, false},
			{"realtime/socket", policy.Upgrade, "realtime", write, unseen, true},
			{"models/list", http.MethodGet, "models", read, nowhere, false},
			{"models/get", http.MethodGet, "models/{}", read, nowhere, false},
		},
		usage: below([]string{"", "response."}, map[string]figure{
			"usage.input_tokens": input, "usage.prompt_tokens": input,
			"usage.output_tokens": output, "usage.completion_tokens": output,
			"usage.input_tokens_details.cached_tokens": cachedOfInput, "usage.prompt_tokens_details.cached_tokens": cachedOfInput,
		}),
	}
}

func gemini() *provider {
	const write, read = policy.Write, policy.Read
	p := &provider{
		name: "gemini", hosts: []string{"generativelanguage.googleapis.com"}, bases: []string{"/v1beta", "/v1", "/v1alpha"}, body: readGemini,
		operations: []operation{
			{"models/list", http.MethodGet, "models", read, nowhere, false},
			{"models/get", http.MethodGet, "models/{}", read, nowhere, false},
		},
		usage: map[string]figure{
			"usageMetadata.promptTokenCount": input, "usageMetadata.candidatesTokenCount": output,
			"usageMetadata.thoughtsTokenCount": thought, "usageMetadata.cachedContentTokenCount": cachedOfInput,
		},
	}
	for _, m := range []operation{
		{name: "generateContent", access: write, writes: true},
		{name: "streamGenerateContent", access: write, writes: true},
		{name: "countTokens", access: read},
		{name: "embedContent", access: read},
		{name: "batchEmbedContents", access: read},
		{name: "predict", access: write},
		{name: "predictLongRunning", access: write},
	} {
		m.method, m.path, m.model = http.MethodPost, "models/{}:"+m.name, inPath
		p.operations = append(p.operations, m)
	}
	return p
}

// below has every path below each of the beginnings.
func below(beginnings []string, figures map[string]figure) map[string]figure {
	all := map[string]figure{}
	for _, beginning := range beginnings {
		for path, f := range figures {
			all[beginning+path] = f
		}
	}
	return all
}

// find returns the operation that a method and a path below the base are, and the model that
// the path names; nil if they are none.
func (p *provider) find(method, path string) (o *operation, model string) {
	if path == "" || strings.ContainsAny(path, "%;\\") {
		return nil, ""
	}
	segments := strings.Split(path, "/")
	for i := range p.operations {
		o := &p.operations[i]
		if o.method != method {
			continue
		}
		if model, ok := fits(strings.Split(o.path, "/"), segments); ok {
			if o.model != inPath {
				model = ""
			}
			return o, model
		}
	}
	return nil, ""
}

// fits reports whether segments are those of a pattern, and what stands for the last {}.
func fits(pattern, segments []string) (variable string, ok bool) {
	if len(pattern) != len(segments) {
		return "", false
	}
	for i, want := range pattern {
		switch tail, open := strings.CutPrefix(want, "{}"); {
		case !open && want != segments[i]:
			return "", false
		case open:
			name, found := strings.CutSuffix(segments[i], tail)
			if !found || name == "" || tail != "" && strings.Contains(name, ":") {
				return "", false
			}
			variable = name
		}
	}
	return variable, true
}

// named returns the operation of a name; nil if there is none.
func (p *provider) named(name string) *operation {
	i := slices.IndexFunc(p.operations, func(o operation) bool { return o.name == name })
	if i < 0 {
		return nil
	}
	return &p.operations[i]
}
