package credentials

import (
	"encoding/base64"
	"strings"
)

// Placeholder stands where a client wants a secret before it sends anything. The proxy
// removes it or replaces it, and never passes it on.
const Placeholder = "sallyport-placeholder"

// PlaceholderOf is the placeholder that is one agent's, for clients that send it as the name of
// a key: it says what it is and whose, and is nobody's key.
func PlaceholderOf(agent string) string {
	return "SALLYPORT" + strings.ToUpper(strings.ReplaceAll(agent, "-", ""))
}

// IsPlaceholder reports whether an agent's client sent what it was given, and not what somebody
// else gave it.
func IsPlaceholder(id, agent string) bool { return id == Placeholder || id == PlaceholderOf(agent) }

// HoldsPlaceholder reports whether a value is the [Placeholder], or something around it, such
// as a scheme before it, or Basic's encoding of it beside a name (RFC 7617).
func HoldsPlaceholder(value string) bool {
	if strings.Contains(value, Placeholder) {
		return true
	}
	scheme, encoded, found := strings.Cut(value, " ")
	if !found || !strings.EqualFold(scheme, "Basic") {
		return false
	}
	decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(encoded), "="))
	return err == nil && strings.Contains(string(decoded), Placeholder)
}
