package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/tlog"
)

// Proof shows, with nothing but the public key, that one event is in the trail
// that a checkpoint covers. It is written as JSON.
type Proof struct {
	Format   string           `json:"format"` // proofFormat
	Seq      uint64           `json:"seq"`
	ID       uuid.UUID        `json:"id"`
	Exchange uuid.UUID        `json:"exchange"` // all zero when it belongs to none
	Type     string           `json:"type"`
	At       int64            `json:"at"` // microseconds since 1970
	Encoding int64            `json:"encoding_version"`
	Payload  []byte           `json:"payload"` // base64
	Hashes   tlog.RecordProof `json:"hashes"`
	// Checkpoint is the signed note.
	Checkpoint string `json:"checkpoint"`
}

// proofFormat says how a proof is to be read.
const proofFormat = "sallyport-proof-v1"

// CheckProof checks a proof, as JSON, with the public key alone, and returns
// the event and the checkpoint it is under.
func CheckProof(data []byte, publicKey string) (EventRow, Checkpoint, error) {
	var p Proof
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return EventRow{}, Checkpoint{}, fmt.Errorf("read proof: %w", err)
	}
	if p.Format != proofFormat {
		return EventRow{}, Checkpoint{}, fmt.Errorf("read proof: format %q is not %s", p.Format, proofFormat)
	}
	c, err := OpenCheckpoint([]byte(p.Checkpoint), publicKey)
	if err != nil {
		return EventRow{}, Checkpoint{}, err
	}
	e := &event{seq: p.Seq, id: p.ID, exchange: p.Exchange, typ: p.Type, at: p.At, version: p.Encoding, payload: p.Payload}
	if e.seq == 0 || e.typ == "" || len(e.typ) > maxType || p.Encoding != encodingVersion {
		return EventRow{}, c, errors.New("check proof: not an event of this version")
	}
	err = tlog.CheckRecord(p.Hashes, c.Size, c.Root, int64(e.seq)-1, e.leaf(sha256.Sum256(e.payload)))
	if err != nil {
		return EventRow{}, c, fmt.Errorf("check proof: %w", err)
	}
	row, err := e.decode()
	return row, c, err
}
