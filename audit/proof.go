package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
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

const proofFormat = "sallyport-proof-v1"

// Prove returns the proof for one event, under the newest checkpoint.
func (r *Reader) Prove(ctx context.Context, seq uint64) (Proof, error) {
	var p Proof
	err := r.snapshot(ctx, func(s *snapshot) error {
		var found *event
		err := eachEvent(ctx, s.conn, selectEvents+" WHERE seq = ?", []any{int64(seq)}, func(e *event) error {
			found = e
			return nil
		})
		switch {
		case err != nil:
			return err
		case found == nil:
			return fmt.Errorf("prove: %w: event %d", ErrNotFound, seq)
		case found.removed:
			return fmt.Errorf("prove: the payload of event %d was removed by retention", seq)
		}
		p, err = s.prove(ctx, found)
		return err
	})
	return p, err
}

func (s *snapshot) prove(ctx context.Context, e *event) (Proof, error) {
	var size int64
	var signed string
	err := s.conn.QueryRowContext(ctx, "SELECT size, note FROM checkpoints WHERE size <= ? ORDER BY size DESC LIMIT 1", s.head).Scan(&size, &signed)
	if errors.Is(err, sql.ErrNoRows) || (err == nil && size < int64(e.seq)) {
		return Proof{}, fmt.Errorf("prove event %d: %w", e.seq, ErrNoCheckpoint)
	}
	if err != nil {
		return Proof{}, fmt.Errorf("prove event %d: %w", e.seq, err)
	}
	hashes, err := tlog.ProveRecord(size, int64(e.seq)-1, readHashes(ctx, s.conn))
	if err != nil {
		return Proof{}, fmt.Errorf("prove event %d: %w", e.seq, err)
	}
	return Proof{
		Format: proofFormat, Seq: e.seq, ID: e.id, Exchange: e.exchange, Type: e.typ, At: e.at, Encoding: e.version,
		Payload: e.payload, Hashes: hashes, Checkpoint: signed,
	}, nil
}

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
	err = tlog.CheckRecord(p.Hashes, c.Size, c.Root, int64(e.seq)-1, leafHash(e, sha256.Sum256(e.payload)))
	if err != nil {
		return EventRow{}, c, fmt.Errorf("check proof: %w", err)
	}
	row, err := decodeEvent(e)
	return row, c, err
}

// RootAt is the hash of the tree over the trail's first events of this number, in base64.
func (r *Reader) RootAt(ctx context.Context, events uint64) (string, error) {
	t, err := loadTree(int64(events), readHashes(ctx, r.db))
	if err != nil {
		return "", err
	}
	root := t.root()
	return base64.StdEncoding.EncodeToString(root[:]), nil
}
