package llm_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"sallyport/services/llm"
)

// What an answer says of its cost is found in documents and in streams, however they are cut.
func TestAnswersTellWhatTheyCost(t *testing.T) {
	t.Parallel()
	tokens := func(in, out, cached int64) map[string]any {
		all := map[string]any{"input_tokens": in, "output_tokens": out}
		if cached > 0 {
			all["cached_tokens"] = cached
		}
		return all
	}
	const document, stream = "application/json", "text/event-stream; charset=utf-8"
	for name, c := range map[string]struct {
		provider, media, answer string
		want                    map[string]any
		failure                 string
	}{
		"messages": {"anthropic", document, `{"type":"message","content":[{"type":"text","text":"\"usage\":{\"input_tokens\":9}"},{"type":"tool_use","input":{"usage":{"input_tokens":7}}}],"usage":{"input_tokens":10,"cache_creation_input_tokens":100,"cache_read_input_tokens":1000,"output_tokens":5,"server_tool_use":{"web_search_requests":0}}}`, tokens(1110, 5, 1000), ""},
		"messages streamed": {"anthropic", stream, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\n" +
			"event: content_block_delta\r\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"data: {\\\"usage\\\":{\\\"output_tokens\\\":99}}\"}}\r\n\r\n: ping\n\n" +
			"event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":42}}\n\n", tokens(10, 42, 0), ""},
		"overloaded": {"anthropic", stream, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}\n\n", nil, "the provider answered overloaded_error"},
		"responses":  {"openai", document, `{"usage":{"input_tokens":30,"input_tokens_details":{"cached_tokens":20},"output_tokens":7,"total_tokens":37}}`, tokens(30, 7, 20), ""},
		"responses streamed": {"openai", stream, "data:{\"type\":\"response.created\",\"response\":{\"usage\":null}}\n\n" +
			"data: {\"type\":\"response.completed\",\"response\":{\"output\":[{\"usage\":{\"input_tokens\":1}}],\"usage\":{\"input_tokens\":30,\"output_tokens\":7,\"input_tokens_details\":{\"cached_tokens\":20}}}}\n\n", tokens(30, 7, 20), ""},
		"failed":     {"openai", stream, "data: {\"response\":{\"error\":{\"code\":\"server_error\"}}}\n\n", nil, "the provider answered server_error"},
		"chat":       {"openai", stream, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"prompt_tokens_details\":{\"cached_tokens\":2}}}\n\ndata: [DONE]\n\n", tokens(3, 4, 2), ""},
		"gemini":     {"gemini", document, `[{"usageMetadata":{"promptTokenCount":5}},` + "\n" + `{"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":6,"thoughtsTokenCount":7,"cachedContentTokenCount":1}}]`, tokens(5, 13, 1), ""},
		"not JSON":   {"openai", document, `<html>{"usage":{"input_tokens":1}}`, nil, ""},
		"no numbers": {"openai", document, `{"usage":{"input_tokens":"many","output_tokens":-1}}`, nil, ""},
	} {
		for _, piece := range []int{1, 7, 1 << 20} {
			details, failure := llm.Told(c.provider, c.media, []byte(c.answer), piece)
			if name == "not JSON" {
				continue // whatever is found there, nothing fails
			}
			assert.Equal(t, c.want, details, "%s in pieces of %d", name, piece)
			assert.Equal(t, c.failure, failure, name)
		}
	}
}

// scalarsOf are those that lie in objects alone, as encoding/json reads a document.
func scalarsOf(value any, path []string, all map[string]string) {
	switch value := value.(type) {
	case map[string]any:
		for name, inner := range value {
			scalarsOf(inner, append(slices.Clip(path), name), all)
		}
	case []any, nil:
	case string:
		all[strings.Join(path, ".")] = value
	default:
		all[strings.Join(path, ".")] = fmt.Sprint(value)
	}
}

// FuzzDocuments compares with encoding/json, wherever that reads a document of plain names
// and short values.
func FuzzDocuments(f *testing.F) {
	for _, seed := range []string{
		`{"a":{"b":1,"c":"x"},"d":[{"e":1}],"f":true}`, `{"usage":{"n":12}}`, `{"a":{},"b":[],"c":[[1],{"d":2}],"e":3}`, `[{"a":1},{"a":2}]`, `"x"`, `{"a":"\u0041"}`,
	} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, document []byte, piece uint8) {
		got := llm.Scalars(document, int(piece)+1)
		decoder := json.NewDecoder(strings.NewReader(string(document)))
		decoder.UseNumber()
		var value any
		if !json.Valid(document) || decoder.Decode(&value) != nil || strings.Contains(string(document), `\`) || repeats(document) {
			return
		}
		if _, list := value.([]any); list {
			return // each of its documents counts
		}
		want := map[string]string{}
		scalarsOf(value, nil, want)
		maps.DeleteFunc(want, func(path, value string) bool { return odd(path, value) })
		maps.DeleteFunc(got, func(path, value string) bool { return odd(path, value) || value == "null" || value == "" })
		maps.DeleteFunc(want, func(_, value string) bool { return value == "" || value == "null" })
		assert.Equal(t, want, got, "%s", document)
	})
}

func odd(path, value string) bool {
	return path == "" || strings.Count(path, ".") >= llm.MaxLevels || len(path) > llm.MaxName || len(value) > llm.MaxScalar ||
		strings.ContainsRune(path+value, '\ufffd') || strings.HasPrefix(path, ".") || strings.HasSuffix(path, ".") || strings.Contains(path, "..")
}

// repeats reports whether a document may name a member twice, which readers take differently.
func repeats(document []byte) bool {
	seen := map[string]bool{}
	decoder := json.NewDecoder(strings.NewReader(string(document)))
	for {
		token, err := decoder.Token()
		if err != nil {
			return false
		}
		if text, ok := token.(string); ok {
			if seen[text] {
				return true
			}
			seen[text] = true
		}
	}
}
