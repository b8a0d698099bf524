package audit

import (
	"math"
	"time"

	"github.com/google/uuid"
)

// form is a value of an intent or an outcome, and how it is stored and told. Each kind of value has
// one, whose accessor has the type of the value: rows are encoded on the way of every request, and an
// accessor that returns any kind of value would cost as much there as the encoding.
type form[T any] interface {
	// put appends the value to a payload, nothing if it is unknown.
	put(b []byte, tag byte, x *T) []byte
	// take reads it from a payload; false if it is not encoded so.
	take(v []byte, x *T) (ok bool)
	// tell writes it as a member of a JSON object; ended says that counts are counted.
	tell(o *object, key string, x *T, ended bool)
	// at is where it is, as a pointer of its type: for what is not done for every request.
	at(x *T) any
}

// slot is a field's place in the payload of an intent or an outcome.
type slot[T any] struct {
	tag byte // 0: it is not there
	form[T]
}

func words[T any](tag byte, limit int, of func(*T) *string) slot[T] {
	return slot[T]{tag, text[T]{limit, of}}
}

func hashed[T any](tag byte, of func(*T) *string) slot[T] { return slot[T]{tag, packed[T](of)} }

// text is a string that is cut at a limit.
type text[T any] struct {
	limit int
	of    func(*T) *string
}

func (t text[T]) put(b []byte, tag byte, x *T) []byte { return appendText(b, tag, *t.of(x), t.limit) }

func (t text[T]) take(v []byte, x *T) (ok bool) {
	*t.of(x), ok = readText(v, t.limit)
	return ok
}

func (t text[T]) at(x *T) any { return t.of(x) }

func (t text[T]) tell(o *object, key string, x *T, _ bool) { o.text(key, *t.of(x)) }

// packed is a string that is usually hexadecimal digits, and is stored in half their number.
type packed[T any] func(*T) *string

func (of packed[T]) put(b []byte, tag byte, x *T) []byte {
	return appendPacked(b, tag, *of(x), capText)
}

func (of packed[T]) take(v []byte, x *T) (ok bool) {
	*of(x), ok = readPacked(v)
	return ok
}

func (of packed[T]) at(x *T) any { return of(x) }

func (of packed[T]) tell(o *object, key string, x *T, _ bool) { o.text(key, *of(x)) }

// id is a UUID.
type id[T any] func(*T) *uuid.UUID

func (of id[T]) put(b []byte, tag byte, x *T) []byte {
	if at := of(x); *at != uuid.Nil {
		return appendBytes(b, tag, at[:])
	}
	return b
}

func (of id[T]) take(v []byte, x *T) (ok bool) {
	*of(x), ok = readID(v)
	return ok
}

func (of id[T]) tell(o *object, key string, x *T, _ bool) { o.uuid(key, *of(x)) }
func (of id[T]) at(x *T) any                              { return of(x) }

// port is a number of 16 bits, 0 if unknown.
type port[T any] func(*T) *uint16

func (of port[T]) put(b []byte, tag byte, x *T) []byte { return appendUint(b, tag, uint64(*of(x))) }
func (of port[T]) take(v []byte, x *T) (ok bool) {
	n, ok := readUint(v, math.MaxUint16)
	*of(x) = uint16(n)
	return ok
}

func (of port[T]) tell(o *object, key string, x *T, _ bool) { o.positive(key, int64(*of(x))) }
func (of port[T]) at(x *T) any                              { return of(x) }

// number is a number above 0, 0 if unknown.
type number[T any] func(*T) *int

func (of number[T]) put(b []byte, tag byte, x *T) []byte {
	return appendUint(b, tag, uint64(max(*of(x), 0)))
}

func (of number[T]) take(v []byte, x *T) (ok bool) {
	n, ok := readUint(v, math.MaxInt64)
	*of(x) = int(n)
	return ok
}

func (of number[T]) tell(o *object, key string, x *T, _ bool) { o.positive(key, int64(*of(x))) }
func (of number[T]) at(x *T) any                              { return of(x) }

// count is a number that may be 0, below 0 if unknown. It is stored as the number after it.
type count[T any] func(*T) *int64

func (of count[T]) put(b []byte, tag byte, x *T) []byte { return appendUint(b, tag, after(*of(x))) }
func (of count[T]) take(v []byte, x *T) (ok bool) {
	n, ok := readUint(v, math.MaxInt64)
	*of(x) = int64(n) - 1
	return ok
}

func (of count[T]) at(x *T) any { return of(x) }

func (of count[T]) tell(o *object, key string, x *T, ended bool) { o.count(key, ended, *of(x)) }

// duration is in milliseconds, and stored in microseconds; 0 if unknown.
type duration[T any] func(*T) *float64

func (of duration[T]) put(b []byte, tag byte, x *T) []byte { return appendUint(b, tag, micros(*of(x))) }

func (of duration[T]) take(v []byte, x *T) (ok bool) {
	us, ok := readUint(v, maxMicros)
	*of(x) = millis(us)
	return ok
}

func (of duration[T]) at(x *T) any { return of(x) }

func (of duration[T]) tell(o *object, key string, x *T, _ bool) { o.millis(key, *of(x)) }

// durations are all timings.
type durations[T any] func(*T) *Timings

func (of durations[T]) put(b []byte, tag byte, x *T) []byte { return appendTimings(b, tag, of(x)) }
func (of durations[T]) take(v []byte, x *T) (ok bool) {
	*of(x), ok = readTimings(v)
	return ok
}

func (of durations[T]) tell(o *object, key string, x *T, _ bool) { o.timings(key, of(x)) }
func (of durations[T]) at(x *T) any                              { return of(x) }

// details are a map.
type details[T any] func(*T) *map[string]any

func (of details[T]) put(b []byte, tag byte, x *T) []byte { return appendDetails(b, tag, *of(x)) }
func (of details[T]) take(v []byte, x *T) (ok bool) {
	*of(x), ok = readDetails(v)
	return ok
}

func (of details[T]) tell(o *object, key string, x *T, _ bool) { o.details(key, *of(x)) }
func (of details[T]) at(x *T) any                              { return of(x) }

// told is what a row tells where that is not as it is stored.
type told interface {
	tell(o *object, key string, x *Exchange)
	value(x *Exchange) any // for what is not done for every row
}

type (
	toldID      func(*Exchange) uuid.UUID
	toldSeq     func(*Exchange) uint64
	toldTime    func(*Exchange) time.Time
	toldText    func(*Exchange) string
	toldTimings func(*Exchange) Timings
	toldDetails func(*Exchange) map[string]any
)

func (of toldID) tell(o *object, key string, x *Exchange) { o.id(key, of(x)) }
func (of toldID) value(x *Exchange) any                   { return of(x).String() }

func (of toldSeq) tell(o *object, key string, x *Exchange) { o.number(key, int64(of(x))) }
func (of toldSeq) value(x *Exchange) any                   { return of(x) }

func (of toldTime) tell(o *object, key string, x *Exchange) { o.time(key, of(x)) }
func (of toldTime) value(x *Exchange) any                   { return of(x) }

func (of toldText) tell(o *object, key string, x *Exchange) { o.text(key, of(x)) }
func (of toldText) value(x *Exchange) any                   { return of(x) }

func (of toldTimings) tell(o *object, key string, x *Exchange) {
	t := of(x)
	o.timings(key, &t)
}
func (of toldTimings) value(x *Exchange) any { return of(x) }

func (of toldDetails) tell(o *object, key string, x *Exchange) { o.details(key, of(x)) }
func (of toldDetails) value(x *Exchange) any                   { return of(x) }
