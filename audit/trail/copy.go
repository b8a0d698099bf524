package trail

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"sallyport/audit"
	"sallyport/internal/sqlite"
)

// Copied is what Copy has written.
type Copied struct {
	Events uint64 `json:"events"`
	// Root is the hash of the tree over all of them, in base64.
	Root string `json:"root"`
	// Checkpoint is the newest that was signed, of these events or fewer; its Note is
	// empty when none was.
	Checkpoint audit.SignedCheckpoint `json:"-"`
}

// Copy writes the trail at from, as it is at one moment, into a new file at to that is
// whole without a write-ahead log. It disturbs no writer.
func Copy(ctx context.Context, from, to string) (c Copied, err error) {
	if err := sqlite.CopyTo(ctx, from, to); err != nil {
		return c, fmt.Errorf("copy the trail: %w", err)
	}
	s, err := openStore(to, DurabilityFsync)
	if err != nil {
		return c, fmt.Errorf("copy the trail: %w", err)
	}
	if err = writeStamp(ctx, s.conn, stampCopied); err == nil {
		c, err = s.copied(ctx)
	}
	_, moved := s.moveLog("TRUNCATE")
	if err = errors.Join(err, moved, s.close()); err != nil {
		return c, fmt.Errorf("copy the trail: %w", err)
	}
	return c, nil
}

func (s *store) copied(ctx context.Context) (Copied, error) {
	t, err := s.load()
	if err != nil {
		return Copied{}, err
	}
	root := t.Root()
	c := Copied{Events: uint64(t.Size), Root: base64.StdEncoding.EncodeToString(root[:])}
	c.Checkpoint, err = selectCheckpoint(ctx, s.conn, "ORDER BY size DESC LIMIT 1")
	if errors.Is(err, audit.ErrNoCheckpoint) {
		err = nil
	}
	return c, err
}
