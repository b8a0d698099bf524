package trail

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"sallyport/audit"
	"sallyport/internal/sqlite"
)

// archiveBatch events are copied in one transaction.
const archiveBatch = 5000

// Archived is what Archive has written.
type Archived struct {
	Events     uint64                 `json:"events"`
	Checkpoint audit.SignedCheckpoint `json:"-"` // of exactly these events
}

// Archive copies the trail's beginning, up to the last signed checkpoint before
// the first exchange that began at or after a time, into a new database at
// path, which verifies by itself. It disturbs no writer.
func (r *Reader) Archive(ctx context.Context, before time.Time, path string) (Archived, error) {
	var done Archived
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return done, fmt.Errorf("archive: %s is there already", path)
	}
	err := r.snapshot(ctx, func(s *snapshot) error {
		first, err := firstSince(ctx, s.conn, before)
		if err != nil {
			return err
		}
		done.Checkpoint, err = selectCheckpoint(ctx, r.db, "WHERE size < ? AND size <= ? ORDER BY size DESC LIMIT 1", first, s.head)
		if err != nil {
			return err
		}
		done.Events = done.Checkpoint.Size
		return s.archive(ctx, done.Events, path)
	})
	if err != nil {
		return done, fmt.Errorf("archive: %w", err)
	}
	return done, nil
}

// archive writes a file beside path and moves it there when it is whole.
func (s *snapshot) archive(ctx context.Context, size uint64, path string) error {
	temporary := path + ".new"
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(temporary + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	to, err := openStore(temporary, DurabilityFsync)
	if err != nil {
		return err
	}
	err = s.fillArchive(ctx, to, size)
	if _, moveErr := to.moveLog("TRUNCATE"); err == nil {
		err = moveErr
	}
	if err == nil { // who reads it shall leave nothing beside it
		_, err = to.conn.ExecContext(ctx, "PRAGMA journal_mode = DELETE")
	}
	if err = errors.Join(err, to.close()); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

func (s *snapshot) fillArchive(ctx context.Context, to *store, size uint64) error {
	if err := sqlite.MigrateConn(ctx, to.conn, migrations()); err != nil {
		return err
	}
	if err := to.prepare(); err != nil {
		return err
	}
	n := int64(size)
	for _, c := range []struct{ from, into string }{
		{selectStored, "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)"},
		{"SELECT seq, hash FROM removed WHERE seq <= ?1 ORDER BY seq", "INSERT INTO removed VALUES (?, ?)"},
		{"SELECT size, note FROM checkpoints WHERE size <= ?1 ORDER BY size", "INSERT INTO checkpoints VALUES (?, ?)"},
	} {
		query := c.from
		if query == selectStored {
			query = "SELECT * FROM (" + selectStored + ") WHERE seq <= ?1"
		}
		if err := s.copyRows(ctx, to, query, n, c.into); err != nil {
			return err
		}
	}
	if err := s.copyDocuments(ctx, to); err != nil {
		return err
	}
	var p projector
	if err := p.run(to, n, new(pools)); err != nil {
		return fmt.Errorf("project: %w", err)
	}
	p.reset()
	return writeStamp(ctx, to.conn, stampArchive)
}

// copyRows copies what a query with one argument returns.
func (s *snapshot) copyRows(ctx context.Context, to *store, query string, arg any, into string) error {
	rows, err := s.conn.QueryContext(ctx, query, arg)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	insert, err := sqlite.Prepare(to.conn, into, len(names))
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	for more := true; more; {
		err := to.inTx(func() error {
			for range archiveBatch {
				if more = rows.Next(); !more {
					return rows.Err()
				}
				if err := copyRow(rows, insert, len(names)); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func copyRow(rows *sql.Rows, insert *sqlite.Statement, n int) error {
	values, targets := make([]any, n), make([]any, n)
	for i := range values {
		targets[i] = &values[i]
	}
	if err := rows.Scan(targets...); err != nil {
		return err
	}
	_, err := insert.Exec(values...)
	return err
}

// copyDocuments copies the documents that the copied events say were stored.
func (s *snapshot) copyDocuments(ctx context.Context, to *store) error {
	var hashes []string
	err := eachEvent(ctx, to.conn, selectEvents+" WHERE type = '"+audit.TypeDocumentStored+"' AND type NOT IN ('intent', 'outcome')", nil, func(e *audit.Encoded) error {
		m, err := audit.DecodeMap(e.Payload)
		hash, _ := m["sha256"].(string)
		hashes = append(hashes, hash)
		return err
	})
	if err != nil {
		return err
	}
	for _, hash := range hashes {
		if err := s.copyRows(ctx, to, "SELECT hash, text FROM documents WHERE hex(hash) = upper(?)", hash, "INSERT INTO documents VALUES (?, ?)"); err != nil {
			return fmt.Errorf("document %s: %w", hash, err)
		}
	}
	return nil
}
