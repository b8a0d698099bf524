package credentials

import (
	"context"
	"net/http"
)

// Use is what a credential is retrieved for. Kinds that have one secret for
// everything look at none of it.
type Use struct {
	Agent string // whose secret it will be, and no other agent's, unless For says otherwise
	// For is what the request's service says that the credential is needed for: a value of a
	// type that its own kinds know; nil for nothing.
	For any

	// Request is the agent's own, for kinds that sign: what they replace is the signature
	// that it came with. It is read and not changed, its body not even read.
	Request *http.Request

	// Memory takes memory for what such a kind holds of the body, as it comes, or gives it
	// back where n is negative; false if there is none. Nil: there always is.
	Memory func(n int64) bool

	// Transport takes the requests to mint by. It must record each before it leaves, and
	// refuse once the agent is revoked: a mint that a revocation does not find in the
	// cache asks after it was marked.
	Transport http.RoundTripper
	// Cleanup takes the requests that revoke what was minted and is not kept, such as for
	// an agent that was revoked meanwhile.
	Cleanup http.RoundTripper
	// Admit is asked before each use of what is minted, and before it is minted, whether
	// its account takes another request now. Its error is that of the retrieval.
	Admit func(Account) error
}

// Account is where a service counts what is done with a credential's tokens: one installation
// of an App at an owner's, say.
type Account struct {
	Server       string
	App          int64
	Installation int64
	Owner        string
}

// Call is what a request to Use.Transport says of itself, for its row in the trail. Each
// kind that mints puts one into the context of its requests.
type Call struct {
	Operation string // in its service's words, behind its key and a colon
	Resource  string
	// Describe says what the row tells of the answer, and nothing that is secret; nil for
	// nothing.
	Describe func(status int, body []byte) map[string]any
}

type callKey struct{}

// In is ctx for a request that says so of itself.
func (c Call) In(ctx context.Context) context.Context { return context.WithValue(ctx, callKey{}, c) }

// CallOf returns what a request says of itself.
func CallOf(r *http.Request) Call {
	c, _ := r.Context().Value(callKey{}).(Call)
	return c
}
