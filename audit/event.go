package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/tlog"
)

// event is one row of the events table, apart from its hashes.
type event struct {
	seq      uint64
	id       uuid.UUID
	exchange uuid.UUID // Nil when it belongs to none
	typ      string    // the column type
	at       int64     // Unix microseconds
	version  int64
	payload  []byte
	removed  bool // retention has removed the payload
}

// leafForm is the first byte of the bytes that a leaf is the hash of.
const leafForm = 1

// appendLeaf appends what the tree hashes for e: every column, each of fixed
// length or behind its length, the payload by its own hash, so that a leaf
// can still be recomputed when retention has removed the payload.
//
//	1 || seq (8) || at (8) || encoding_version (4) || id (16) || exchange (16) ||
//	length of type (1) || type || SHA-256 of payload (32)
func appendLeaf(b []byte, e *event, payload [sha256.Size]byte) []byte {
	b = append(b, leafForm)
	b = binary.BigEndian.AppendUint64(b, e.seq)
	b = binary.BigEndian.AppendUint64(b, uint64(e.at))
	b = binary.BigEndian.AppendUint32(b, uint32(e.version))
	b = append(b, e.id[:]...)
	b = append(b, e.exchange[:]...)
	b = append(b, byte(len(e.typ)))
	b = append(b, e.typ...)
	return append(b, payload[:]...)
}

// leaf is the leaf of e in the tree, by the hash of its payload.
func (e *event) leaf(payload [sha256.Size]byte) tlog.Hash {
	var buf [128 + maxType]byte
	return tlog.RecordHash(appendLeaf(buf[:0], e, payload))
}

// maxType bounds an event's type, so that its length fits one byte.
const maxType = 64

// toMicros is how the trail keeps a time; the zero time is 0.
func toMicros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// timeFormat is how the trail writes a time: RFC 3339, UTC, microseconds.
const timeFormat = "2006-01-02T15:04:05.000000Z07:00"

func formatTime(t time.Time) string { return t.UTC().Format(timeFormat) }

// isRemoved reports whether retention has removed the payload. Only those of
// exchanges are, and of what stands beside their rows; these are never empty, which
// reads as NULL does.
func isRemoved(kind string, payload []byte) bool {
	return payload == nil && (kind == TypeIntent || kind == TypeOutcome || kind == TypePushRefs || kind == TypeCalls)
}

// checkVersion refuses a payload that a newer program wrote.
func (e *event) checkVersion() error {
	if e.version != encodingVersion {
		return fmt.Errorf("event %d: encoding version %d is not known: use the newer program", e.seq, e.version)
	}
	return nil
}

func eventError(seq uint64, err error) error { return fmt.Errorf("event %d: %w", seq, err) }

// fill sets what every event has.
func (e *event) fill(kind string, id, exchange uuid.UUID, at time.Time) {
	e.id, e.exchange, e.typ, e.at, e.version = id, exchange, kind, toMicros(at), encodingVersion
}
