package proxy

import (
	"encoding/json"
	"net/http"

	"github.com/google/uuid"
)

// problem is the body of a refusal (RFC 9457). Its last two members say the same to clients
// that show a person, or a model, nothing else: GitHub's libraries read message, those of
// the providers of models read error.
type problem struct {
	Type     string  `json:"type"`
	Title    string  `json:"title"`
	Status   int     `json:"status"`
	Detail   string  `json:"detail"`
	Exchange string  `json:"exchange"`
	Rule     string  `json:"rule,omitempty"`
	Hint     string  `json:"hint,omitempty"`
	Why      string  `json:"why,omitempty"` // where the agent can ask for more
	Message  string  `json:"message"`
	Error    failure `json:"error"`
}

// failure is an error as the APIs of models tell it: type is Anthropic's and OpenAI's word,
// status Google's.
type failure struct {
	Message string `json:"message"`
	Type    string `json:"type"`
	Code    string `json:"code"`
	Status  string `json:"status"`
}

const problemType = "application/problem+json"

func (f *refusal) body(exchange uuid.UUID) []byte {
	class := failureOf(f.status)
	class.Message, class.Code = f.message(), f.word
	more := ""
	if f.word == deniedByPolicy.word || f.word == needsApproval.word {
		more = "https://" + doorName + "/v1/why?exchange=" + exchange.String()
	}
	b, err := json.MarshalIndent(problem{
		Type: "urn:sallyport:refusal:" + f.word, Title: f.title, Status: f.status, Detail: f.detail,
		Exchange: exchange.String(), Rule: f.rule, Hint: f.hintText(), Why: more, Message: f.message(), Error: class,
	}, "", "  ")
	if err != nil { // strings and an int always marshal
		return []byte("{}\n")
	}
	return append(b, '\n')
}

// message is the refusal for who reads one text.
func (f *refusal) message() string { return "sallyport: " + f.detail }

// failureOf is what the APIs of models call errors with a status.
func failureOf(status int) failure {
	switch status {
	case http.StatusForbidden:
		return failure{Type: "permission_error", Status: "PERMISSION_DENIED"}
	case http.StatusTooManyRequests:
		return failure{Type: "rate_limit_error", Status: "RESOURCE_EXHAUSTED"}
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return failure{Type: "timeout_error", Status: "DEADLINE_EXCEEDED"}
	}
	if status < http.StatusInternalServerError {
		return failure{Type: "invalid_request_error", Status: "INVALID_ARGUMENT"}
	}
	return failure{Type: "api_error", Status: "UNAVAILABLE"}
}

// isFinal reports whether the same request gets the same refusal again.
func (f *refusal) isFinal() bool {
	return f.lasts || f.status < http.StatusInternalServerError && f.status != http.StatusTooManyRequests && f.status != http.StatusRequestTimeout
}
