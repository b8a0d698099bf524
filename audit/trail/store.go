package trail

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/internal/sqlite"
)

// store is the one connection that writes. Only the goroutine that commits uses it,
// so it has no lock; no method takes a context that can end, because a watcher
// goroutine for every statement would cost more than the statement.
type store struct {
	path string
	// durability is with which it was opened.
	durability string

	db   *sql.DB
	conn *sql.Conn
	file os.FileInfo // what path named when it was opened
	wal  os.FileInfo // what path-wal named, once seen

	begin, commit, rollback *sqlite.Statement
	insert, insertRows      *sqlite.Statement
	probe, document         *sqlite.Statement

	collected

	statements []*sqlite.Statement // all of them, to close
}

// collected are the rows that wait for insertRows to be inserted at once.
type collected struct {
	hashes [insertRows][]byte
	rows   [insertRows]*audit.Encoded
	n      int
}

// insertRows events are inserted by one statement where there are so many: it
// costs a tenth less than as many statements.
const insertRows = 8

const columns = 8

const (
	// busyTimeout bounds the wait for another process's lock: under the two
	// seconds that Begin promises.
	busyTimeout = 1500 * time.Millisecond
	cacheKiB    = 1024
)

func openStore(path, durability string) (*store, error) {
	o := sqlite.Options{Synchronous: sqlite.Normal, BusyTimeout: busyTimeout, CacheKiB: cacheKiB, Connections: 1, ManualCheckpoint: true}
	if durability == DurabilityFsync {
		o.Synchronous = sqlite.Full
	}
	db, err := sqlite.Open(path, o)
	if err != nil {
		return nil, err
	}
	s := &store{path: path, durability: durability, db: db}
	if s.file, err = os.Stat(path); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.conn, err = db.Conn(context.Background()); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// prepare readies the statements; the schema must be there.
func (s *store) prepare() error {
	row := "(" + strings.TrimSuffix(strings.Repeat("?, ", columns), ", ") + ")"
	rows := strings.TrimSuffix(strings.Repeat(row+", ", insertRows), ", ")
	for _, p := range []struct {
		stmt **sqlite.Statement
		text string
		args int
	}{
		{&s.begin, "BEGIN IMMEDIATE", 0},
		{&s.commit, "COMMIT", 0},
		{&s.rollback, "ROLLBACK", 0},
		{&s.insert, "INSERT INTO events VALUES " + row, columns},
		{&s.insertRows, "INSERT INTO events VALUES " + rows, columns * insertRows},
		{&s.probe, "UPDATE projection SET cursor = cursor", 0},
		{&s.document, "INSERT INTO documents VALUES (?, ?) ON CONFLICT DO NOTHING", 2},
	} {
		var err error
		if *p.stmt, err = sqlite.Prepare(s.conn, p.text, p.args); err != nil {
			return err
		}
		s.statements = append(s.statements, *p.stmt)
	}
	return nil
}

func (s *store) close() error {
	var err error
	for _, stmt := range s.statements {
		err = errors.Join(err, stmt.Close())
	}
	if s.conn != nil {
		err = errors.Join(err, s.conn.Close())
	}
	return errors.Join(err, s.db.Close())
}

// inTx runs fn between BEGIN IMMEDIATE and COMMIT.
func (s *store) inTx(fn func() error) error {
	if _, err := s.begin.Exec(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := fn(); err != nil {
		_, _ = s.rollback.Exec() // SQLite may have rolled back already
		return err
	}
	if _, err := s.commit.Exec(); err != nil {
		_, _ = s.rollback.Exec()
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// append writes the events of entries after t, all or none, and returns the
// tree with them. An error after the commit itself (the file is no longer at
// its path) leaves rows behind that nobody may rely on; see resync.
func (s *store) append(t audit.Tree, entries []*entry) (audit.Tree, error) {
	after := t
	s.n = 0
	err := s.inTx(func() error {
		for _, e := range entries {
			if err := s.appendEntry(&after, e); err != nil {
				return err
			}
		}
		return s.flush()
	})
	if err != nil {
		return t, err
	}
	if err := s.inPlace(); err != nil {
		return t, err
	}
	return after, nil
}

func (s *store) appendEntry(t *audit.Tree, e *entry) error {
	if e.document != nil {
		if _, err := s.document.Exec(e.document.hash[:], e.document.text); err != nil {
			return fmt.Errorf("store document: %w", err)
		}
	}
	for i := range e.list() {
		if err := s.appendEvent(t, &e.events[i]); err != nil {
			return err
		}
	}
	return nil
}

// appendEvent gives e its seq and hashes and collects it.
func (s *store) appendEvent(t *audit.Tree, e *audit.Encoded) error {
	e.Seq = uint64(t.Size + 1)
	s.hashes[s.n] = t.Append(s.hashes[s.n][:0], e.Leaf(sha256.Sum256(e.Payload)))
	s.rows[s.n] = e
	s.n++
	if s.n < insertRows {
		return nil
	}
	for i := range s.rows {
		s.bind(s.insertRows, i*columns, i)
	}
	s.n = 0
	if _, err := s.insertRows.Exec(); err != nil {
		return fmt.Errorf("insert events up to %d: %w", e.Seq, err)
	}
	return nil
}

// flush inserts the rows collected.
func (s *store) flush() error {
	for i := range s.n {
		s.bind(s.insert, 0, i)
		if _, err := s.insert.Exec(); err != nil {
			return fmt.Errorf("insert event %d: %w", s.rows[i].Seq, err)
		}
	}
	s.n = 0
	return nil
}

// bind sets the arguments of row i from the one at index at.
func (s *store) bind(stmt *sqlite.Statement, at, i int) {
	e := s.rows[i]
	stmt.Set(at, int64(e.Seq))
	stmt.Set(at+1, e.ID[:])
	stmt.Set(at+2, nil)
	if e.Exchange != uuid.Nil {
		stmt.Set(at+2, e.Exchange[:])
	}
	stmt.Set(at+3, e.Type)
	stmt.Set(at+4, e.At)
	stmt.Set(at+5, e.Version)
	stmt.Set(at+6, e.Payload)
	if len(e.Payload) == 0 {
		stmt.Set(at+6, []byte{}) // an empty payload; NULL means removed
	}
	stmt.Set(at+7, s.hashes[i])
}

// inPlace checks that what is open is still what the path names. SQLite in WAL
// mode goes on writing into a file that was deleted, renamed or replaced.
func (s *store) inPlace() error {
	fi, err := os.Stat(s.path)
	if err != nil {
		return fmt.Errorf("database is gone: %w", err)
	}
	if !os.SameFile(fi, s.file) {
		return fmt.Errorf("database %s was replaced by another file", s.path)
	}
	wal, err := os.Stat(s.path + "-wal")
	if err != nil {
		return fmt.Errorf("write-ahead log is gone: %w", err)
	}
	if s.wal == nil {
		s.wal = wal
	}
	if !os.SameFile(wal, s.wal) {
		return fmt.Errorf("write-ahead log %s-wal was replaced by another file", s.path)
	}
	return nil
}

// usable is inPlace, and that the files may be written by their modes.
func (s *store) usable() error {
	if err := s.inPlace(); err != nil {
		return err
	}
	return writable(s.path)
}

// probeWrite commits a change that changes nothing, to see whether one can.
func (s *store) probeWrite() error {
	if err := s.usable(); err != nil {
		return err
	}
	return s.inTx(func() error {
		_, err := s.probe.Exec()
		return err
	})
}

// moveLog moves what it can from the write-ahead log into the database and
// returns how many pages the log holds.
func (s *store) moveLog(mode string) (pages int, err error) {
	return moveLog(s.conn, mode)
}

type rowQuerier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func moveLog(q rowQuerier, mode string) (pages int, err error) {
	var busy, done int
	err = q.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &pages, &done)
	return pages, err
}

// head returns the last seq, 0 when there is no event.
func (s *store) head() (int64, error) {
	var seq int64
	err := s.conn.QueryRowContext(context.Background(), "SELECT coalesce(max(seq), 0) FROM events").Scan(&seq)
	if err != nil {
		return 0, fmt.Errorf("read the last event: %w", err)
	}
	return seq, nil
}

// rowHashes reads stored hashes through the committer's connection.
func (s *store) rowHashes() audit.RowHashes { return readHashes(context.Background(), s.conn) }

func readHashes(ctx context.Context, q rowQuerier) audit.RowHashes {
	return func(seq int64) ([]byte, error) {
		var row []byte
		err := q.QueryRowContext(ctx, "SELECT hashes FROM events WHERE seq = ?", seq).Scan(&row)
		if err != nil {
			return nil, fmt.Errorf("event %d: read hashes: %w", seq, err)
		}
		return row, nil
	}
}

// load reads the tree as the database has it.
func (s *store) load() (audit.Tree, error) {
	size, err := s.head()
	if err != nil {
		return audit.Tree{}, err
	}
	return audit.LoadTree(size, s.rowHashes())
}

// holds reports whether the database's tree starts with t.
func (s *store) holds(t audit.Tree) error {
	then, err := audit.LoadTree(t.Size, s.rowHashes())
	if err != nil {
		return fmt.Errorf("database lacks events that were committed: %w", err)
	}
	if then.Root() != t.Root() {
		return fmt.Errorf("database holds other events than were committed: root %s, not %s", then.Root(), t.Root())
	}
	return nil
}

// reopenStore opens a trail that must exist already.
func reopenStore(path, durability string) (*store, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("database is gone: %w", err)
	}
	s, err := openStore(path, durability)
	if err != nil {
		return nil, err
	}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("database %s was replaced by another file: %w", path, err), s.close())
	}
	return s, nil
}

