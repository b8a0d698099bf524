package trail

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"sallyport/audit"
)

// Prove returns the proof for one event, under the newest checkpoint.
func (r *Reader) Prove(ctx context.Context, seq uint64) (audit.Proof, error) {
	var p audit.Proof
	err := r.snapshot(ctx, func(s *snapshot) error {
		var found *audit.Encoded
		err := eachEvent(ctx, s.conn, selectEvents+" WHERE seq = ?", []any{int64(seq)}, func(e *audit.Encoded) error {
			found = e
			return nil
		})
		switch {
		case err != nil:
			return err
		case found == nil:
			return fmt.Errorf("prove: %w: event %d", audit.ErrNotFound, seq)
		case found.Removed:
			return fmt.Errorf("prove: the payload of event %d was removed by retention", seq)
		}
		p, err = s.prove(ctx, found)
		return err
	})
	return p, err
}

func (s *snapshot) prove(ctx context.Context, e *audit.Encoded) (audit.Proof, error) {
	var size int64
	var signed string
	err := s.conn.QueryRowContext(ctx, "SELECT size, note FROM checkpoints WHERE size <= ? ORDER BY size DESC LIMIT 1", s.head).Scan(&size, &signed)
	if errors.Is(err, sql.ErrNoRows) || (err == nil && size < int64(e.Seq)) {
		return audit.Proof{}, fmt.Errorf("prove event %d: %w", e.Seq, audit.ErrNoCheckpoint)
	}
	if err != nil {
		return audit.Proof{}, fmt.Errorf("prove event %d: %w", e.Seq, err)
	}
	hashes, err := tlog.ProveRecord(size, int64(e.Seq)-1, readHashes(ctx, s.conn))
	if err != nil {
		return audit.Proof{}, fmt.Errorf("prove event %d: %w", e.Seq, err)
	}
	return audit.Proof{
		Format: audit.ProofFormat, Seq: e.Seq, ID: e.ID, Exchange: e.Exchange, Type: e.Type, At: e.At, Encoding: e.Version,
		Payload: e.Payload, Hashes: hashes, Checkpoint: signed,
	}, nil
}

// RootAt is the hash of the tree over the trail's first events of this number, in base64.
func (r *Reader) RootAt(ctx context.Context, events uint64) (string, error) {
	t, err := audit.LoadTree(int64(events), readHashes(ctx, r.db))
	if err != nil {
		return "", err
	}
	root := t.Root()
	return base64.StdEncoding.EncodeToString(root[:]), nil
}
