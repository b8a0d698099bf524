package trail

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"sallyport/audit"
)

// maxProblems bounds a report: one change in a tree makes many others.
const maxProblems = 20

// progressEvery events Progress is told.
const progressEvery = 10000

// errEnough ends a verification that has found enough.
var errEnough = errors.New("enough problems")

// verifier walks the events once, in order, with the projection beside them.
type verifier struct {
	findings
	witnesses
	file fileState

	options  audit.VerifyOptions
	report   audit.Report
	snapshot *snapshot
	last     int64             // when the event walked last was, in microseconds
	stored   map[string]uint64 // documents by hash, to the event that says so
	tree     audit.Tree
	hashes   []byte
	open     map[uuid.UUID]*begun
	rows     *projectionWalk
	removed  *removedWalk
	parallel []*parallel
	scratch  struct { // what was decoded last, to be used again
		intent  audit.Intent
		outcome audit.Outcome
	}
}

// witnesses are who has signed the trail, and for what.
type witnesses struct {
	logs     []logIdentity // who signs, one after another; more than one after a restore
	given    int           // the one among them whose key was given
	expected []expectation // checkpoints not reached yet, by size
	outside  int64         // the size of the one kept elsewhere
	unstored bool          // the one kept elsewhere is not among those of the trail
}

// fileState is what the file and what stands beside it say of the trail.
type fileState struct {
	stamp   int64 // what the database says it is
	logged  bool  // a write-ahead log is beside it
	running bool  // a process writes it
	ending  bool  // a process lives that ends what it has begun, whoever writes
}

// begun is an intent waiting for its outcome.
type begun struct {
	seq uint64
	id  uuid.UUID
	row *projectedRow // nil when the projection has not reached it, or lacks it
}

// Verify recomputes the trail: that no event is missing, altered, inserted or
// out of order (each against the stored hashes, and these against each other),
// that every payload is canonical, that every intent has exactly one outcome or
// is live in a running process, and that the projection says the same as the
// events. An error means that it could not be read to the end; problems are
// in the report.
//
// A tree alone cannot show that somebody computed all of it anew; only a
// checkpoint kept elsewhere can (VerifyWith).
func (r *Reader) Verify(ctx context.Context) (audit.Report, error) {
	return r.VerifyWith(ctx, audit.VerifyOptions{})
}

// VerifyWith is Verify, with what is known beyond the trail.
func (r *Reader) VerifyWith(ctx context.Context, o audit.VerifyOptions) (audit.Report, error) {
	// Before the snapshot: what is open in it was begun by a process that was
	// running then.
	running, err := isLocked(r.path + lockSuffix)
	if err != nil {
		return audit.Report{}, fmt.Errorf("verify: %w", err)
	}
	v := &verifier{
		file:    fileState{running: running, ending: anyLives(r.path), logged: hasLog(r.path)},
		options: o, open: make(map[uuid.UUID]*begun), stored: make(map[string]uint64), report: audit.Report{Continued: []audit.Continued{}},
	}
	for _, part := range []verification{verifySegments, verifyFile} {
		b := verifyParallel(ctx, r, part)
		defer b.stop()
		v.parallel = append(v.parallel, b)
	}
	err = r.snapshot(ctx, func(s *snapshot) error { return v.run(ctx, s) })
	if errors.Is(err, errEnough) {
		err = nil
	}
	v.file.logged = v.file.logged || hasLog(r.path) // a process may have started meanwhile
	v.conclude(err)
	if v.report.Events > 0 {
		at := audit.FromMicros(v.last)
		v.report.LastAt = &at
	}
	root := v.tree.Root()
	v.report.Root = base64.StdEncoding.EncodeToString(root[:])
	return v.report, err
}