// each calls fn for every event after seq, oldest first. The event is fn's
// only until it returns.
func (s *store) each(after int64, fn func(*audit.Encoded) error) error {
	return eachEvent(context.Background(), s.conn, selectEvents+" WHERE seq > ? ORDER BY seq", []any{after}, fn)
}

const selectEvents = "SELECT seq, id, exchange, type, at, encoding_version, payload FROM events"

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func eachEvent(ctx context.Context, q querier, query string, args []any, fn func(*audit.Encoded) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var e audit.Encoded
		if err := scanEvent(rows, &e); err != nil {
			return err
		}
		if err := fn(&e); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	return nil
}

// scanEvent reads a row of selectEvents, in whatever state somebody may have
// put it.
func scanEvent(rows *sql.Rows, e *audit.Encoded) error {
	var id, exchange, payload []byte
	if err := rows.Scan(&e.Seq, &id, &exchange, &e.Type, &e.At, &e.Version, &payload); err != nil {
		return fmt.Errorf("read an event: %w", err)
	}
	if err := fillIDs(e, id, exchange); err != nil {
		return err
	}
	e.Payload, e.Removed = payload, audit.IsRemoved(e.Type, payload)
	return nil
}

func fillIDs(e *audit.Encoded, id, exchange []byte) error {
	if len(id) != len(e.ID) || (exchange != nil && len(exchange) != len(e.Exchange)) {
		return fmt.Errorf("event %d: id or exchange is not 16 bytes", e.Seq)
	}
	copy(e.ID[:], id)
	copy(e.Exchange[:], exchange)
	return nil
}

func atEvent(seq uint64, err error) error { return fmt.Errorf("event %d: %w", seq, err) }
