package audit

import (
	"encoding/binary"
	"math"
	"strings"

	"github.com/google/uuid"
)

// Caps of stored strings in bytes; longer ones are cut and end in the hash of
// the whole (see truncate).
const (
	capPath  = 2048
	capLong  = 1024 // resource, error
	capText  = 256  // every other string
	capShort = 64   // words: decision, scheme, outcome, method
)

// AppendIntent encodes in, which it does not keep, as begun by an instance: an intent that is
// yet to be recorded does not say which.
func AppendIntent(b []byte, in *Intent, instance *string) []byte {
	for _, s := range intentFields.slots {
		if s.tag == tagInstance {
			b = appendText(b, tagInstance, *instance, capText)
			continue
		}
		b = s.put(b, s.tag, in)
	}
	return b
}

// AppendOutcome encodes out, which it does not keep.
func AppendOutcome(b []byte, out *Outcome) []byte {
	for _, s := range outcomeFields.slots {
		b = s.put(b, s.tag, out)
	}
	return b
}

// DecodeIntent reads a payload into in, which is to be empty.
func DecodeIntent(payload []byte, in *Intent) error {
	f := fields{rest: payload}
	for tag, v, ok := f.next(); ok; tag, v, ok = f.next() {
		field := intentFields.of[tag]
		f.check(field != nil && field.in.take(v, in))
	}
	return f.err
}

// DecodeOutcome reads a payload into out, which is to be empty.
func DecodeOutcome(payload []byte, out *Outcome) error {
	out.BytesSent, out.BytesReceived = -1, -1
	f := fields{rest: payload}
	for tag, v, ok := f.next(); ok; tag, v, ok = f.next() {
		field := outcomeFields.of[tag]
		f.check(field != nil && field.out.take(v, out))
	}
	return f.err
}

// known is what is known of an intent, by the names of the fields.
func (in *Intent) known() map[string]any {
	m := map[string]any{}
	for _, f := range intentFields.order {
		putKnown(m, f.name, f.in.at(in))
	}
	return m
}

func (out *Outcome) known() map[string]any {
	m := map[string]any{}
	for _, f := range outcomeFields.order {
		putKnown(m, f.name, f.out.at(out))
	}
	return m
}

// putKnown puts the value at a place of a slot into m, unless it is unknown.
func putKnown(m map[string]any, name string, at any) {
	if whole, part, nested := strings.Cut(name, "."); nested {
		parts, _ := m[whole].(map[string]any)
		if parts == nil {
			parts = map[string]any{}
		}
		if putKnown(parts, part, at); len(parts) > 0 {
			m[whole] = parts
		}
		return
	}
	switch at := at.(type) {
	case *string:
		if *at != "" {
			m[name] = *at
		}
	case *uuid.UUID:
		if *at != uuid.Nil {
			m[name] = at.String()
		}
	case *uint16:
		if *at != 0 {
			m[name] = int64(*at)
		}
	case *int:
		if *at != 0 {
			m[name] = int64(*at)
		}
	case *int64:
		if *at >= 0 {
			m[name] = *at
		}
	case *float64:
		if *at != 0 {
			m[name] = *at
		}
	case *Timings:
		for i, ms := range at.list() {
			putKnown(m, name+"."+timingNames[i], &ms)
		}
	case *map[string]any:
		if len(*at) > 0 {
			m[name] = *at
		}
	}
}

// after is n + 1, or 0 for an unknown number.
func after(n int64) uint64 { return uint64(min(max(n, -1), math.MaxInt64-1) + 1) }

// timingNames are the parts of timings in the order in which they are stored and told.
var timingNames = []string{"authorize", "credential", "audit", "connect", "first_byte", "total"}

const timingParts = 6

// list is the parts in the order of their names.
func (t *Timings) list() [timingParts]float64 {
	return [...]float64{t.Authorize, t.Credential, t.Audit, t.Connect, t.FirstByte, t.Total}
}

// appendTimings appends six uvarints of microseconds, zero for unknown.
func appendTimings(b []byte, tag byte, t *Timings) []byte {
	if *t == (Timings{}) {
		return b
	}
	var buf [timingParts * binary.MaxVarintLen64]byte
	v := buf[:0]
	for _, ms := range t.list() {
		v = binary.AppendUvarint(v, micros(ms))
	}
	if string(v) == "\x00\x00\x00\x00\x00\x00" {
		return b
	}
	return appendBytes(b, tag, v)
}

func readTimings(v []byte) (t Timings, ok bool) {
	var list [timingParts]float64
	var any uint64
	for i := range list {
		us, rest, ok := takeUvarint(v)
		if !ok || us > maxMicros {
			return t, false
		}
		v, any = rest, any|us
		list[i] = millis(us)
	}
	t = Timings{Authorize: list[0], Credential: list[1], Audit: list[2], Connect: list[3], FirstByte: list[4], Total: list[5]}
	return t, len(v) == 0 && any != 0
}

// maxMicros bounds a stored duration (some 285 years, exact as a float64).
const maxMicros = 1<<53 - 1

// micros turns milliseconds into whole microseconds; what is known but rounds
// to nothing is one, because zero means unknown.
func micros(ms float64) uint64 {
	switch {
	case !(ms > 0): // also NaN
		return 0
	case ms*1000 >= maxMicros:
		return maxMicros
	}
	return max(uint64(math.Round(ms*1000)), 1)
}

func millis(us uint64) float64 { return float64(us) / 1000 }

func readDetails(v []byte) (m map[string]any, ok bool) {
	m, err := DecodeMap(v)
	return m, err == nil && len(v) <= maxDetails
}
