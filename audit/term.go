package audit

import (
	"math"
	"strings"
)

// Term is one thing that an exchange can be found by: that a field of it has
// this value, that its text holds these three bytes, that another system knows
// it by this mark. It is a number, so that SQLite keeps it in six bytes: which
// field, and 40 bits of a hash of the value. Two values may share a term; what is found
// by it is therefore compared with the filter again.
type Term int64

// Fields of terms. Those of an intent are its tags.
const (
	fieldText    = 0 // three bytes of the path, the resource or the error
	fieldService = 40
	fieldOutcome = 41
	fieldStatus  = 42
	fieldMark    = 43
	fieldLong    = 45 // the path is longer than is indexed
)

// newTerm is the term of a field's value (FNV-1a).
func newTerm[T ~string | ~[]byte](field byte, value T) Term {
	hash := uint64(14695981039346656037)
	for i := range len(value) {
		hash = (hash ^ uint64(value[i])) * 1099511628211
	}
	return Term(field)<<40 | Term(hash>>24)
}

// indexedPath bytes of a path are indexed by what is in them. Longer ones have the term
// hasLongPath and are looked at themselves: an agent decides how long they are, and each three
// bytes would be a term. In segments that an older program wrote, all of the path is indexed.
const (
	indexedPath = 256
	LongPath    = Term(fieldLong) << 40
)

// MinText is the length in bytes of the shortest Filter.Text.
const MinText = gramLength

const gramLength = 3

func gram(s []byte) Term { return Term(s[0])<<16 | Term(s[1])<<8 | Term(s[2]) }

// grams are the terms of a text, each once.
func grams(text string) []Term {
	var list []Term
	seen := make(map[Term]bool)
	for i := range len(text) - gramLength + 1 {
		if t := gram([]byte(text[i : i+gramLength])); !seen[t] {
			seen[t] = true
			list = append(list, t)
		}
	}
	return list
}

// services are the beginnings of an operation that stand for more than itself:
// "github:" and "github:git/" of "github:git/push".
func services(operation string) []string {
	var list []string
	for i, c := range operation {
		if c == ':' || c == '/' {
			list = append(list, operation[:i+1])
		}
	}
	return list
}

// IntentTerms calls put for every term of an intent's payload; whole is for the terms of a
// segment that an older program wrote.
func IntentTerms(payload []byte, whole bool, put func(Term)) error {
	f := fields{rest: payload}
	for tag, v, ok := f.next(); ok; tag, v, ok = f.next() {
		if field := intentFields.of[tag]; field != nil && field.find != 0 {
			_, packed := field.in.form.(packed[Intent])
			f.terms(field, v, packed, whole, put)
		}
	}
	return f.err
}

// MarkTerms calls put for the terms of what other systems show, as far as details tell it.
func MarkTerms(details map[string]any, put func(Term)) {
	eachMark(details, func(m Mark) { put(newTerm(fieldMark, m.Value)) })
}

// OutcomeTerms calls put for every term of an outcome's payload.
func OutcomeTerms(payload []byte, put func(Term)) error {
	f := fields{rest: payload}
	for tag, v, ok := f.next(); ok; tag, v, ok = f.next() {
		if field := outcomeFields.of[tag]; field != nil && field.find != 0 {
			f.terms(field, v, false, false, put)
		}
	}
	return f.err
}

// terms calls put for every term of a field's value.
func (f *fields) terms(field *field, v []byte, packed, whole bool, put func(Term)) {
	find := field.find
	switch {
	case find&findMarks != 0:
		details, ok := readDetails(v)
		f.check(ok)
		MarkTerms(details, put)
	case find&findMark != 0 && packed:
		mark, ok := readPacked(v)
		f.check(ok)
		put(newTerm(fieldMark, mark))
	case find&findMark != 0:
		put(newTerm(fieldMark, v))
	case field.term == fieldStatus:
		status, ok := readUint(v, math.MaxInt64)
		f.check(ok)
		put(Term(fieldStatus)<<40 | Term(status))
	case find&findWord != 0:
		put(newTerm(field.terms(), v))
	}
	if find&findServices != 0 {
		for _, s := range services(string(v)) {
			put(newTerm(fieldService, s))
		}
	}
	if find&findText != 0 {
		if find&findBegin != 0 && len(v) > indexedPath && !whole {
			put(LongPath)
			v = v[:indexedPath]
		}
		textTerms(v, put)
	}
}

func textTerms(text []byte, put func(Term)) {
	for ; len(text) >= gramLength; text = text[1:] {
		put(gram(text))
	}
}

// isCommit tells a commit from the word for none, which is all zeros.
func isCommit(s string) bool { return strings.Trim(s, "0") != "" }

// HasMark reports whether another system shows x by this mark; events are those beside x.
func (x *Exchange) HasMark(mark string, events []EventRow) bool {
	return x.hasOtherMark(mark) || x.moved(mark, events)
}

// moved is Moved for one commit; none is no commit.
func (x *Exchange) moved(commit string, events []EventRow) bool {
	return isCommit(commit) && x.Moved(events, func(from, to string) bool { return from == commit || to == commit })
}

// hasOtherMark is hasMark for what is no commit.
func (x *Exchange) hasOtherMark(mark string) bool {
	found := mark == x.CredentialFingerprint || x.atService() && mark == x.Outcome.UpstreamRequestID
	for _, details := range []map[string]any{x.Details, x.Outcome.Details} {
		eachOtherMark(details, func(m Mark) { found = found || m.Value == mark })
	}
	return found
}

// atService reports whether the upstream is one whose requests have names. Only by a request
// id that such a one has given is an agent found: any other could give another's.
func (x *Exchange) atService() bool {
	return x.Operation != "" || x.Details["unclassified"] != nil
}

// mayHaveMoved reports whether a push may have moved a ref: it was not refused, nor rejected
// as a whole.
func (x *Exchange) mayHaveMoved() bool {
	o := &x.Outcome
	return o.Outcome != OutcomeRefused && o.Outcome != OutcomeRejected && o.Status < 300
}

// rejectedRefs are the refs of a push that the row lists as rejected.
func (x *Exchange) rejectedRefs() map[string]bool {
	refs := make(map[string]bool)
	addRejected(refs, x.Outcome.Details)
	return refs
}

func addRejected(refs map[string]bool, details map[string]any) {
	list, _ := details[DetailRejected].([]any)
	for _, one := range list {
		switch one := one.(type) {
		case string:
			refs[one] = true
		case map[string]any:
			if ref, ok := one["ref"].(string); ok {
				refs[ref] = true
			}
		}
	}
}

// Moved reports whether the push of x may have moved a ref that move tells of, by its old and
// its new commit; events are those beside x.
func (x *Exchange) Moved(events []EventRow, move func(from, to string) bool) bool {
	if !x.mayHaveMoved() {
		return false
	}
	rejected := x.rejectedRefs()
	all := []map[string]any{x.Details}
	for i := range events {
		switch events[i].Type {
		case TypePushRejected:
			addRejected(rejected, events[i].Payload)
		case TypePushRefs:
			all = append(all, events[i].Payload)
		}
	}
	for _, details := range all {
		refs, _ := details[DetailRefs].([]any)
		for _, ref := range refs {
			m, _ := ref.(map[string]any)
			name, _ := m["ref"].(string)
			from, _ := m["old"].(string)
			to, _ := m["new"].(string)
			if !rejected[name] && move(from, to) {
				return true
			}
		}
	}
	return false
}
