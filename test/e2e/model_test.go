package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/coder/websocket"
)

const (
	anthropicHost = "api.anthropic.com"
	geminiHost    = "generativelanguage.googleapis.com"
	openaiHost    = "api.openai.com"
)

// wish is how a prompt of these tests names the command that the model shall ask for.
var wish = regexp.MustCompile(`<<(.+?)>>`)

// idea is all that these models know: a command to run, or what they say.
type idea struct{ command, says string }

// think finds the idea in a request: once the conversation has a command's output, that is
// what there is to say; before, the command of the prompt is to be run if there is a tool for it.
func think(conversation json.RawMessage, output string, tool bool) idea {
	var text strings.Builder
	gather(&text, conversation)
	command := wish.FindStringSubmatch(text.String())
	switch {
	case output != "":
		return idea{says: "It said: " + output}
	case command == nil || !tool:
		return idea{says: "Nothing to do."}
	}
	return idea{command: command[1]}
}

// gather collects every text of a value.
func gather(to *strings.Builder, raw json.RawMessage) {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			to.WriteString(v + "\n")
		case []any:
			for _, one := range v {
				walk(one)
			}
		case map[string]any:
			for _, one := range v {
				walk(one)
			}
		}
	}
	walk(v)
}

// words are a text in the pieces in which it is streamed.
func words(text string) []string { return strings.SplitAfter(text, " ") }

// events writes server-sent events, each of which leaves at once.
func events(w http.ResponseWriter) func(map[string]any) {
	w.Header().Set("Content-Type", "text/event-stream")
	return func(event map[string]any) {
		data, _ := json.Marshal(event)
		fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event["type"], data)
		_ = http.NewResponseController(w).Flush()
	}
}

// newAnthropic speaks the Messages API as far as its clients need it.
func newAnthropic() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/messages/count_tokens", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"input_tokens": 10}`)
	})
	mux.HandleFunc("POST /v1/messages", func(w http.ResponseWriter, r *http.Request) {
		var request struct {
			Model    string
			Stream   bool
			Messages []struct {
				Role    string
				Content json.RawMessage
			}
			Tools []struct{ Name string }
		}
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		conversation, _ := json.Marshal(request.Messages)
		output, tool := "", ""
		for _, message := range request.Messages {
			var blocks []struct {
				Type    string
				Content json.RawMessage
			}
			if json.Unmarshal(message.Content, &blocks) != nil {
				continue
			}
			for _, block := range blocks {
				if block.Type == "tool_result" {
					var text strings.Builder
					gather(&text, block.Content)
					output += text.String()
				}
			}
		}
		for _, one := range request.Tools {
			if strings.EqualFold(one.Name, "bash") {
				tool = one.Name
			}
		}
		sayMessage(w, request.Model, request.Stream, tool, think(conversation, output, tool != ""))
	})
	return mux
}

func sayMessage(w http.ResponseWriter, model string, stream bool, tool string, i idea) {
	stop, block := "end_turn", map[string]any{"type": "text", "text": ""}
	if i.command != "" {
		stop, block = "tool_use", map[string]any{"type": "tool_use", "id": "toolu_1", "name": tool, "input": map[string]any{}}
	}
	message := map[string]any{
		"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": []any{},
		"stop_reason": nil, "stop_sequence": nil, "usage": map[string]any{"input_tokens": 10, "output_tokens": 1},
	}
	if !stream {
		message["stop_reason"], message["content"] = stop, []any{map[string]any{"type": "text", "text": i.says}}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(message)
		return
	}
	send := events(w)
	send(map[string]any{"type": "message_start", "message": message})
	send(map[string]any{"type": "content_block_start", "index": 0, "content_block": block})
	if i.command != "" {
		input, _ := json.Marshal(map[string]string{"command": i.command, "description": "what the prompt names"})
		send(map[string]any{"type": "content_block_delta", "index": 0, "delta": map[string]any{"type": "input_json_delta", "partial_json": string(input)}})
	}
	for _, word := range words(i.says) {
		if i.command == "" {
			send(map[string]any{"type": "content_block_delta", "index": 0, "delta": map[string]any{"type": "text_delta", "text": word}})
		}
	}
	send(map[string]any{"type": "content_block_stop", "index": 0})
	send(map[string]any{"type": "message_delta", "delta": map[string]any{"stop_reason": stop, "stop_sequence": nil}, "usage": map[string]any{"output_tokens": 5}})
	send(map[string]any{"type": "message_stop"})
}

