package sigv4

import (
	"encoding/hex"
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
	_, err = s.sign(r, &Inbound{by: algorithm, Region: region, Service: service, signed: signed}, query, payload, now)
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

// PublicKey returns the coordinates of the key pair that SigV4A signs with.
func (k Keys) PublicKey() (x, y string, err error) {
	key, err := derivePair(k)
	if err != nil {
		return "", "", err
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return "", "", err
	}
	return hex.EncodeToString(point[1:33]), hex.EncodeToString(point[33:]), nil
}
