package api

import "strings"

// Reason is why a request could not be named, one word for logs and tests.
type Reason string

// The reasons.
const (
	// ReasonService: no service signs by this name.
	ReasonService Reason = "unknown service"
	// ReasonHost: a host of the service that does not take its operations.
	ReasonHost Reason = "host"
	// ReasonUnknown: the service has no such operation.
	ReasonUnknown Reason = "unknown operation"
	// ReasonConflict: what the request says of its operation does not agree.
	ReasonConflict Reason = "conflicting signals"
	// ReasonPath: a form of path that two servers may read differently.
	ReasonPath Reason = "ambiguous path"
	// ReasonQuery: a query that cannot be read, or with keys that are not known.
	ReasonQuery Reason = "query"
	// ReasonBody: a body that holds the name and cannot be read.
	ReasonBody Reason = "body"
	// ReasonTooLarge: a body that holds the name and is longer than is read.
	ReasonTooLarge Reason = "too large"
)

// Unresolved is the error of a request that could not be named. Its message is a
// sentence for the agent; it holds parts of the request, never a secret.
type Unresolved struct {
	Reason Reason
	Detail string
}

func (u *Unresolved) Error() string { return u.Detail }

func unresolved(reason Reason, detail string) *Unresolved {
	return &Unresolved{Reason: reason, Detail: detail}
}

// printable bounds what an error repeats of a request.
func printable(s string) string {
	if len(s) > 64 {
		s = s[:64]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
