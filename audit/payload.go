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
	for _, f := range intentFields.order {
		at := f.in.of(in)
		if f.in.tag == tagInstance {
			at = instance
		}
		b = appendSlot(b, f.in.tag, f.in.limit, f.in.packed, at)
	}
	return b
}

func AppendOutcome(b []byte, out *Outcome) []byte {
	for _, f := range outcomeFields.order {
		b = appendSlot(b, f.out.tag, f.out.limit, false, f.out.of(out))
	}
	return b
}

// appendSlot appends a field with the value at a place of a slot, nothing if it is unknown.
func appendSlot(b []byte, tag byte, limit int, packed bool, at any) []byte {
	switch at := at.(type) {
	case *string:
		if packed {
			return appendPacked(b, tag, *at, limit)
		}
		return appendText(b, tag, *at, limit)
	case *uuid.UUID:
		if *at != uuid.Nil {
			return appendBytes(b, tag, at[:])
		}
	case *uint16:
		return appendUint(b, tag, uint64(*at))
	case *int:
		return appendUint(b, tag, uint64(max(*at, 0)))
	case *int64:
		return appendUint(b, tag, count(*at))
	case *float64:
		return appendUint(b, tag, micros(*at))
	case *Timings:
		return appendTimings(b, tag, at)
	case *map[string]any:
		return appendDetails(b, tag, *at)
	}
	return b
}

func DecodeIntent(payload []byte, in *Intent) error {
	f := fields{rest: payload}
	for tag, v, ok := f.next(); ok; tag, v, ok = f.next() {
		if field := intentFields.of[tag]; field != nil {
			f.into(field.in.of(in), v, field.in.limit, field.in.packed)
		} else {
			f.err = errEncoding
		}
	}
	return f.err
}

func DecodeOutcome(payload []byte, out *Outcome) error {
	out.BytesSent, out.BytesReceived = -1, -1
	f := fields{rest: payload}
	for tag, v, ok := f.next(); ok; tag, v, ok = f.next() {
		if field := outcomeFields.of[tag]; field != nil {
			f.into(field.out.of(out), v, field.out.limit, false)
		} else {
			f.err = errEncoding
		}
	}
	return f.err
}

// into reads a value into the place of a slot.
func (f *fields) into(at any, v []byte, limit int, packed bool) {
	switch at := at.(type) {
	case *string:
		if packed {
			*at = f.packed(v)
		} else {
			*at = f.text(v, limit)
		}
	case *uuid.UUID:
		*at = f.uuid(v)
	case *uint16:
		*at = f.port(v)
	case *int:
		*at = int(f.int(v))
	case *int64:
		*at = f.int(v) - 1
	case *float64:
		*at = f.millis(v)
	case *Timings:
		*at = f.timings(v)
	case *map[string]any:
		*at = f.details(v)
	}
}

// known is what is known of an intent, by the names of the fields.
func (in *Intent) known() map[string]any {
	m := map[string]any{}
	for _, f := range intentFields.order {
		putKnown(m, f.name, f.in.of(in))
	}
	return m
}

func (out *Outcome) known() map[string]any {
	m := map[string]any{}
	for _, f := range outcomeFields.order {
		putKnown(m, f.name, f.out.of(out))
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
		for _, part := range timingParts {
			putKnown(m, name+"."+part.name, part.of(at))
		}
	case *map[string]any:
		if len(*at) > 0 {
			m[name] = *at
		}
	}
}

// count is n + 1, or 0 for an unknown number.
func count(n int64) uint64 { return uint64(min(max(n, -1), math.MaxInt64-1) + 1) }

// timingParts are the parts of timings in the order in which they are stored and told.
var timingParts = []struct {
	name string
	of   func(*Timings) *float64
}{
	{"authorize", func(t *Timings) *float64 { return &t.Authorize }},
	{"credential", func(t *Timings) *float64 { return &t.Credential }},
	{"audit", func(t *Timings) *float64 { return &t.Audit }},
	{"connect", func(t *Timings) *float64 { return &t.Connect }},
	{"first_byte", func(t *Timings) *float64 { return &t.FirstByte }},
	{"total", func(t *Timings) *float64 { return &t.Total }},
}

// appendTimings appends six uvarints of microseconds, zero for unknown.
func appendTimings(b []byte, tag byte, t *Timings) []byte {
	if *t == (Timings{}) {
		return b
	}
	var buf [6 * binary.MaxVarintLen64]byte
	v := buf[:0]
	for i := range timingParts {
		v = binary.AppendUvarint(v, micros(*timingParts[i].of(t)))
	}
	if string(v) == "\x00\x00\x00\x00\x00\x00" {
		return b
	}
	return appendBytes(b, tag, v)
}

func (f *fields) timings(v []byte) (t Timings) {
	var any uint64
	for i := range timingParts {
		us, rest, ok := takeUvarint(v)
		if !ok || us > maxMicros {
			f.err = errEncoding
			return Timings{}
		}
		v, any = rest, any|us
		*timingParts[i].of(&t) = millis(us)
	}
	if len(v) != 0 || any == 0 {
		f.err = errEncoding
	}
	return t
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

func (f *fields) millis(v []byte) float64 {
	us := f.uint(v)
	if us > maxMicros {
		f.err = errEncoding
	}
	return millis(us)
}

func (f *fields) details(v []byte) map[string]any {
	m, err := DecodeMap(v)
	if err != nil || len(v) > maxDetails {
		f.err = errEncoding
	}
	return m
}

func (f *fields) int(v []byte) int64 {
	n := f.uint(v)
	if n > math.MaxInt64 {
		f.err = errEncoding
		return 0
	}
	return int64(n)
}

func (f *fields) port(v []byte) uint16 {
	n := f.uint(v)
	if n > math.MaxUint16 {
		f.err = errEncoding
	}
	return uint16(n)
}

func (f *fields) uuid(v []byte) uuid.UUID {
	id, err := uuid.FromBytes(v)
	if err != nil || id == uuid.Nil {
		f.err = errEncoding
	}
	return id
}
