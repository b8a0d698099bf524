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

// ProofFormat says how a proof is to be read.
const ProofFormat = "sallyport-proof-v1"

// CheckProof checks a proof, as JSON, with the public key alone, and returns
// the event and the checkpoint it is under.
func CheckProof(data []byte, publicKey string) (EventRow, Checkpoint, error) {
	var p Proof
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return EventRow{}, Checkpoint{}, fmt.Errorf("read proof: %w", err)
	}
	if p.Format != ProofFormat {
		return EventRow{}, Checkpoint{}, fmt.Errorf("read proof: format %q is not %s", p.Format, ProofFormat)
	}
	c, err := OpenCheckpoint([]byte(p.Checkpoint), publicKey)
	if err != nil {
		return EventRow{}, Checkpoint{}, err
	}
	e := &Encoded{Seq: p.Seq, ID: p.ID, Exchange: p.Exchange, Type: p.Type, At: p.At, Version: p.Encoding, Payload: p.Payload}
	if e.Seq == 0 || e.Type == "" || len(e.Type) > MaxType || p.Encoding != EncodingVersion {
		return EventRow{}, c, errors.New("check proof: not an event of this version")
	}
	err = tlog.CheckRecord(p.Hashes, c.Size, c.Root, int64(e.Seq)-1, e.Leaf(sha256.Sum256(e.Payload)))
	if err != nil {
		return EventRow{}, c, fmt.Errorf("check proof: %w", err)
	}
	row, err := e.Decode()
	return row, c, err
}
