package policy

// Verdict is what a matcher says about a request. Where servers may read a
// request in two ways, the careful answer depends on the rule's effect, so that
// matchers report the doubt and Decide resolves it. The least of two verdicts is that of a
// rule which asks for both.
type Verdict uint8

// The verdicts, weakest first.
const (
	Mismatch Verdict = iota
	Doubtful         // a lenient server may read the request as one that the rule names
	Matched          // it is one that the rule names

	// unreadable: the rule needs a part of the request that has no single reading. Only
	// rules about hosts say so.
	unreadable
)

// VerdictOf is the verdict where there is no doubt.
func VerdictOf(matches bool) Verdict {
	if matches {
		return Matched
	}
	return Mismatch
}
