package credentials

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// Use is what a credential is retrieved for. Kinds that have one secret for
// everything look at none of it.
type Use struct {
	Agent string // whose token it will be, and no other agent's, unless
	// Shared: all agents with the same repositories and permissions have one.
	Shared bool

	// What a minted token is narrowed to.
	Owner        string   // the account, where Repositories names none; "" if the credential has but one
	Repositories []string // "owner/name", of one owner
	// Everything: all of the owner's repositories that the App may see. Without it,
	// no repositories are an error.
	Everything bool

	// What a minted token may do: the first of these that the App has been given.
	Permissions []PermissionSet
	// Documents is set in place of Permissions for what cannot be told beforehand: all
	// that the App has been given, of the permissions that a document can need, up to
	// this access ("read" or "write").
	Documents string

	// For is what the request's service says that the credential is needed for, in words that
	// its own kinds understand; nil for nothing.
	For any

	// Session is what an AWS session is for, beside its agent.
	Session Session
	anew    bool // what is kept does not count: for a check

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

// Account is where GitHub counts what is done with an App's tokens: one installation.
type Account struct {
	Server       string // "github.com"
	App          int64
	Installation int64
	Owner        string
}

// Call is what a request to Use.Transport says of itself, for its row in the trail. Each
// kind that mints puts one into the context of its requests.
type Call struct {
	Operation string // in its service's words: "github:apps/create-installation-access-token"
	Resource  string
	// Describe says what the row tells of the answer, and nothing that is secret; nil for
	// nothing.
	Describe func(status int, body []byte) map[string]any
}

type callKey struct{}

// In is ctx for a request that says so of itself.
func (c Call) In(ctx context.Context) context.Context { return c.in(ctx) }

func (c Call) in(ctx context.Context) context.Context { return context.WithValue(ctx, callKey{}, c) }

// CallOf returns what a request says of itself.
func CallOf(r *http.Request) Call {
	c, _ := r.Context().Value(callKey{}).(Call)
	return c
}

// PermissionSet is permissions that are needed together, name to access.
type PermissionSet map[string]string

// String writes the set as GitHub does: "contents=read,issues=write".
func (p PermissionSet) String() string {
	pairs := make([]string, 0, len(p))
	for name, access := range p {
		pairs = append(pairs, name+"="+access)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}

// covers reports whether the set gives all that other asks.
func (p PermissionSet) covers(other PermissionSet) bool {
	for name, access := range other {
		if rank(p[name]) < rank(access) {
			return false
		}
	}
	return true
}

// rank orders accesses; 0 is none, or an unknown word.
func rank(access string) int {
	return slices.Index([]string{"read", "write", "admin"}, access) + 1
}

// documentPermissions are those that a GraphQL document can need for what is in a
// repository. What administers one, or holds secrets, is not among them.
func documentPermissions() []string {
	return []string{
		"checks", "contents", "deployments", "discussions", "issues", "metadata", "pull_requests",
		"repository_projects", "statuses",
	}
}