// newOpenAI speaks the Responses API, by events and over a WebSocket.
func newOpenAI() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"object": "list", "data": [], "models": []}`)
	})
	mux.HandleFunc("POST /v1/responses", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		respond(body, events(w))
	})
	mux.HandleFunc("GET /v1/responses", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(8 << 20)
		for {
			_, body, err := c.Read(r.Context())
			if err != nil {
				return
			}
			respond(body, func(event map[string]any) {
				data, _ := json.Marshal(event)
				_ = c.Write(r.Context(), websocket.MessageText, data)
			})
		}
	})
	return mux
}

func respond(body []byte, send func(map[string]any)) {
	var request struct {
		Generate *bool
		Input    json.RawMessage
		Tools    []struct{ Type, Name string }
	}
	_ = json.Unmarshal(body, &request)
	var input []struct {
		Type   string
		Output json.RawMessage
	}
	output := ""
	if json.Unmarshal(request.Input, &input) == nil {
		for _, item := range input {
			if item.Type == "function_call_output" {
				var text strings.Builder
				gather(&text, item.Output)
				output += text.String()
			}
		}
	}
	arguments := map[string]func(string) any{
		"exec_command":  func(c string) any { return map[string]string{"cmd": c} },
		"shell_command": func(c string) any { return map[string]string{"command": c} },
		"shell":         func(c string) any { return map[string]any{"command": []string{"bash", "-c", c}} },
	}
	tool := ""
	for _, one := range request.Tools {
		if arguments[one.Name] != nil {
			tool = one.Name
		}
	}
	response := map[string]any{"id": "resp_1", "object": "response", "status": "in_progress", "output": []any{}}
	send(map[string]any{"type": "response.created", "response": response})
	var items []any
	switch i := think(request.Input, output, tool != ""); {
	case request.Generate != nil && !*request.Generate: // it only warms up
	case i.command != "":
		text, _ := json.Marshal(arguments[tool](i.command))
		items = append(items, map[string]any{"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": tool, "arguments": string(text), "status": "completed"})
	default:
		item := map[string]any{"type": "message", "id": "item_1", "role": "assistant", "status": "in_progress", "content": []any{}}
		send(map[string]any{"type": "response.output_item.added", "output_index": 0, "item": item})
		for _, word := range words(i.says) {
			send(map[string]any{"type": "response.output_text.delta", "item_id": "item_1", "output_index": 0, "content_index": 0, "delta": word})
		}
		items = append(items, map[string]any{
			"type": "message", "id": "item_1", "role": "assistant", "status": "completed",
			"content": []any{map[string]any{"type": "output_text", "text": i.says, "annotations": []any{}}},
		})
	}
	for n, item := range items {
		send(map[string]any{"type": "response.output_item.done", "output_index": n, "item": item})
	}
	send(map[string]any{"type": "response.completed", "response": map[string]any{
		"id": "resp_1", "object": "response", "status": "completed", "output": items,
		"usage": map[string]any{
			"input_tokens": 10, "input_tokens_details": map[string]int{"cached_tokens": 0},
			"output_tokens": 5, "output_tokens_details": map[string]int{"reasoning_tokens": 0}, "total_tokens": 15,
		},
	}})
}

// newGemini speaks streamGenerateContent, as events and whole.
func newGemini() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request struct {
			Contents []struct {
				Role  string
				Parts []struct {
					Text             string
					FunctionResponse *struct{ Response json.RawMessage }
				}
			}
			Tools []struct {
				FunctionDeclarations []struct{ Name string }
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		output, tool := "", false
		for _, content := range request.Contents {
			for _, part := range content.Parts {
				if part.FunctionResponse != nil {
					var text strings.Builder
					gather(&text, part.FunctionResponse.Response)
					output += text.String()
				}
			}
		}
		for _, one := range request.Tools {
			for _, f := range one.FunctionDeclarations {
				tool = tool || f.Name == "run_shell_command"
			}
		}
		conversation, _ := json.Marshal(request.Contents)
		i := think(conversation, output, tool)
		if !strings.HasSuffix(r.URL.Path, ":streamGenerateContent") { // how hard the prompt is, another model is asked first
			i = idea{says: `{"complexity_reasoning": "it is short", "complexity_score": 90}`}
		}
		part := map[string]any{"text": i.says}
		if i.command != "" {
			part = map[string]any{"functionCall": map[string]any{"name": "run_shell_command", "args": map[string]string{"command": i.command, "description": "what the prompt names"}}}
		}
		answer, _ := json.Marshal(map[string]any{
			"candidates":    []any{map[string]any{"content": map[string]any{"role": "model", "parts": []any{part}}, "finishReason": "STOP", "index": 0}},
			"usageMetadata": map[string]int{"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
			"modelVersion":  "gemini-test",
		})
		if strings.HasSuffix(r.URL.Path, ":streamGenerateContent") {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "data: %s\r\n\r\n", answer)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	})
}
