package github

import "sallyport/policy"

// facts are what a call of GitHub's has beyond what every call has ([policy.Call]).
type facts struct {
	Account string // that owns what is touched: "acme"; empty if it is not known
	// Hidden: the repository is named by an id that says nothing here, so that only a token
	// that is narrowed to some repositories bounds the call.
	Hidden bool
	// General: what it reads is the same for everybody, and tells nothing of any account.
	General bool
	// WritesRef: the call writes a ref, but is no push, and which ref is not known.
	WritesRef bool

	Ref, Update string // what a push does to which ref: "refs/heads/main", "create"
	Probe       bool   // asks whether there may be a push, and changes nothing yet
	Unread      bool   // of an outline: a push whose refs are in the body
}

// factsOf are the call's; none of a call that has none.
func factsOf(c *policy.Call) facts {
	if f, ok := c.Facts.(*facts); ok {
		return *f
	}
	return facts{}
}

// String is what a push does, for a sentence.
func (f *facts) String() string {
	if f.Ref == "" {
		return ""
	}
	return f.Update + " " + f.Ref
}

// isPush: that a request is a push is all that can be told of one that is not read.
func (f *facts) isPush() bool { return f.Ref != "" || f.Probe || f.Unread }
