package audit

import "strings"

// term is one thing that an exchange can be found by: that a field of it has
// this value, that its text holds these three bytes, that another system knows
// it by this mark. It is a number, so that SQLite keeps it in six bytes: which
// field, and 40 bits of a hash of the value. Two values may share a term; what is found
// by it is therefore compared with the filter again.
type term int64

// Fields of terms. Those of an intent are its tags.
const (
	fieldText    = 0 // three bytes of the path, the resource or the error
	fieldService = 40
	fieldOutcome = 41
	fieldStatus  = 42
	fieldMark    = 43
	fieldRows    = -1 // not a term: the seqs of a segment's rows
)

// newTerm is the term of a field's value (FNV-1a).
func newTerm[T ~string | ~[]byte](field byte, value T) term {
	hash := uint64(14695981039346656037)
	for i := range len(value) {
		hash = (hash ^ uint64(value[i])) * 1099511628211
	}
	return term(field)<<40 | term(hash>>24)
}

// MinText is the length in bytes of the shortest Filter.Text.
const MinText = gramLength

const gramLength = 3

func gram(s []byte) term { return term(s[0])<<16 | term(s[1])<<8 | term(s[2]) }

// grams are the terms of a text, each once.
func grams(text string) []term {
	var list []term
	seen := make(map[term]bool)
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

// intentTerms calls put for every term of an intent's payload.
func intentTerms(payload []byte, put func(term)) error {
	f := fields{rest: payload}
	for tag, v, ok := f.next(); ok; tag, v, ok = f.next() {
		switch tag {
		case tagAgent, tagAgentName, tagOwner, tagAcc, tagPolicy, tagRule, tagDecision, tagHost, tagCredential:
			put(newTerm(tag, v))
		case tagOperation:
			put(newTerm(tag, v))
			for _, s := range services(string(v)) {
				put(newTerm(fieldService, s))
			}
		case tagResource:
			put(newTerm(tag, v))
			textTerms(v, put)
		case tagPath:
			textTerms(v, put)
		case tagFingerprint:
			put(newTerm(fieldMark, f.packed(v)))
		case tagDetails:
			eachMark(f.details(v), func(mark string) { put(newTerm(fieldMark, mark)) })
		}
	}
	return f.err
}

// outcomeTerms calls put for every term of an outcome's payload.
func outcomeTerms(payload []byte, put func(term)) error {
	f := fields{rest: payload}
	for tag, v, ok := f.next(); ok; tag, v, ok = f.next() {
		switch tag {
		case tagOutcome:
			put(newTerm(fieldOutcome, v))
		case tagStatus:
			put(term(fieldStatus)<<40 | term(f.int(v)))
		case tagRequestID:
			put(newTerm(fieldMark, v))
		case tagOutDetails:
			eachMark(f.details(v), func(mark string) { put(newTerm(fieldMark, mark)) })
		case tagError:
			textTerms(v, put)
		}
	}
	return f.err
}

func textTerms(text []byte, put func(term)) {
	for ; len(text) >= gramLength; text = text[1:] {
		put(gram(text))
	}
}

// eachMark calls fn for what other systems show of an exchange, as far as
// details tell it: the hash of its token, its AWS session, the commits that a
// push moved refs from and to.
func eachMark(details map[string]any, fn func(string)) {
	for _, key := range [...]string{"access_key_id", "session_name", "source_identity"} {
		if s, ok := details[key].(string); ok && s != "" {
			fn(s)
		}
	}
	if s, ok := details["hashed_token"].(string); ok {
		if mark, ok := TokenMark(s); ok {
			fn(mark)
		}
	}
	refs, _ := details["refs"].([]any)
	for _, ref := range refs {
		m, _ := ref.(map[string]any)
		for _, key := range [...]string{"old", "new"} {
			if s, ok := m[key].(string); ok && strings.Trim(s, "0") != "" {
				fn(s)
			}
		}
	}
}

// hasMark reports whether another system shows x by this mark.
func (x *Exchange) hasMark(mark string) bool {
	found := mark == x.CredentialFingerprint || mark == x.Outcome.UpstreamRequestID
	for _, details := range []map[string]any{x.Details, x.Outcome.Details} {
		eachMark(details, func(m string) { found = found || m == mark })
	}
	return found
}
