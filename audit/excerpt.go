package audit

import "math"

// OutcomeExcerpt is what is asked of an outcome most.
type OutcomeExcerpt struct {
	Outcome string
	Refusal []byte
	Status  int64
}

// ExcerptOutcome reads the fields of an outcome that queries filter by, which come first, without the
// cost of reading all.
func ExcerptOutcome(payload []byte) (r OutcomeExcerpt, err error) {
	f := fields{rest: payload}
	for tag, v, ok := f.next(); ok && tag <= tagStatus; tag, v, ok = f.next() {
		switch tag {
		case tagOutcome:
			r.Outcome = word(v)
		case tagOutRefusal:
			r.Refusal = v
		case tagStatus:
			status, ok := readUint(v, math.MaxInt64)
			f.check(ok)
			r.Status = int64(status)
		}
	}
	return r, f.err
}

// ExcerptTexts reads path and resource of an intent, which come right after the fields of its
// kind; rest is the payload without these.
func ExcerptTexts(rest []byte) (path, resource []byte, err error) {
	f := fields{rest: rest}
	for tag, v, ok := f.next(); ok && tag <= tagResource; tag, v, ok = f.next() {
		switch tag {
		case tagPath:
			path = v
		case tagResource:
			resource = v
		}
	}
	return path, resource, f.err
}

// word returns one of the few outcomes without a copy for each exchange.
func word(v []byte) string {
	for _, w := range [...]string{ // as Outcomes, without a slice
		OutcomeCompleted, OutcomeRefused, OutcomeUpstreamFailed, OutcomeTimedOut,
		OutcomeClientGone, OutcomeRevoked, OutcomeInterrupted, OutcomeRejected,
	} {
		if string(v) == w {
			return w
		}
	}
	return string(v)
}
