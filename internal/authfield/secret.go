package authfield

import (
	"net/textproto"
	"slices"
)

// CarriesSecret reports whether a header field is where somebody says who is asking, or
// where a service gives a secret or takes one for something else. The trail keeps none.
func CarriesSecret(field string) bool {
	return slices.Contains(secretFields(), Fold(field)) || New(nil, nil).Header(textproto.CanonicalMIMEHeaderKey(field))
}

// CarriesSecretIn is [CarriesSecret] for a parameter of the query, by its decoded name.
func CarriesSecretIn(parameter string) bool {
	return slices.Contains(secretParameters(), Fold(parameter)) || New(nil, nil).Parameter("", parameter)
}

// secretFields and secretParameters are beside [Services]: where secrets are given, or taken
// other than to say who is asking, as in a link that somebody signed.
func secretFields() []string {
	return []string{"authentication-info", "proxy-authentication-info", "set-cookie", "set-cookie2", "x-csrf-token", "x-xsrf-token"}
}

func secretParameters() []string {
	return []string{
		"token", "auth", "client-assertion", "secret", "password", "sig", "signature",
		"x-amz-credential", "x-amz-security-token", "x-amz-signature", "x-goog-credential", "x-goog-signature",
	}
}
