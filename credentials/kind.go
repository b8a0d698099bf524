package credentials

import (
	"encoding/base64"
	"errors"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// Kind is one way to make a credential of an entry of credentials.yaml.
type Kind struct {
	Name string
	Keys []string // that its entries have, beside kind
	// Signs: its credentials sign requests as a whole, and are never sent.
	Signs bool
	// Decode reads an entry. What is wrong it reports through the section, and leaves the
	// credential half done then.
	Decode func(s *Section, c *Credential)
}

// generic are the kinds that know no service: one secret, written in one place or shown in the handshake.
func generic() []Kind {
	return []Kind{
		{Name: "header", Keys: []string{"header", "prefix", "secret", "hosts"}, Decode: decodeHeader},
		{Name: "bearer", Keys: []string{"secret", "hosts"}, Decode: decodeBearer},
		{Name: "basic", Keys: []string{"username", "secret", "hosts"}, Decode: decodeBasic},
		{Name: "query", Keys: []string{"parameter", "secret", "hosts"}, Decode: decodeQuery},
		{Name: "certificate", Keys: []string{"certificate", "secret", "hosts"}, Decode: decodeCertificate},
	}
}

// Placement is where a secret is written, and in what form.
type Placement struct {
	Header    string // canonical name, or
	Parameter string // name of a query parameter
	Form      func(secret string) (Form, error)
}

// Form is a secret as it is written on a request to u. Where it is not to be written,
// the answer is empty, and what the agent sent is only removed.
type Form func(u *url.URL) string

// anywhere is the form as it is written where nothing else is said.
func (f Form) anywhere() string { return f(&url.URL{}) }

// fixed is the form that is the same everywhere.
func fixed(written string) Form {
	return func(*url.URL) string { return written }
}

func decodeHeader(s *Section, c *Credential) {
	name, ok := s.Text("header", "x-api-key")
	name = textproto.CanonicalMIMEHeaderKey(name)
	if ok && !validToken(name) {
		s.Wrong("header", "is not a header name; write header: x-api-key")
	}
	if ok && slices.Contains(framing(), name) {
		s.Wrong("header", "%s frames or routes the message and cannot hold a secret; name the header that the service reads its key from", name)
	}
	prefix := ""
	if s.Has("prefix") {
		if prefix, ok = s.Text("prefix", `"Token "`); ok && !validValue(prefix) {
			s.Wrong("prefix", "holds a byte that no header value may have")
		}
	}
	s.decodePlaced(c, Placement{Header: name, Form: Prefixed(prefix)})
}

func decodeBearer(s *Section, c *Credential) {
	s.decodePlaced(c, Placement{Header: "Authorization", Form: Prefixed("Bearer ")})
}

func decodeBasic(s *Section, c *Credential) {
	username, ok := s.Text("username", "x-access-token")
	if ok && (strings.Contains(username, ":") || !validValue(username)) {
		// RFC 7617 section 2: the first colon ends the user-id.
		s.Wrong("username", "holds a colon or a control character, which Basic authentication cannot carry")
	}
	s.decodePlaced(c, Placement{Header: "Authorization", Form: func(secret string) (Form, error) {
		return fixed(Basic(username, secret)), nil
	}})
}

func decodeQuery(s *Section, c *Credential) {
	name, ok := s.Text("parameter", "key")
	if ok && (name == "" || !validValue(name)) {
		s.Wrong("parameter", "is not the name of a query parameter; write parameter: key")
	}
	s.decodePlaced(c, Placement{Parameter: name, Form: func(secret string) (Form, error) {
		return fixed(escape(secret)), nil
	}})
}

// decodePlaced reads what every kind with one secret in one place has.
func (s *Section) decodePlaced(c *Credential, at Placement) {
	c.Made(s.Placed(c, at), s.Hosts())
}

// Prefixed writes the secret as it is, behind a prefix. White space at its ends would not
// survive: RFC 9110 section 5.5 leaves it out of a field's value.
func Prefixed(prefix string) func(secret string) (Form, error) {
	return func(secret string) (Form, error) {
		if strings.TrimSpace(secret) != secret {
			return nil, errors.New("its secret starts or ends with white space, which a header cannot carry; correct what its source gives")
		}
		return fixed(prefix + secret), nil
	}
}

// Basic is a field value of Basic authentication (RFC 7617).
func Basic(username, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(username+":"+secret))
}

// framing lists the headers that decide where a message ends or goes.
func framing() []string {
	return []string{
		"Connection", "Content-Length", "Expect", "Host", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
		"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	}
}

// validToken reports whether s is a field name (RFC 9110 section 5.6.2).
func validToken(s string) bool {
	const symbols = "!#$%&'*+-.^_`|~"
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune(symbols, r)
	})
}

// validValue reports whether s can stand in a field value: visible characters,
// spaces, and bytes above ASCII (RFC 9110 section 5.5), but no tab, which no secret has.
func validValue(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}
