package audit

import (
	"encoding/base64"
	"encoding/hex"
)

// MarkKind says what kind of thing a mark is, in words for people.
type MarkKind string

// The kinds of marks. A request id leads to one exchange, a commit to the pushes that moved a
// ref to or from it, the others to all exchanges of a session.
const (
	MarkRequest MarkKind = "request id"
	MarkCommit  MarkKind = "git commit"
	MarkToken   MarkKind = "token"
	MarkKey     MarkKind = "access key"
	MarkSource  MarkKind = "source identity"
	MarkSession MarkKind = "session name"
	MarkMade    MarkKind = "made" // the address of what a call has made
)

// Mark is one thing by which another system shows an exchange. An exchange is found by its
// value alone; its kind says what it can lead to.
type Mark struct {
	Kind  MarkKind `json:"kind"`
	Value string   `json:"value"`
}

// Keys under which the details of a row tell marks. Who fills details with what a service knows
// an exchange by uses these.
const (
	DetailKey     = "access_key_id"
	DetailSession = "session_name"
	DetailSource  = "source_identity"
	DetailToken   = "hashed_token" // as GitHub's audit log shows it: see TokenMark
	DetailRefs    = "refs"         // a list of what was moved, each with an "old" and a "new" commit
	DetailMade    = "made"         // a list of what was made, each with a DetailMark and whatever else is told of it
	DetailMark    = "mark"
)

// Keys of the details beside DetailRefs: what the server did not move, and how many there are of
// each where the row has no room for all.
const (
	DetailRefsTotal     = "refs_total"
	DetailRejected      = "rejected"
	DetailRejectedTotal = "rejected_total"
)

// eachMark calls fn for what other systems show of an exchange, as far as details tell it.
func eachMark(details map[string]any, fn func(Mark)) {
	eachOtherMark(details, fn)
	refs, _ := details[DetailRefs].([]any)
	for _, ref := range refs {
		m, _ := ref.(map[string]any)
		for _, key := range [...]string{"old", "new"} {
			if s, ok := m[key].(string); ok && isCommit(s) {
				fn(Mark{MarkCommit, s})
			}
		}
	}
}

// eachOtherMark is eachMark for what is no commit.
func eachOtherMark(details map[string]any, fn func(Mark)) {
	for _, one := range [...]struct {
		key  string
		kind MarkKind
	}{{DetailKey, MarkKey}, {DetailSession, MarkSession}, {DetailSource, MarkSource}} {
		if s, ok := details[one.key].(string); ok && s != "" {
			fn(Mark{one.kind, s})
		}
	}
	made, _ := details[DetailMade].([]any)
	for _, one := range made {
		m, _ := one.(map[string]any)
		if s, ok := m[DetailMark].(string); ok && s != "" {
			fn(Mark{MarkMade, s})
		}
	}
	if s, ok := details[DetailToken].(string); ok {
		if sum, ok := TokenMark(s); ok {
			fn(Mark{MarkToken, sum})
		}
	}
}

// TokenMark is the mark of a token by its hash as GitHub's audit log shows it
// (hashed_token: SHA-256 in base64): the same as the fingerprint of its
// credential. It is false for what is no such hash.
func TokenMark(hashed string) (string, bool) {
	sum, err := base64.StdEncoding.DecodeString(hashed)
	if err != nil || len(sum) != 32 {
		return "", false
	}
	return hex.EncodeToString(sum), true
}
