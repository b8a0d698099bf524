package credentials

import (
	"errors"
	"net/http"
	"time"
)

// Signature signs one request as a whole, with a secret that is never sent.
type Signature interface {
	// Sign is the last step before the wire. It may set r's path, query and Host to the form
	// that is signed and replace its body by one whose Read fails where what is sent is not
	// what was signed; r must not be sent if it fails.
	Sign(r *http.Request) error
	// Observe takes from an answer what the next request needs: the server's clock, if that
	// is why a signature was refused. It returns by how much that is ahead of ours, if this
	// is news.
	Observe(request *http.Request, response *http.Response) (ahead time.Duration, learnt bool)
}

// Signs reports whether the credential signs requests as a whole.
func (c *Credential) Signs() bool { return c != nil && c.signs }

// Signs reports whether the injection signs the request as a whole, body included.
func (i *Injection) Signs() bool { return i != nil && i.parts.Signature != nil }

// Observe is that of the injection's signature, if it has one.
func (i *Injection) Observe(request *http.Request, response *http.Response) (ahead time.Duration, learnt bool) {
	if !i.Signs() {
		return 0, false
	}
	return i.parts.Signature.Observe(request, response)
}

// Unsignable is why a request cannot be signed as it is, which is for its sender to mend.
type Unsignable struct {
	Detail  string // a sentence without its full stop
	Busy    bool   // there is no room for its body now
	Foreign bool   // it is about what the credential is not for
}

// AsUnsignable finds out whether an error says that a request cannot be signed: by a method
// of that name, whose results are the fields of an [Unsignable].
func AsUnsignable(err error) (Unsignable, bool) {
	var refused interface {
		error
		Unsignable() (detail string, busy, foreign bool)
	}
	if !errors.As(err, &refused) {
		return Unsignable{}, false
	}
	detail, busy, foreign := refused.Unsignable()
	return Unsignable{detail, busy, foreign}, true
}
