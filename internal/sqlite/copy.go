package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// CopyTo writes a copy of the database at from, as it is at one moment, into a new file
// (mode 0600) that needs no write-ahead log beside it. It takes no lock that a writer
// waits for; until it is done, the write-ahead log of from cannot start anew and grows by
// what is written meanwhile. The copy is on the disk when it returns.
func CopyTo(ctx context.Context, from, to string) (err error) {
	db, err := Open(from, Options{ReadOnly: true, Connections: 1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	// SQLite takes an empty file, and would make one with the process's umask.
	f, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("copy database %s: %w", from, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	// It would keep the copy from being written too. What is read was opened read-only.
	if _, err := conn.ExecContext(ctx, "PRAGMA query_only = 0"); err != nil {
		return fmt.Errorf("copy database %s: %w", from, err)
	}
	if _, err := conn.ExecContext(ctx, "VACUUM INTO ?", to); err != nil {
		return fmt.Errorf("copy database %s: %w%s", from, err, advice(err))
	}
	return sync(to)
}

func sync(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