// conclude says what all of it comes to, after err. That the log is missing is told after
// whatever else is wrong: it may be the reason of that, but need not be.
func (v *verifier) conclude(err error) {
	r := &v.report
	r.Problems = append([]string{}, v.problems...)
	missing := v.file.stamp == stampOpen && !v.file.running && !v.file.logged
	switch {
	case err != nil || len(r.Problems) > 0:
		r.State = audit.StateDamaged
	case missing:
		r.State = audit.StateIncomplete
	case v.file.stamp == stampOpen && !v.file.running, v.file.stamp == stampCopied && r.Live > 0:
		r.State = audit.StateOpen
	default:
		r.State, r.OK = audit.StateWhole, true
	}
	if r.State == audit.StateOpen {
		r.OK = true
	}
	if missing {
		r.Problems = append(r.Problems, "the end of the trail is missing: it was being written, and its write-ahead log (the file of the same name with -wal) is not beside it")
	}
}

func (v *verifier) run(ctx context.Context, s *snapshot) error {
	v.snapshot = s
	var err error
	if v.file.stamp, err = readStamp(ctx, s.conn); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if err := v.expect(ctx); err != nil {
		return err
	}
	if err := v.verifyEvents(ctx); err != nil {
		return err
	}
	if err := v.compareRest(); err != nil {
		return err
	}
	if err := v.rows.finish(v); err != nil {
		return err
	}
	v.report.Exchanges += uint64(len(v.open))
	if v.file.running || v.file.ending || v.file.stamp == stampOpen || v.file.stamp == stampCopied || v.file.stamp == stampArchive {
		v.report.Live = uint64(len(v.open))
		return v.verifyRest(ctx)
	}
	for _, b := range v.openInOrder() {
		if err := v.problem("event %d: intent of exchange %s has no outcome and no process is running: the next start closes it", b.seq, b.id); err != nil {
			return err
		}
	}
	return v.verifyRest(ctx)
}

