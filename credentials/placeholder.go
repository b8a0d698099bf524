package credentials

import "strings"

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
