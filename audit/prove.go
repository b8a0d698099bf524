package audit

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

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

// RootAt is the hash of the tree over the trail's first events of this number, in base64.
func (r *Reader) RootAt(ctx context.Context, events uint64) (string, error) {
	t, err := loadTree(int64(events), readHashes(ctx, r.db))
	if err != nil {
		return "", err
	}
	root := t.root()
	return base64.StdEncoding.EncodeToString(root[:]), nil
}
