// Package sqlite opens Sallyport's databases and brings their schema up to
// date. It is the only package that imports the SQLite driver, so that every
// connection has the same pragmas and every caller the same view of errors.
//
// It never creates a database that was opened read-only, never migrates one
// that a newer program wrote, and runs each migration whole or not at all.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	driver "modernc.org/sqlite"
)

// Synchronous levels. In WAL mode Normal survives a crash of the process and
// Full also survives a loss of power.
const (
	Normal = "NORMAL"
	Full   = "FULL"
)

// Primary result codes that callers branch on, from sqlite3.h.
const (
	CodeBusy     = 5
	CodeReadOnly = 8
	codeIO       = 10
	CodeCorrupt  = 11
	CodeFull     = 13
	CodeCantOpen = 14
	codeNotADB   = 26
)

// Options says how a database is opened. The zero value opens it for writing,
// durable against a loss of power.
type Options struct {
	// ReadOnly opens an existing database for reading only (mode=ro).
	ReadOnly bool
	// Synchronous is Normal or Full; empty means Full.
	Synchronous string
	// BusyTimeout bounds the wait for another connection's lock; 0 means 5 s.
	BusyTimeout time.Duration
	// CacheKiB bounds the page cache of each connection; 0 means 1024.
	CacheKiB int
	// Connections bounds the pool; 0 means 4 for readers and 2 otherwise.
	Connections int
	// ManualCheckpoint leaves moving the write-ahead log into the database to
	// the caller, who knows when nobody waits.
	ManualCheckpoint bool
}

// Open opens the database at path, creating it (mode 0600) unless
// o.ReadOnly is set. The caller closes it.
func Open(path string, o Options) (*sql.DB, error) {
	if err := prepare(path, o.ReadOnly); err != nil {
		return nil, err
	}
	db, err := open(dsn(path, o), connections(o))
	if o.ReadOnly && foldersFault(err) {
		// On a read-only file system or in a folder of somebody else's SQLite cannot make the
		// files that readers and writers share. Without a write-ahead log nobody is writing.
		if !holdsData(path + "-wal") {
			db, err = open(dsn(path, o)+"&immutable=1", connections(o))
		}
		if err != nil {
			return nil, unreadable(path, err)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w%s", path, err, advice(err))
	}
	return db, nil
}

// foldersFault reports whether err may mean that the files which readers and writers share
// can be neither made nor written.
func foldersFault(err error) bool {
	code := Code(err)
	return code == CodeCantOpen || code == CodeReadOnly
}

// unreadable says of a database that could not be opened for reading what SQLite does not.
func unreadable(path string, err error) error {
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if denied := readable(name); errors.Is(denied, fs.ErrPermission) {
			return fmt.Errorf("open database %s: read %s: %w", path, name, denied)
		}
	}
	if !holdsData(path + "-wal") {
		return fmt.Errorf("open database %s: %w", path, err)
	}
	return fmt.Errorf("open database %s: %w; with its write-ahead log it can be read only in a folder that can be written: copy both files, %s and %s-wal, to a folder that you can write",
		path, err, filepath.Base(path), filepath.Base(path))
}

// advice says what to try where SQLite's own words do not.
func advice(err error) string {
	switch Code(err) {
	case codeNotADB, CodeCorrupt:
		return "; the file is damaged: move it away, and restore it from a backup"
	case codeIO, CodeFull:
		return "; see whether its disk is full or failing"
	}
	return ""
}

// OpenMemory opens an empty database that lives as long as its one connection.
func OpenMemory() (*sql.DB, error) { return open("file::memory:", 1) }

func open(dsn string, connections int) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	// SQLite does not wait for its busy timeout where another process is just turning
	// a new database into one with a write-ahead log.
	for deadline := time.Now().Add(busyTimeout); ; time.Sleep(time.Millisecond) {
		// A ping alone would not touch the file.
		_, err := db.ExecContext(context.Background(), "SELECT 1 FROM sqlite_schema")
		if err == nil {
			return db, nil
		}
		if Code(err) != CodeBusy || time.Now().After(deadline) {
			return nil, errors.Join(err, db.Close())
		}
	}
}

const busyTimeout = 5 * time.Second

func holdsData(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Size() > 0
}

// prepare creates the file itself, because SQLite would create it with the
// process's umask, and whoever can write the file can rewrite the record. A
// file that exists is not opened here: closing it again would drop the POSIX
// locks that another connection of this process holds on it.
func prepare(path string, readOnly bool) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	} else if readOnly || !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("open database: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	return f.Close()
}

func connections(o Options) int {
	switch {
	case o.Connections > 0:
		return o.Connections
	case o.ReadOnly:
		return 4
	}
	return 2
}

func dsn(path string, o Options) string {
	busy := o.BusyTimeout
	if busy == 0 {
		busy = busyTimeout
	}
	cache := o.CacheKiB
	if cache == 0 {
		cache = 1024
	}
	v := url.Values{}
	v.Add("_pragma", "busy_timeout("+strconv.FormatInt(busy.Milliseconds(), 10)+")")
	v.Add("_pragma", "cache_size(-"+strconv.Itoa(cache)+")")
	v.Add("_pragma", "foreign_keys(1)")
	if o.ReadOnly {
		v.Set("mode", "ro")
		v.Add("_pragma", "query_only(1)")
	} else {
		sync := o.Synchronous
		if sync == "" {
			sync = Full
		}
		v.Add("_pragma", "journal_mode(WAL)")
		v.Add("_pragma", "synchronous("+sync+")")
		if o.ManualCheckpoint {
			v.Add("_pragma", "wal_autocheckpoint(0)")
		}
		v.Set("_txlock", "immediate")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		abs = path
	}
	// A path may hold any byte; in a file: URI these three end it early.
	abs = strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(abs)
	return "file:" + abs + "?" + v.Encode()
}

// Migrate brings the schema to the last of migrations, each one a script that
// moves user_version from its index to the next, in one transaction each.
func Migrate(ctx context.Context, db *sql.DB, migrations []string) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer func() { _ = conn.Close() }()
	return MigrateConn(ctx, conn, migrations)
}

// MigrateConn is Migrate on a connection the caller already has.
func MigrateConn(ctx context.Context, conn *sql.Conn, migrations []string) error {
	version, err := userVersion(ctx, conn)
	if err != nil {
		return err
	}
	if version > len(migrations) {
		return fmt.Errorf("database has schema version %d, this program knows up to %d: use the newer program", version, len(migrations))
	}
	for i := version; i < len(migrations); i++ {
		if err := migrateOne(ctx, conn, i, migrations[i]); err != nil {
			return fmt.Errorf("migrate to schema version %d: %w", i+1, err)
		}
	}
	return nil
}

func migrateOne(ctx context.Context, conn *sql.Conn, from int, script string) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	// Looked at again under the write lock: another process may have been first.
	var version int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version != from {
		return nil
	}
	if _, err := tx.ExecContext(ctx, script); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "PRAGMA user_version = "+strconv.Itoa(from+1)); err != nil {
		return err
	}
	return tx.Commit()
}

func userVersion(ctx context.Context, conn *sql.Conn) (int, error) {
	var version int
	if err := conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return 0, fmt.Errorf("read schema version: %w", err)
	}
	return version, nil
}

// Code returns the primary SQLite result code of err, or 0 when err did not
// come from SQLite.
func Code(err error) int {
	if e, ok := errors.AsType[*driver.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}
