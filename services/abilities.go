package services

import (
	"io"
	"net/http"
	"time"

	"sallyport/credentials"
	"sallyport/credentials/budget"
	"sallyport/internal/host"
	"sallyport/policy"
)

// Checker is a Visit that refuses requests whose answer would come in a form in which
// [Answerer] could find no secret, and which no agent needs.
type Checker interface {
	// Check returns why the request is refused and what to do instead; "" if it is not.
	// live says whether a credential is injected into the request.
	Check(live bool) (detail, hint string)
}

// Narrower is a Service's [Sites] that narrow the service's kinds of credentials to a request.
type Narrower interface {
	// Narrow completes n.Use. v is the visit; it is nil, or another service's, if the
	// credential goes with a request to somewhere else. bare: the server takes no credential
	// for this request, which goes without. The error is a [Denied], or says why the
	// credential cannot be obtained.
	Narrow(n *Need, v Visit) (bare bool, err error)
}

// Need is what a credential is needed for.
type Need struct {
	Kind       string // of the credential
	Credential string
	Policy     *policy.Policy
	Decision   *policy.Decision
	Owner      string // of the agent
	Use        *credentials.Use

	// Errands make the requests to mint by, and those that revoke what is not kept.
	Errands func() (mint, cleanup http.RoundTripper)
	// Admit asks whether the account that the credential counts against has room.
	Admit func(credentials.Account) error
}

// Denied is why a rule's credential may not be used for a request, in a sentence.
type Denied struct{ Detail string }

func (d *Denied) Error() string { return d.Detail }

// Sourcer is a Visit whose meaning already has a call about what the request copies from.
// Without one, the core judges a source that a header field names like a second path.
type Sourcer interface {
	// NamesSource is asked after [Visit].Read, about a header field that names a source.
	NamesSource(field string) bool
}

// Describer is a Visit that says more in the row than what the request does.
type Describer interface {
	// Describe is asked whether or not the request has a name.
	Describe() Description
}

// Description is what a row says of a request.
type Description struct {
	Operation, Resource string // of the call that stands for all, without the service's key; "" if the request has no name
	// Resources: a request that does several things lists each operation once, and what
	// each is done to.
	Resources bool
	// Whole: nothing but the details says what it does, so that its calls are not listed.
	Whole   bool
	Details map[string]any
}

// Besider is a Visit whose request may have lists that are longer than a row has room for.
type Besider interface {
	// Beside returns what the row has no room for, each list of at most [EventBytes].
	Beside() []List
}

// List is a list that the row has no room for, as an event of the exchange.
type List struct {
	Type, Key string
	Items     []any
}

// Shaper is a Visit that changes how a request asks for its answer.
type Shaper interface {
	// Shape changes the header that leaves. live is as in [Checker].
	Shape(h http.Header, live bool)
}

// Answerer is a Visit that takes secrets out of the answer to a request with an injected
// credential.
type Answerer interface {
	// Unpack is called before anybody else reads the answer. It may undo a compression.
	Unpack(response *http.Response)
	// Answer takes out what the agent could use as a credential. An [Unreadable] error
	// refuses the answer.
	Answer(response *http.Response, k Keeper) error
}

// Keeper is what the core does for a visit with an answer.
type Keeper interface {
	// Keep keeps an authorization for this agent and returns the placeholder that stands for
	// it at that address and target ("" for every one); "" if it is none that can be sent.
	Keep(to host.Authority, target, authorization string, life time.Duration) string
	// Note puts something into the row's outcome.
	Note(key string, value any)
	Now() time.Time
}

// Unreadable is why an answer is refused that may hold a secret, in a sentence.
type Unreadable struct {
	Detail string
	Err    error
}

func (u *Unreadable) Error() string { return u.Err.Error() }
func (u *Unreadable) Unwrap() error { return u.Err }

// Learner is a Visit that learns from an answer for the service.
type Learner interface {
	// Learn is called for every answer. It reports whether a 401 to this request would mean
	// that the server no longer accepts the credential.
	Learn(response *http.Response) (tellsOfCredential bool)
}

