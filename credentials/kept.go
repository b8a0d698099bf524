package credentials

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"
	"strings"
	"sync"

	"sallyport/internal/host"
)

// maxKept is far above any authorization that a service gives for one transfer.
const maxKept = 8 << 10

// Kept is an authorization that an upstream gave in an answer: it goes to one authority,
// in the Authorization field as it is. name is the credential by which the answer was
// had.
func Kept(name string, to host.Authority, authorization string, details map[string]any) (*Injection, error) {
	pattern, err := host.ParsePattern(to.String())
	if err != nil {
		return nil, err
	}
	if authorization == "" || len(authorization) > maxKept || !validValue(authorization) || strings.TrimSpace(authorization) != authorization {
		return nil, errors.New("it is no value of an Authorization field")
	}
	_, secret, found := strings.Cut(authorization, " ")
	if !found {
		secret = authorization
	}
	sum := sha256.Sum256([]byte(secret))
	return &Injection{
		name: name, hosts: []host.Pattern{pattern}, place: placement{header: "Authorization"},
		written: func(*url.URL) string { return authorization }, fingerprint: hex.EncodeToString(sum[:]), details: details,
		scrubber: sync.OnceValue(func() *scrubber { return newScrubber(secret, authorization) }), shortest: len(secret),
	}, nil
}
