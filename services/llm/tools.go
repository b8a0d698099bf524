package llm

import (
	"fmt"
	"strings"

	"sallyport/internal/ijson"
)

// The tools that run on a provider's side, by one name each for all providers.
const (
	toolSearch  = "web_search"
	toolFetch   = "web_fetch"
	toolCode    = "code_execution"
	toolFiles   = "file_search"
	toolImages  = "image_generation"
	toolMaps    = "maps"
	toolMCP     = "mcp"
	toolCatalog = "tool_search"
)

func toolNames() []string {
	return []string{toolSearch, toolFetch, toolCode, toolFiles, toolImages, toolMaps, toolMCP, toolCatalog}
}

// atClient stands for tools that the agent runs by itself, where the policy sees what they do.
const atClient = ""

// Anthropic's types of tools, without the date that ends most.
var anthropicTools = map[string]string{
	"": atClient, "custom": atClient, "bash": atClient, "text_editor": atClient, "computer": atClient, "memory": atClient,
	"web_search": toolSearch, "web_fetch": toolFetch, "code_execution": toolCode, "mcp_toolset": toolMCP,
	"tool_search_tool_regex": toolCatalog, "tool_search_tool_bm25": toolCatalog,
}

// OpenAI's types of tools.
var openaiTools = map[string]string{
	"function": atClient, "custom": atClient, "local_shell": atClient, "apply_patch": atClient,
	"computer": atClient, "computer_use_preview": atClient, "namespace": atClient,
	"web_search": toolSearch, "web_search_preview": toolSearch, "file_search": toolFiles, "code_interpreter": toolCode,
	"image_generation": toolImages, "mcp": toolMCP, "tool_search": toolCatalog,
}

// Gemini's tools, by their keys, in either spelling of protocol buffers.
var geminiTools = map[string]string{
	"functionDeclarations": atClient, "computerUse": atClient,
	"googleSearch": toolSearch, "googleSearchRetrieval": toolSearch, "enterpriseWebSearch": toolSearch,
	"urlContext": toolFetch, "codeExecution": toolCode, "fileSearch": toolFiles, "retrieval": toolFiles,
	"googleMaps": toolMaps, "mcpServers": toolMCP,
}

func readAnthropic(r *request, m members) (err error) {
	if r.most, err = m.number("max_tokens"); err != nil {
		return err
	}
	if old, err := m.number("max_tokens_to_sample"); err != nil || r.operation.name == "complete" {
		r.most = old
		return err
	}
	servers, err := m.list("mcp_servers")
	if err != nil {
		return err
	}
	if len(servers) > 0 {
		r.uses(toolMCP)
	}
	return r.typedTools(m, anthropicTools, undated)
}

// undated is a type of Anthropic's tools without its version, as in web_search_20250305.
func undated(kind string) string {
	const date = len("_20250305")
	if len(kind) > date && strings.Trim(kind[len(kind)-date+1:], "0123456789") == "" && kind[len(kind)-date] == '_' {
		return kind[:len(kind)-date]
	}
	return kind
}

// typedTools reads a list of tools that each say their type.
func (r *request) typedTools(m members, known map[string]string, typeOf func(string) string) error {
	tools, err := m.list("tools")
	if err != nil {
		return err
	}
	for _, tool := range tools {
		kind, err := tool.text("type")
		if err != nil {
			return fmt.Errorf("in its tools, %w", err)
		}
		r.tool(typeOf(kind), known)
	}
	return nil
}

// tool takes a tool into account, by what its provider calls it.
func (r *request) tool(kind string, known map[string]string) {
	switch name, ok := known[kind]; {
	case !ok:
		r.unknown = kind
	case name != atClient:
		r.uses(name)
	}
}

func readOpenAI(r *request, m members) (err error) {
	for _, name := range []string{"max_output_tokens", "max_completion_tokens", "max_tokens"} {
		n, err := m.number(name)
		if err != nil {
			return err
		}
		r.most = max(r.most, n)
	}
	for _, name := range []string{"n", "best_of"} { // so many answers, each as long
		n, err := m.number(name)
		switch {
		case err != nil:
			return err
		default:
			r.times(n)
		}
	}
	search, err := m.get("web_search_options")
	if err != nil {
		return err
	}
	if search != nil || strings.Contains(r.model, "-search") || strings.Contains(r.model, "deep-research") || strings.HasSuffix(r.model, ":online") {
		r.uses(toolSearch)
	}
	if err := r.elsewhere(m); err != nil {
		return err
	}
	tools, err := m.list("tools")
	if err != nil {
		return err
	}
	for _, tool := range tools {
		kind, err := tool.text("type")
		if err != nil {
			return fmt.Errorf("in its tools, %w", err)
		}
		switch kind {
		case "shell":
			err = r.shell(tool)
		default:
			kind, _, _ = strings.Cut(kind, "_preview_20")
			r.tool(kind, openaiTools)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// shell is a tool that runs at the agent's, or in a container of the provider's.
func (r *request) shell(tool members) error {
	environment, err := tool.object("environment")
	if err != nil {
		return err
	}
	where, err := environment.text("type")
	if where != "local" {
		r.uses(toolCode)
	}
	return err
}

// steering reports whether a field tells a gateway to go on to another model than the request's.
func steering(name string) bool {
	name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	for _, prefix := range []string{"x-portkey-", "helicone-", "cf-aig-", "x-litellm-", "x-bf-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// elsewhere finds what has a model, or tools, be those that are written somewhere else: a
// prompt that the provider keeps, and lists by which gateways go on to another model.
func (r *request) elsewhere(m members) error {
	for _, name := range []string{"prompt", "models", "fallbacks", "plugins"} {
		value, err := m.get(name)
		if err != nil {
			return err
		}
		if _, isText := ijson.String(value); value != nil && !isText && string(value) != "[]" && (name != "prompt" || value[0] == '{') {
			r.doubt = name
		}
	}
	return nil
}

func readGemini(r *request, m members) error {
	config, err := m.object("generationConfig", "generation_config")
	if err != nil {
		return err
	}
	if r.most, err = config.number("maxOutputTokens", "max_output_tokens"); err != nil {
		return err
	}
	candidates, err := config.number("candidateCount", "candidate_count")
	if err != nil {
		return err
	}
	r.times(candidates)
	tools, err := m.list("tools")
	if err != nil {
		return err
	}
	for _, tool := range tools {
		for _, member := range tool {
			r.tool(camel(member.Name), geminiTools)
		}
	}
	if r.operation.name == "countTokens" { // it may hold a whole request, with a model of its own
		inner, err := m.object("generateContentRequest", "generate_content_request")
		if err != nil {
			return err
		}
		if err := inner.sameModel(r.model); err != nil {
			return err
		}
	}
	if r.operation.name == "batchEmbedContents" {
		requests, err := m.list("requests")
		if err != nil {
			return err
		}
		for _, one := range requests {
			if err := one.sameModel(r.model); err != nil {
				return err
			}
		}
	}
	cached, err := m.text("cachedContent", "cached_content")
	if cached != "" {
		r.doubt = "cachedContent" // which may hold tools
	}
	return err
}

// sameModel sees that a request inside another is about the same model.
func (m members) sameModel(model string) error {
	named, err := m.text("model")
	if err == nil && named != "" && strings.TrimPrefix(named, "models/") != model {
		return fmt.Errorf("it names one model in its path and another in its body")
	}
	return err
}

// camel is the other spelling of a name that protocol buffers have.
func camel(name string) string {
	words := strings.Split(name, "_")
	for i, w := range words[1:] {
		if w != "" {
			words[i+1] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, "")
}