// Watcher is a Visit that reads an answer as it passes by.
type Watcher interface {
	// Watch returns what the body of the answer is written to as it passes; nil for nothing.
	// charged: the request was counted against an account ([Budgeter]).
	Watch(response *http.Response, charged bool) Watch
}

// Watch is told the answer's body, piece by piece; its Write never fails.
type Watch interface {
	io.Writer
	// Close is called once, after the last piece. clean takes the injected value out of
	// texts.
	Close(clean func(texts []string)) Findings
}

// Findings is what an answer said of the request.
type Findings struct {
	Error    string // of the row; "" for none
	Rejected bool   // the server did nothing of what was asked, whatever the status says
	Details  map[string]any
	Beside   []List
	Account  *budget.Answer   // what is left to the account; nil if the answer does not say
	Cost     map[string]int64 // for the metrics of the server, by unit, of a fixed set; nil for nothing
}

// Budgeter is a Visit whose service counts requests by account.
type Budgeter interface {
	// Ask says what the request counts as.
	Ask(agent string) budget.Ask
	// Told reads from an answer's header what is left to the account.
	Told(response *http.Response, now time.Time) budget.Answer
}

// Limiter is a Service that says why an account has no room.
type Limiter interface {
	// Limited returns a sentence for the agent, and the row's details.
	Limited(account credentials.Account, limit string) (detail string, details map[string]any)
}

// Refuser is a Visit whose clients show a person only refusals in their own protocol. It may
// be asked before [Visit].Read.
type Refuser interface {
	// Refuse writes the answer; false if the core is to write it. It may panic with
	// [http.ErrAbortHandler].
	Refuse(w http.ResponseWriter, r *http.Request, f *Refusal) bool
}

// Class is why a request was refused, as far as protocols tell it apart.
type Class uint8

// The classes.
const (
	Forbidden   Class = iota
	Malformed         // the agent can mend it
	TooFast           // it may come again later
	Unavailable       // not the request's fault
)

// Refusal is a refusal that is to be told.
type Refusal struct {
	Class    Class
	Status   int // of HTTP
	Title    string
	Detail   string // in sentences
	Hint     string
	Exchange string
	// Cause is what the service's own packages said, to be told apart by its type. It is not
	// for the agent.
	Cause error

	// Header writes the fields that every form of a refusal carries.
	Header func(http.Header)
	// Reason says why one call of a meaning is refused.
	Reason func(m *policy.Meaning, call int) string
	// Body is what has not been read of the request; ReadBy sets until when it may be read,
	// the zero time for ever.
	Body   io.Reader
	ReadBy func(time.Time)
}

// Speaker is a Service with clients that show a person the "message" of an error in JSON,
// whichever server it comes from.
type Speaker interface {
	// Speaks reports whether such a client sent the request.
	Speaks(r *http.Request) bool
}

// Namer is a Service whose servers name requests in fields of their own.
type Namer interface{ RequestIDs() []string }

// Named is a Visit to a host where the answer may be written by somebody else than the
// service, whose name for the request ([Namer]) then means nothing. The answers to all other
// visits are the service's.
type Named interface{ AnswersItself() bool }

// Unsigner is a Service whose clients may sign links with the placeholder of a credential.
type Unsigner interface {
	// Unsign returns a raw query without such a signature. It returns the query unchanged if
	// it has none that the agent's placeholder made.
	Unsign(rawQuery, agent string) string
}

// UseChecker is a Service that knows what is wrong with the use of one of its kinds of
// credentials in a rule.
type UseChecker interface {
	// CheckUse returns what is wrong and what to try; "" if nothing is.
	CheckUse(c *credentials.Credential, p *policy.Policy, use policy.CredentialUse) (what, hint string)
}

// Rememberer is a Service that keeps what it has learnt over a restart.
type Rememberer interface {
	// Remember returns what is to be kept, nil if nothing is new since it was asked last. No
	// secret is in it.
	Remember() ([]byte, error)
	// Recall takes what was kept, before the first request.
	Recall(kept []byte) error
}
