package wire

import (
	"errors"
	"net/http"
	"strings"

	"sallyport/internal/fieldname"
	"sallyport/internal/host"
)

// Framing is what the bytes of a request's header section say beside what a handler is
// given of them.
type Framing struct {
	http2 bool

	// When the request was sent before the one before it was answered, in one packet
	// with that one's body, known is false: where it begins, that one's framing alone
	// says.
	known bool
	host  string // the Host field
	err   error  // what is ambiguous
	names fieldname.Names
}

// Names is how the agent has written the names of its fields over HTTP/1.1.
func (f Framing) Names() fieldname.Names { return f.names }

// Fault is what is wrong with a request as it was sent.
type Fault struct {
	Detail string // a sentence for the agent; it repeats nothing that could be a secret
	Cause  error  // what was found, for the record alone; nil if Detail says it all
	Ends   bool   // the connection must end with the answer: what follows may be no request
}

// Host returns the Host field of r as it was sent, which may differ from r.Host; or what
// makes the request ambiguous.
func (f Framing) Host(r *http.Request) (string, *Fault) {
	if f.http2 {
		return hostOfHTTP2(r)
	}
	if fault := f.fault(); fault != nil {
		return "", fault
	}
	if f.known {
		return f.host, nil
	}
	if chunked := len(r.TransferEncoding) > 0; chunked || r.URL.IsAbs() {
		return "", &Fault{Detail: "The request was sent before the one before it was answered, so its framing cannot be checked.", Ends: true}
	}
	return r.Host, nil
}

func (f Framing) fault() *Fault {
	if f.err == nil {
		return nil
	}
	return &Fault{Detail: "The header section is ambiguous: " + f.err.Error() + ".", Ends: true}
}

// hostOfHTTP2 is the Host field that may stand beside :authority, and must not
// differ from it (RFC 9113 section 8.3.1).
func hostOfHTTP2(r *http.Request) (string, *Fault) {
	switch fields := r.Header["Host"]; len(fields) {
	case 0:
		return r.Host, nil
	case 1:
		return fields[0], nil
	}
	return "", &Fault{Detail: "The Host header is repeated."}
}

// errUserInfo does not repeat what stands before the @: it may be a password.
var errUserInfo = errors.New("it has an @: user information is not accepted")

// ParseAuthority is host.ParseAuthority for what an agent has sent: its error may be put
// on record, as it holds no user information.
func ParseAuthority(text string, defaultPort uint16) (host.Authority, error) {
	if strings.Contains(text, "@") {
		return host.Authority{}, errUserInfo
	}
	return host.ParseAuthority(text, defaultPort)
}
