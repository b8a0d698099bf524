package sigv4

import (
	"net/http"
	"time"
)

// SignAsIs signs r over the headers named, with nothing removed before: the form in
// which AWS publishes its examples.
func (s *Signer) SignAsIs(r *http.Request, region, service, payload string, now time.Time, signed ...string) error {
	query, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	r.Host = hostOf(r)
	_, err = s.sign(r, &Inbound{Region: region, Service: service, signed: signed}, query, payload, now)
	return err
}

// Canonical returns a query as it is signed and as it is sent.
func Canonical(raw string) (canonical, wire string, err error) {
	query, err := parseQuery(raw)
	return string(query.appendCanonical(nil)), query.wire(), err
}

// CanonicalPath returns a path as it is signed.
func CanonicalPath(escaped, service string) (string, error) {
	b, err := appendPath(nil, escaped, service)
	return string(b), err
}
