package trail

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"sallyport/audit"
	"sallyport/internal/sqlite"
)

// signAfter is how long new events wait for a checkpoint, and so the least
// time between two.
const signAfter = time.Second

// publicSuffix names the public key beside the private one.
const publicSuffix = ".pub"

// loadSigner reads the key that signs checkpoints, or makes it: the private
// key 0600 in file, the public one beside it.
func loadSigner(file, name string) (note.Signer, string, error) {
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		return newSigner(file, name)
	}
	return readSigner(file)
}

func readSigner(file string) (note.Signer, string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, "", fmt.Errorf("read checkpoint key: %w", err)
	}
	fi, err := os.Stat(file)
	if err != nil {
		return nil, "", fmt.Errorf("read checkpoint key: %w", err)
	}
	if fi.Mode().Perm()&0o077 != 0 {
		return nil, "", fmt.Errorf("checkpoint key %s: mode %v lets others read it; try: chmod 600 %s", file, fi.Mode().Perm(), file)
	}
	// Whatever is wrong with it, the error must not show the key.
	signer, err := note.NewSigner(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, "", fmt.Errorf("checkpoint key %s: not a note signer key", file)
	}
	public, err := os.ReadFile(file + publicSuffix)
	if err != nil {
		return nil, "", fmt.Errorf("read public checkpoint key: %w", err)
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(public)))
	if err != nil {
		return nil, "", fmt.Errorf("public checkpoint key %s: %w", file+publicSuffix, err)
	}
	if verifier.Name() != signer.Name() || verifier.KeyHash() != signer.KeyHash() {
		return nil, "", fmt.Errorf("public checkpoint key %s does not belong to %s", file+publicSuffix, file)
	}
	return signer, strings.TrimSpace(string(public)), nil
}

func newSigner(file, name string) (note.Signer, string, error) {
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return nil, "", fmt.Errorf("make checkpoint key for %q: %w", name, err)
	}
	// The public key first: with it alone, the next start tries again.
	if err := writeNew(file+publicSuffix, []byte(public+"\n"), 0o644); err != nil {
		return nil, "", fmt.Errorf("write public checkpoint key: %w", err)
	}
	if err := writeNew(file, []byte(private+"\n"), 0o600); err != nil {
		return nil, "", fmt.Errorf("write checkpoint key: %w", err)
	}
	signer, err := note.NewSigner(private)
	return signer, public, err
}

// writeNew writes a file whole or not at all, also when the power is lost: a
// trail whose key is half there could not be opened.
func writeNew(file string, data []byte, mode os.FileMode) error {
	temporary := file + ".new"
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, file); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// signer keeps the signed heads of the trail in its database.
type signer struct {
	key    note.Signer
	public string
	log    *slog.Logger
	size   int64     // of the last checkpoint
	at     time.Time // when the next one is due; zero: nothing is new
}

// sign signs the head when that is due: a second after the first event that no
// checkpoint covers, and when the trail closes.
func (s *signer) sign(to *store, t *audit.Tree, closing bool) {
	if t.Size == s.size {
		return
	}
	now := time.Now()
	if s.at.IsZero() {
		s.at = now.Add(signAfter)
	}
	if now.Before(s.at) && !closing {
		return
	}
	s.at = time.Time{}
	if err := s.add(to, t); err != nil {
		s.at = now.Add(signAfter)
		s.log.Warn("audit trail: checkpoint not signed", "error", err)
	}
}

func (s *signer) add(to *store, t *audit.Tree) error {
	c := audit.Checkpoint{Origin: s.key.Name(), Size: t.Size, Root: t.Root()}
	signed, err := note.Sign(&note.Note{Text: c.Text()}, s.key)
	if err != nil {
		return err
	}
	stmt, err := sqlite.Prepare(to.conn, "INSERT INTO checkpoints VALUES (?, ?)", 2)
	if err != nil {
		return err
	}
	defer func() { _ = stmt.Close() }()
	if err := to.inTx(func() error {
		_, err := stmt.Exec(c.Size, string(signed))
		return err
	}); err != nil {
		return err
	}
	s.size = c.Size
	return nil
}

// SignText signs a text other than a checkpoint with the key in file: nobody takes it for
// one, because it says on its first line what it is.
func SignText(file, text string) (string, error) {
	key, _, err := readSigner(file)
	if err != nil {
		return "", err
	}
	signed, err := note.Sign(&note.Note{Text: text}, key)
	return string(signed), err
}

// Checkpoint returns the newest checkpoint, to be kept elsewhere.
func (r *Reader) Checkpoint(ctx context.Context) (audit.SignedCheckpoint, error) {
	return selectCheckpoint(ctx, r.db, "ORDER BY size DESC LIMIT 1")
}

// Covering returns the oldest checkpoint that covers event seq.
func (r *Reader) Covering(ctx context.Context, seq uint64) (audit.SignedCheckpoint, error) {
	return selectCheckpoint(ctx, r.db, "WHERE size >= ? ORDER BY size LIMIT 1", int64(seq))
}

func selectCheckpoint(ctx context.Context, q rowQuerier, which string, args ...any) (audit.SignedCheckpoint, error) {
	var c audit.SignedCheckpoint
	var at int64
	err := q.QueryRowContext(ctx, "SELECT size, coalesce((SELECT at FROM events WHERE seq = size), 0), note FROM checkpoints "+which, args...).Scan(&c.Size, &at, &c.Note)
	if errors.Is(err, sql.ErrNoRows) {
		return c, audit.ErrNoCheckpoint
	}
	if err != nil {
		return c, fmt.Errorf("read checkpoints: %w", err)
	}
	c.At = audit.FromMicros(at)
	return c, nil
}