func (v *verifier) verifyRest(ctx context.Context) error {
	if err := v.verifyDocuments(ctx); err != nil {
		return err
	}
	for _, b := range v.parallel {
		found, err := b.wait()
		for _, problem := range found {
			if err := v.problem("%s", problem); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
	return v.verifySchema(ctx)
}

func (v *verifier) openInOrder() []*begun {
	list := slices.Collect(maps.Values(v.open))
	slices.SortFunc(list, func(a, b *begun) int { return cmp.Compare(a.seq, b.seq) })
	return list
}

const selectStored = "SELECT seq, id, exchange, type, at, encoding_version, payload, hashes FROM events ORDER BY seq"

func (v *verifier) verifyEvents(ctx context.Context) error {
	var err error
	if v.rows, err = walkProjection(ctx, v); err != nil {
		return v.unreadable(err)
	}
	defer v.rows.close()
	if v.removed, err = walkRemoved(ctx, v.snapshot.conn); err != nil {
		return v.unreadable(err)
	}
	defer v.removed.close()
	rows, err := v.snapshot.conn.QueryContext(ctx, selectStored)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var e audit.Encoded
		var id, exchange, hashes []byte
		if err := rows.Scan(&e.Seq, &id, &exchange, &e.Type, &e.At, &e.Version, &e.Payload, &hashes); err != nil {
			// A column of a wrong type: what is it worth to go on?
			return v.stop("event after %d: %v", v.tree.Size, err)
		}
		e.Removed = audit.IsRemoved(e.Type, e.Payload)
		if err := fillIDs(&e, id, exchange); err != nil {
			return v.stop("%v", err)
		}
		if err := v.verifyEvent(&e, hashes); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("verify: after event %d: %w", v.tree.Size, err)
	}
	return v.removed.finish(v)
}

func (v *verifier) verifyEvent(e *audit.Encoded, stored []byte) error {
	want := uint64(v.tree.Size + 1)
	switch {
	case e.Seq > want:
		return v.stop("event %d is missing: the next one is %d", want, e.Seq)
	case e.Seq < want:
		return v.stop("event %d comes before the first one", e.Seq)
	case e.Type == "" || len(e.Type) > audit.MaxType:
		return v.stop("event %d: type is empty or too long", e.Seq)
	}
	v.report.Events++
	v.last = e.At
	if err := v.checkContinued(e); err != nil {
		return err
	}
	sum := sha256.Sum256(e.Payload)
	if e.Removed {
		v.report.Removed++
		var err error
		if sum, err = v.removed.hash(e); err != nil {
			return err
		}
	}
	v.hashes = v.tree.Append(v.hashes[:0], e.Leaf(sum))
	if string(v.hashes) != string(stored) {
		return v.stop("event %d was altered: its hash is not the one stored with it", e.Seq)
	}
	if err := v.compare(e); err != nil {
		return err
	}
	if v.options.Progress != nil && e.Seq%progressEvery == 0 {
		v.options.Progress(e.Seq, uint64(v.snapshot.head))
	}
	if err := v.checkPayload(e); err != nil {
		if err := v.problem("%v", err); err != nil {
			return err
		}
	}
	return v.verifyExchange(e)
}

// checkPayload decodes the payload, which refuses any but the canonical form.
func (v *verifier) checkPayload(e *audit.Encoded) error {
	if e.Removed {
		return nil
	}
	if err := e.CheckVersion(); err != nil {
		return err
	}
	var err error
	switch e.Type {
	case audit.TypeIntent:
		v.scratch.intent = audit.Intent{}
		err = audit.DecodeIntent(e.Payload, &v.scratch.intent)
	case audit.TypeOutcome:
		v.scratch.outcome = audit.Outcome{}
		err = audit.DecodeOutcome(e.Payload, &v.scratch.outcome)
	default:
		var m map[string]any
		m, err = audit.DecodeMap(e.Payload)
		if hash, ok := m["sha256"].(string); ok && e.Type == audit.TypeDocumentStored {
			v.stored[hash] = e.Seq
		}
		if upTo, ok := m["up_to"].(int64); ok && e.Type == audit.TypeTrailPruned {
			v.removed.announced = max(v.removed.announced, uint64(upTo))
		}
	}
	if err != nil {
		return atEvent(e.Seq, err)
	}
	return nil
}

// verifyExchange pairs intents with outcomes and compares both with the
// projection.
func (v *verifier) verifyExchange(e *audit.Encoded) error {
	switch e.Type {
	case audit.TypeIntent:
		if v.open[e.Exchange] != nil {
			return v.problem("event %d: exchange %s was begun already", e.Seq, e.Exchange)
		}
		row, err := v.rows.intent(v, e)
		v.open[e.Exchange] = &begun{seq: e.Seq, id: e.Exchange, row: row}
		if err != nil {
			return v.unreadable(err)
		}
		return nil
	case audit.TypeOutcome:
		b := v.open[e.Exchange]
		if b == nil {
			return v.problem("event %d: outcome of exchange %s, which is not open", e.Seq, e.Exchange)
		}
		delete(v.open, e.Exchange)
		v.report.Exchanges++
		return v.rows.outcome(v, b.row, e)
	}
	return nil
}

func (v *verifier) verifyDocuments(ctx context.Context) error {
	err := scan(ctx, v.snapshot.conn, "documents", "SELECT hash, text FROM documents", func(rows *sql.Rows) error {
		var hash, text []byte
		if err := rows.Scan(&hash, &text); err != nil {
			return err
		}
		sum := sha256.Sum256(text)
		key := hex.EncodeToString(hash)
		seq := v.stored[key]
		delete(v.stored, key)
		switch {
		case string(sum[:]) != string(hash):
			return v.problem("document %s: its text has another hash", key)
		case seq == 0:
			return v.problem("document %s: no event says it was stored", key)
		}
		return nil
	})
	if err != nil {
		return v.unreadable(err)
	}
	for hash, seq := range v.stored {
		if err := v.problem("event %d: document %s is missing", seq, hash); err != nil {
			return err
		}
	}
	return nil
}
