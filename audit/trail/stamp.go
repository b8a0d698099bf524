package trail

import (
	"context"
	"fmt"
	"os"
	"strconv"
)

// The stamp says what a database is, in its header (application_id). A process that opens the trail for
// writing stamps the main file as open before it writes anything else, and takes the stamp
// away at an orderly end: so the main file of a trail that is being written, or was when
// its process died, says by itself that a write-ahead log belongs to it.
const (
	stampClosed  = 0
	stampOpen    = 0x5350414f
	stampCopied  = 0x53504142 // by Copy: whole, and what was open in it stays open
	stampArchive = 0x53505241 // no process writes it, and what was open at its end stays open
)

func readStamp(ctx context.Context, q rowQuerier) (int64, error) {
	var stamp int64
	if err := q.QueryRowContext(ctx, "PRAGMA application_id").Scan(&stamp); err != nil {
		return 0, fmt.Errorf("read what the database is: %w", err)
	}
	return stamp, nil
}

func writeStamp(ctx context.Context, q execQuerier, stamp int64) error {
	if _, err := q.ExecContext(ctx, "PRAGMA application_id = "+strconv.FormatInt(stamp, 10)); err != nil {
		return fmt.Errorf("mark the database: %w", err)
	}
	return nil
}

// hasLog reports whether the write-ahead log of the database at path holds anything. A
// reader that finds none may leave an empty one.
func hasLog(path string) bool {
	fi, err := os.Stat(path + "-wal")
	return err == nil && fi.Size() > 0
}

// LacksLog reports whether the end of the trail is missing: its main file says that it was being
// written, and neither its write-ahead log nor a process that writes it is there.
func (r *Reader) LacksLog(ctx context.Context) (bool, error) {
	if hasLog(r.path) {
		return false, nil
	}
	stamp, err := readStamp(ctx, r.db)
	if err != nil || stamp != stampOpen {
		return false, err
	}
	running, err := isLocked(r.path + lockSuffix)
	return err == nil && !running && !hasLog(r.path), err // a process may have started meanwhile
}

// stampAsOpen stamps the database as open, in the main file too: from there on a copy of that
// file alone tells what it lacks. A reader can keep it out of the main file for a moment;
// moved is false then, and it comes there when the log is moved next.
func (s *store) stampAsOpen(ctx context.Context) (moved bool, err error) {
	if err := writeStamp(ctx, s.conn, stampOpen); err != nil {
		return false, err
	}
	var busy, pages, done int
	err = s.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &pages, &done)
	return pages == done, err
}

// stamp stamps the trail as open and says whether its last writer had left it so without
// its write-ahead log, in which the end of the trail was. logged says that there was one.
func (w *starting) stamp(ctx context.Context, logged bool) (lost bool, err error) {
	before, err := readStamp(ctx, w.store.conn)
	if err != nil {
		return false, err
	}
	moved, err := w.store.stampAsOpen(ctx)
	if !moved {
		w.moved.unsynced = moveLogAfter // the first commit has the log moved
	}
	return before == stampOpen && !logged, err
}
