package credentials

import (
	"errors"
	"strings"

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
	return &Injection{name: name, hosts: []host.Pattern{pattern}, parts: Parts{
		Header: "Authorization", Written: fixed(authorization), Traits: MintedTraits(secret, authorization), Details: details,
	}}, nil
}
