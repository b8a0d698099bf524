package trail

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sallyport/audit"
	"sallyport/internal/sqlite"
)

// OpenDatabase opens the file of a trail as an intruder or another process
// would, beside the package.
func OpenDatabase(path string) (*sql.DB, error) {
	return sqlite.Open(path, sqlite.Options{Connections: 1})
}

// LimitPages makes the database full at n pages, as a full disk would; 0 takes
// the limit away.
func LimitPages(t *Writer, n int) error {
	if n == 0 {
		n = 1 << 30
	}
	_, err := t.committer().store.conn.ExecContext(context.Background(), fmt.Sprintf("PRAGMA max_page_count = %d", n))
	return err
}

// RemovePayloads removes payloads as retention does, but unannounced.
func RemovePayloads(path string, seqs ...int64) error {
	s, err := reopenStore(path, DurabilityCommit)
	if err != nil {
		return err
	}
	return errors.Join(removePair(context.Background(), s.conn, [2]int64(seqs)), s.close())
}

// SmallSegments makes a segment of the index hold few exchanges.
func SmallSegments(c *Config) { c.segment = 50 }

// AppendOnly opens a new trail's store and returns what writes the events of
// exchanges, eight in a commit, with or without the tree's hashes, and nothing
// else.
func AppendOnly(path string, hashed bool) (write func(*audit.Intent, *audit.Outcome) error, done func() error, err error) {
	s, err := openStore(path, DurabilityCommit)
	if err != nil {
		return nil, nil, err
	}
	if err := errors.Join(sqlite.MigrateConn(context.Background(), s.conn, migrations()), s.prepare()); err != nil {
		return nil, nil, errors.Join(err, s.close())
	}
	var t audit.Tree
	var batch []*entry
	write = func(in *audit.Intent, out *audit.Outcome) error {
		e := new(entry)
		in.ID = audit.NewID()
		instance := "i"
		e.intent(in, &instance, time.Now)
		e.outcome(in.ID, time.Now(), out)
		if batch = append(batch, e); len(batch) < 8 {
			return nil
		}
		defer func() { batch = batch[:0] }()
		return s.inTx(func() error {
			for _, e := range batch {
				for i := range e.list() {
					if err := s.appendPlain(&t, &e.events[i], hashed); err != nil {
						return err
					}
				}
			}
			return s.flush()
		})
	}
	return write, s.close, nil
}

// appendPlain is appendEvent, where hashed is not set without the hashes.
func (s *store) appendPlain(t *audit.Tree, e *audit.Encoded, hashed bool) error {
	if hashed {
		return s.appendEvent(t, e)
	}
	t.Size++
	e.Seq = uint64(t.Size)
	s.hashes[s.n], s.rows[s.n] = []byte{}, e
	if s.n++; s.n < insertRows {
		return nil
	}
	for i := range s.rows {
		s.bind(s.insertRows, i*columns, i)
	}
	s.n = 0
	_, err := s.insertRows.Exec()
	return err
}

// IndexWholePaths has the segments of a trail that was just opened indexed as older programs
// did. It must come before the first event.
func IndexWholePaths(t *Writer) {
	x := &t.committer().projecting.projector.index
	x.full.whole, x.open.whole = true, true
}

// Rows is a set of rows of a segment, as the index stores it.
type Rows struct{ set rowSet }

// EncodeRows and AddRows write and read rows, EncodeSeqs and DecodeSeqs the seqs of a segment.
func EncodeRows(rows []uint16) []byte { return appendRows(nil, rows) }

func (r *Rows) AddRows(b []byte) bool { return r.set.addRows(b) }

func (r *Rows) Keep(o *Rows) { r.set.keep(&o.set) }

func (r *Rows) Encode() []byte { return r.set.encode() }

func (r *Rows) Empty() bool { return r.set.empty() }

// Down lists the rows from the last to the first.
func (r *Rows) Down() (list []int) {
	for row := r.set.last(segmentSize); row >= 0; row = r.set.last(row) {
		list = append(list, row)
	}
	return list
}

func EncodeSeqs(seqs []int64) []byte { return appendSeqs(nil, seqs) }

func DecodeSeqs(b []byte) []int64 { return decodeSeqs(b) }
