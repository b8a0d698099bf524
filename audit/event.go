package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/tlog"
)

// Encoded is one row of the events table, apart from its hashes.
type Encoded struct {
	Seq      uint64
	ID       uuid.UUID
	Exchange uuid.UUID // Nil when it belongs to none
	Type     string    // the column type
	At       int64     // Unix microseconds
	Version  int64
	Payload  []byte
	Removed  bool // retention has removed the payload
}

// leafForm is the first byte of the bytes that a leaf is the hash of.
const leafForm = 1

// appendLeaf appends what the tree hashes for e: every column, each of fixed
// length or behind its length, the payload by its own hash, so that a leaf
// can still be recomputed when retention has removed the payload.
//
//	1 || seq (8) || at (8) || encoding_version (4) || id (16) || exchange (16) ||
//	length of type (1) || type || SHA-256 of payload (32)
func appendLeaf(b []byte, e *Encoded, payload [sha256.Size]byte) []byte {
	b = append(b, leafForm)
	b = binary.BigEndian.AppendUint64(b, e.Seq)
	b = binary.BigEndian.AppendUint64(b, uint64(e.At))
	b = binary.BigEndian.AppendUint32(b, uint32(e.Version))
	b = append(b, e.ID[:]...)
	b = append(b, e.Exchange[:]...)
	b = append(b, byte(len(e.Type)))
	b = append(b, e.Type...)
	return append(b, payload[:]...)
}

// Leaf is the leaf of e in the tree, by the hash of its payload.
func (e *Encoded) Leaf(payload [sha256.Size]byte) tlog.Hash {
	var buf [128 + MaxType]byte
	return tlog.RecordHash(appendLeaf(buf[:0], e, payload))
}

// MaxType bounds an event's type, so that its length fits one byte.
const MaxType = 64

// ToMicros is how the trail keeps a time; the zero time is 0.
func ToMicros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// FromMicros is a time as the trail keeps it.
func FromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// timeFormat is how the trail writes a time: RFC 3339, UTC, microseconds.
const timeFormat = "2006-01-02T15:04:05.000000Z07:00"

// FormatTime is how the trail writes a time.
func FormatTime(t time.Time) string { return string(appendTime(nil, t)) }

// appendTime is AppendFormat with that format, for a row has two times, and to follow a layout takes
// a fifth of the time that the row's JSON takes.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(b, timeFormat)
	}
	hour, minute, second := t.Clock()
	b = appendTwo(appendTwo(b, year/100), year%100)
	b = appendTwo(append(b, '-'), int(month))
	b = appendTwo(append(b, '-'), day)
	b = appendTwo(append(b, 'T'), hour)
	b = appendTwo(append(b, ':'), minute)
	b = appendTwo(append(b, ':'), second)
	micros := t.Nanosecond() / 1000
	b = appendTwo(append(b, '.'), micros/10000)
	return append(appendTwo(appendTwo(b, micros/100%100), micros%100), 'Z')
}

func appendTwo(b []byte, n int) []byte { return append(b, '0'+byte(n/10), '0'+byte(n%10)) }

// IsRemoved reports whether retention has removed the payload. Only those of
// exchanges are, and of what stands beside their rows; these are never empty, which
// reads as NULL does.
func IsRemoved(typ string, payload []byte) bool {
	return payload == nil && (typ == TypeIntent || typ == TypeOutcome || typ == TypePushRefs || typ == TypeCalls)
}

// CheckVersion refuses a payload that a newer program wrote.
func (e *Encoded) CheckVersion() error {
	if e.Version != EncodingVersion {
		return fmt.Errorf("event %d: encoding version %d is not known: use the newer program", e.Seq, e.Version)
	}
	return nil
}

func eventError(seq uint64, err error) error { return fmt.Errorf("event %d: %w", seq, err) }

// Fill sets what every event has.
func (e *Encoded) Fill(typ string, id, exchange uuid.UUID, at time.Time) {
	e.ID, e.Exchange, e.Type, e.At, e.Version = id, exchange, typ, ToMicros(at), EncodingVersion
}
