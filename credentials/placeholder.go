package credentials

import (
	"net/url"
	"strings"
)

// Placeholder stands where a client wants a secret before it sends anything. The proxy
// removes it or replaces it, and never passes it on.
const Placeholder = "sallyport-placeholder"

// AWSPlaceholder is the access key id that an agent's clients of AWS are given: it says
// what it is and whose, and is nobody's key.
func AWSPlaceholder(agent string) string {
	return "SALLYPORT" + strings.ToUpper(strings.ReplaceAll(agent, "-", ""))
}

// IsAWSPlaceholder reports whether an agent's client signed with what it was given, and
// not with a key that somebody else gave it.
func IsAWSPlaceholder(id, agent string) bool { return id == Placeholder || id == AWSPlaceholder(agent) }

// RemovePresigned returns the raw query without the signature of a presigned URL that
// the agent's placeholder keys have made. A link that somebody else has signed stays as
// it is.
func RemovePresigned(rawQuery, agent string) string {
	const named = "X-Amz-Credential"
	if !mayHold(rawQuery, named) {
		return rawQuery
	}
	ours := false
	for pair := range strings.FieldsFuncSeq(rawQuery, func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, _ := strings.Cut(pair, "=")
		value, _ = url.QueryUnescape(value) // what cannot be read names no placeholder
		id, _, _ := strings.Cut(value, "/")
		ours = ours || spells(name, named) && IsAWSPlaceholder(id, agent)
	}
	if !ours {
		return rawQuery
	}
	for _, name := range []string{"Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature", "Security-Token"} {
		rawQuery = RemoveParameter(rawQuery, "X-Amz-"+name)
	}
	return rawQuery
}
