package services

import (
	"io"
	"net/http"
	"slices"

	"sallyport/credentials"
	"sallyport/policy"
)

// Service is one room. One value serves a whole process; it is safe for concurrent use,
// and what the service learns from answers is kept in it.
type Service interface {
	// Key is what policies and the trail call the service: "github".
	Key() string
	// Language is the service's key in the rules of policies. lookup finds the credentials
	// that rules name; nil if they are not known.
	Language(lookup func(name string) *credentials.Credential) policy.Language
	// Kinds are the kinds of credentials that are the service's own.
	Kinds() []credentials.Kind
	// Sites are the servers that one generation of files speaks of.
	Sites(Files) Sites
}

// Files is what a generation says that a service looks at.
type Files struct {
	Policies    map[string]*policy.Policy
	Credentials *credentials.Set
}

// Sites recognise the requests that go to the service. They are immutable and safe for
// concurrent use.
type Sites interface {
	// Find returns the visit that a request is by its line, or nil if it goes elsewhere.
	// The line may lack a path, where only a refusal is to be written.
	Find(*Line) Visit
}

// Line is a request as far as it is known before its body is read.
type Line struct {
	policy.Query
	Request *http.Request  // its header counts; the body is not touched
	Agent   string         // the UUID of the agent
	Policy  *policy.Policy // of the agent; nil if it is not known
}

// Visit is one request to a service. It belongs to one exchange and is not safe for
// concurrent use.
type Visit interface {
	// Read says what the request does. It reads no more of the body than tells.
	Read(Body) policy.Meaning
}

// Body is the beginning of a request's body. It is read within the agent's share of memory
// and within seconds, and put back in front of the rest. If the core stops the reading, it
// refuses the request, whatever the visit says afterwards.
type Body interface {
	// Denied asks the policy whether it denies the request whatever its body says; if so, the
	// body is not to be read. meaning is what the request is called until then; each outline
	// is one thing that it may turn out to be.
	Denied(meaning policy.Meaning, outlines ...policy.Outline) bool
	// Stream lets read consume the body. Each byte that read takes counts as weight bytes of
	// the agent's memory until read returns; beside is how many bytes stay in use after that.
	Stream(weight int64, read func(io.Reader) (beside int64))
	// Peek reads the whole body, if it has no more than most bytes. A byte of it takes
	// weight bytes of memory meanwhile, itself among them.
	Peek(most, weight int64) (body []byte, more bool, err error)
	// Room takes memory for n bytes more; false if there is none, which refuses the request.
	Room(n int64) bool
	// Replace sends another body in the place of one that was read to its end.
	Replace(body []byte, media string)
}

// Bounds of the lists in a row's details, and in one event beside it, which the trail keeps
// to 16 KiB and 64 KiB.
const (
	RowBytes   = 8 << 10
	EventBytes = 48 << 10
)

// Parsed is the weight of a body that is parsed as a whole ([Body].Stream): it is held as it
// came, as tokens, and as what was parsed.
const Parsed = 4

// Scanned is the weight of a body of which little is kept beside it.
const Scanned = 1

// Unread is what a visit says of a request that the policy denied unread.
const Unread = "its policy denies it whatever its body says, so that it was not read"

// Languages are the keys of services in the rules of policies.
func Languages(all []Service, lookup func(name string) *credentials.Credential) []policy.Language {
	languages := make([]policy.Language, len(all))
	for i, s := range all {
		languages[i] = s.Language(lookup)
	}
	return languages
}

// Kinds are the kinds of credentials of all services.
func Kinds(all []Service) (kinds []credentials.Kind) {
	for _, s := range all {
		kinds = append(kinds, s.Kinds()...)
	}
	return kinds
}

// Owns reports whether a kind of credential is the service's own.
func Owns(s Service, kind string) bool {
	return slices.ContainsFunc(s.Kinds(), func(k credentials.Kind) bool { return k.Name == kind })
}
