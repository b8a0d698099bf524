package proxy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const modelPolicy = `
policy: operator
rules:
  - name: claude
    allow: {llm: {provider: anthropic, models: ["claude-*"], max_output_tokens: 32000, tools: {deny: [web_search]}}}
    credential: model
  - name: anything-else
    allow: {host: api.anthropic.com, path: /api/hello}
`

// model answers as Anthropic's Messages do, as a document or as a stream.
func model(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Model  string
		Stream bool
	}
	if r.Header.Get("Accept-Encoding") != "identity" || json.NewDecoder(r.Body).Decode(&asked) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if !asked.Stream {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"type":"message","usage":{"input_tokens":12,"cache_read_input_tokens":88,"output_tokens":7}}`)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for _, event := range []string{
		`{"type":"message_start","message":{"usage":{"input_tokens":12,"output_tokens":1}}}`,
		`{"type":"content_block_delta","delta":{"text":"hi"}}`,
		`{"type":"message_delta","usage":{"output_tokens":7}}`, `{"type":"message_stop"}`,
	} {
		fmt.Fprintf(w, "event: x\ndata: %s\n\n", event)
		http.NewResponseController(w).Flush()
	}
}

// What a model is asked for, by which model and at what cost, is on the record, and the rule
// about it holds, whatever the agent and the provider speak.
func TestModelsAreAskedByRule(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		r := newRig(t)
		var sent documents
		r.upstream(func(w http.ResponseWriter, request *http.Request) {
			text, _ := io.ReadAll(request.Body)
			request.Body = io.NopCloser(bytes.NewReader(text))
			sent.serve(httptest.NewRecorder(), request)
			request.Body = io.NopCloser(bytes.NewReader(text))
			model(w, request)
		}, upstreamSide, "api.anthropic.com")
		r.configure(modelPolicy)
		client := r.client(r.agent("a"), agentSide)
		ask := func(text string, length int64) (int, string) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://api.anthropic.com/v1/messages", io.NopCloser(strings.NewReader(text)))
			require.NoError(t, err)
			request.ContentLength = length
			request.Header = http.Header{"Content-Type": {"application/json"}, "X-Api-Key": {"sallyport-placeholder"}, "Accept-Encoding": {"gzip"}}
			response, err := client.Do(request)
			require.NoError(t, err)
			return response.StatusCode, body(t, response)
		}
		for _, text := range []string{`{"model":"claude-sonnet-4-5","max_tokens":10}`, `{"stream":true,"max_tokens":10,"model":"claude-sonnet-4-5"}`} {
			for _, length := range []int64{int64(len(text)), -1} {
				status, answer := ask(text, length)
				require.Equal(t, http.StatusOK, status, answer)
				bodies, last := sent.take()
				assert.Equal(t, []string{text}, bodies, "it leaves as it came")
				assert.Equal(t, []string{canary}, last.Header["X-Api-Key"])
			}
		}
		for text, why := range map[string]string{
			`{"model":"gpt-5.1","max_tokens":10}`:                                                      "gpt-5.1",
			`{"model":"claude-a","model":"gpt-5.1","max_tokens":10}`:                                   "names a key twice",
			`{"model":"claude-a","max_tokens":64000}`:                                                  "anthropic/messages",
			`{"model":"claude-a","max_tokens":10,"tools":[{"type":"web_search_20250305","name":"w"}]}`: "web_search",
		} {
			status, answer := ask(text, int64(len(text)))
			assert.Equal(t, http.StatusForbidden, status, text)
			var problem struct{ Error struct{ Message string } }
			require.NoError(t, json.Unmarshal([]byte(answer), &problem))
			assert.Contains(t, problem.Error.Message, why, "its SDKs show this")
		}
		bodies, _ := sent.take()
		assert.Empty(t, bodies)

		rows := r.rowsOf(8)
		for _, row := range rows {
			told := details(t, row)
			if row.Decision != "allow" {
				continue
			}
			assert.Equal(t, "llm:anthropic/messages", row.Operation)
			assert.Equal(t, "claude-sonnet-4-5", row.Resource)
			assert.EqualValues(t, 10, told["max_output_tokens"])
			assert.EqualValues(t, 7, told["output_tokens"])
			assert.Contains(t, []any{float64(12), float64(100)}, told["input_tokens"])
		}
		page := httptest.NewRecorder()
		r.metrics.Handler().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
		assert.Contains(t, page.Body.String(), `sallyport_cost_total{service="llm",unit="input_tokens"} 224`)
		assert.Contains(t, page.Body.String(), `sallyport_cost_total{service="llm",unit="output_tokens"} 28`)
	})
}

// Requests with pictures are long. They are read within the agent's share of memory, and what is
// longer is refused in words.
func TestLongRequestsToModels(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.upstream(model, true, "api.anthropic.com")
	r.configure(modelPolicy)
	client := r.client(r.agent("a"), true)
	for size, want := range map[int]int{11 << 20: http.StatusOK, 13 << 20: http.StatusForbidden} {
		text := `{"model":"claude-a","max_tokens":1,"messages":"` + strings.Repeat("x", size) + `"}`
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://api.anthropic.com/v1/messages", strings.NewReader(text))
		require.NoError(t, err)
		response, err := client.Do(request)
		require.NoError(t, err)
		answer := body(t, response)
		assert.Equal(t, want, response.StatusCode, answer)
		if want != http.StatusOK {
			assert.Contains(t, answer, "longer than what is read to find its model")
		}
	}
}
