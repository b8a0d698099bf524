package api

import (
	"net/http"
)

// MaxBody is how much of a body is read to name a request and what it touches.
const MaxBody = 1 << 20

// Request is what is known of a request before it is sent.
type Request struct {
	Method string
	Path   string // as sent, with its percent-encoding
	Query  string // as sent
	Header http.Header

	// Service and Region are those it is signed for. That they agree with the host is
	// for the caller to have checked.
	Service, Region string
	// Partition of the region: "aws", "aws-cn".
	Partition string
	// Host is what names the service in one of AWS's host names: "iam",
	// "bedrock-runtime", "bucket.s3". Empty for a server of somebody else's: then the
	// scope alone says which service is meant. "bucket.s3" is a bucket there, too.
	Host string
	// Store: the host is somebody else's, and how it keeps its objects is not known.
	Store bool

	// Body returns the body if it is no longer than MaxBody; more says that it is
	// longer. It is called at most once, and only where it matters. Nil: the body is not
	// known.
	Body func() (body []byte, more bool, err error)
}

// Operation is what a request does.
type Operation struct {
	Name  string // "s3/PutObject"
	Event string // CloudTrail's eventName where it is another than the name says
	// Calls are the operation and whatever else the request does besides; the first is
	// the operation itself, once for each resource. All must be allowed.
	Calls []Call
}

// Call is one thing that a request does.
type Call struct {
	Operation string   // "s3/PutObject"
	Actions   []string // IAM's, all of them needed; empty if they are not known
	// Resource is what is touched, an ARN. The account is empty where the request does
	// not say it: then it is the caller's. A listing's ends in "*": all that begins so.
	Resource string
	// Container is the ARN by which IAM bounds the call where that is another: a
	// listing's bucket.
	Container string
	// Unknown says why the resource is not known. Empty and without a resource: the
	// operation has no extractor.
	Unknown string
	// Path is where this host has what is touched, as it would be sent, where that is not
	// the request's own path. Elsewhere: neither path says it; OtherHost: nor does the
	// host, though it names a bucket.
	Path      string
	Elsewhere bool
	OtherHost bool
	// Secret: the answer is a credential or a secret, or the call plants one, decides who
	// may do what, or runs the caller's own code under another's role.
	Secret bool
}

// Resolve names the operation of a request, or says why it has no name. The error is
// always an [*Unresolved].
func Resolve(r Request) (Operation, error) {
	o, err := operationsTable().resolve(&r)
	if err != nil {
		return Operation{}, err
	}
	return o, nil
}

func (t *table) resolve(r *Request) (Operation, *Unresolved) {
	h, err := readHead(r)
	if err != nil {
		return Operation{}, err
	}
	services, err := t.candidates(r)
	if err != nil {
		return Operation{}, err
	}
	q := &signals{head: h, body: &payload{head: h}}
	f, err := q.find(services)
	if err != nil {
		return Operation{}, err
	}
	return q.operation(f), nil
}

// operation completes an entry by what the request touches.
func (q *signals) operation(f *found) Operation {
	e := f.entry
	o := Operation{Name: e.full, Event: e.event}
	call := Call{Operation: e.full, Actions: e.actions, Secret: e.secret}
	switch {
	case e.extract != nil:
		in := &input{head: q.head, body: q.body, protocol: f.protocol, segments: f.segments}
		if e.route != nil {
			in.names = e.route.names
		}
		o.Calls = e.extract(in, call)
	case f.service.id == "s3":
		s := &s3Request{head: q.head, body: q.body, place: f.place}
		o.Calls = s.calls(e, call)
	default:
		o.Calls = []Call{call}
	}
	return o
}
