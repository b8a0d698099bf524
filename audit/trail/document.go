package trail

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"sallyport/audit"
)

// maxDocument bounds a document's text, as the files that are kept are bounded.
const maxDocument = 16 << 20

// documents are the hashes known to be stored, so that a file loaded again
// costs nothing.
type documents struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]bool
}

func (d *documents) add(hash [sha256.Size]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known[hash] = true
}

func (d *documents) has(hash [sha256.Size]byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known[hash]
}

// StoreDocument keeps text, a policy for example, once for the hash (SHA-256
// in lower-case hex) by which exchanges name it, and commits an event that
// says so. It refuses a hash that is not the text's. The text must hold no
// secret.
func (t *Writer) StoreDocument(ctx context.Context, hash string, text []byte) error {
	sum := sha256.Sum256(text)
	if hex.EncodeToString(sum[:]) != hash {
		return fmt.Errorf("store document: %q is not the hash of its text", hash)
	}
	if len(text) > maxDocument {
		return fmt.Errorf("store document %s: %d bytes are more than %d", hash, len(text), maxDocument)
	}
	if t.documents.has(sum) {
		return nil
	}
	payload, err := audit.EncodeMap(map[string]any{"sha256": hash, "bytes": len(text)})
	if err != nil {
		return fmt.Errorf("store document %s: %w", hash, err)
	}
	if err := t.ready(ctx); err != nil {
		return err
	}
	e := t.pools.entry()
	e.n = 1
	e.document = &document{hash: sum, text: text}
	e.events[0].Fill(audit.TypeDocumentStored, audit.NewID(), [16]byte{}, t.config.Now())
	e.events[0].Payload = append(e.events[0].Payload[:0], payload...)
	if err := t.commit(ctx, e); err != nil {
		return err
	}
	t.documents.add(sum)
	return nil
}

// loadDocuments reads which documents there are.
func (s *store) loadDocuments(ctx context.Context) (*documents, error) {
	d := &documents{known: make(map[[sha256.Size]byte]bool)}
	rows, err := s.conn.QueryContext(ctx, "SELECT hash FROM documents")
	if err != nil {
		return nil, fmt.Errorf("read documents: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var hash []byte
		if err := rows.Scan(&hash); err != nil {
			return nil, fmt.Errorf("read documents: %w", err)
		}
		if len(hash) == sha256.Size {
			d.known[[sha256.Size]byte(hash)] = true
		}
	}
	return d, rows.Err()
}

// Document returns the text with this hash (lower-case hex): the policy that
// decided an exchange, by its policy_hash.
func (r *Reader) Document(ctx context.Context, hash string) ([]byte, error) {
	key, err := hex.DecodeString(hash)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", audit.ErrNoDocument, hash)
	}
	var text []byte
	err = r.db.QueryRowContext(ctx, "SELECT text FROM documents WHERE hash = ?", key).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%w: %s", audit.ErrNoDocument, hash)
	}
	if err != nil {
		return nil, fmt.Errorf("read document %s: %w", hash, err)
	}
	return text, nil
}
