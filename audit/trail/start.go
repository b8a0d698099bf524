package trail

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/internal/sqlite"
)

// newCommitter opens the store and brings it to where a committer can go on from. before
// is the committer that had the queue, if it had one.
func newCommitter(ctx context.Context, c Config, q *queue, p *pools, before *committer) (*committer, error) {
	logged := hasLog(c.Path) // before SQLite makes one
	s, err := openStore(c.Path, c.Durability)
	if err != nil {
		return nil, err
	}
	w := &committer{
		store: s, queue: q, pools: p, log: c.Log, now: c.Now,
		opened:     opened{open: make(map[uuid.UUID]uint64), theirs: make(map[uuid.UUID]string)},
		projecting: projecting{pools: p, log: c.Log}, life: life{done: make(chan struct{})},
	}
	if before != nil {
		w.opened.own = c.Instance
	}
	if err := (&starting{w}).run(ctx, c, logged); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return w, nil
}

// starting brings a committer to where it can go on from. It is over before the committer runs.
type starting struct{ *committer }

func (w *starting) run(ctx context.Context, c Config, logged bool) error {
	w.projecting.projector.index.size = c.segment
	if err := sqlite.MigrateConn(ctx, w.store.conn, migrations()); err != nil {
		return err
	}
	lost, err := w.stamp(ctx, logged)
	if err != nil {
		return err
	}
	if err := w.store.prepare(); err != nil {
		return err
	}
	if w.tree, err = w.store.load(); err != nil {
		return err
	}
	if err := w.projecting.projector.run(w.store, w.tree.Size, w.pools); err != nil {
		return fmt.Errorf("project: %w", err)
	}
	if err := w.loadOpen(ctx); err != nil {
		return fmt.Errorf("read open intents: %w", err)
	}
	if err := w.loadSigner(ctx, c); err != nil {
		return err
	}
	if c.Continue != nil {
		if err := w.continueAs(ctx, c.Continue); err != nil {
			return err
		}
	}
	if err := w.recover(lost); err != nil {
		return err
	}
	w.life.stats.events.Store(w.tree.Size)
	w.moved.mover, err = startMover(w.store.path, w.log)
	return err
}

// recover closes what the last committer left open, and tells what it finds.
func (w *starting) recover(lost bool) error {
	if lost {
		w.log.Error("the trail was open and its write-ahead log is missing: the end of the trail is lost", "path", w.store.path)
		if err := w.recordStart(audit.TypeTrailLogMissing, map[string]any{"events": w.tree.Size}); err != nil {
			return fmt.Errorf("record that the log is missing: %w", err)
		}
	}
	n, err := w.interruptOpen("the process ended before the exchange did")
	if err != nil {
		return fmt.Errorf("close open intents: %w", err)
	}
	if n == 0 {
		return nil
	}
	w.log.Warn("closed exchanges that a crash left open", "exchanges", n)
	if err := w.recordStart(audit.TypeTrailRecovered, map[string]any{"interrupted": n}); err != nil {
		return fmt.Errorf("record the recovery: %w", err)
	}
	return nil
}

// loadSigner readies the signing of checkpoints and looks where it was left.
func (w *starting) loadSigner(ctx context.Context, c Config) error {
	if c.Key == "" {
		return nil
	}
	key, public, err := loadSigner(c.Key, c.Origin)
	if err != nil {
		return err
	}
	w.signer = &signer{key: key, public: public, log: w.log}
	err = w.store.conn.QueryRowContext(ctx, "SELECT coalesce(max(size), 0) FROM checkpoints").Scan(&w.signer.size)
	if err != nil {
		return fmt.Errorf("read checkpoints: %w", err)
	}
	if w.signer.size > w.tree.Size {
		return fmt.Errorf("a checkpoint covers %d events and the trail has %d: events were cut off; keep the file as evidence and run `audit verify` on it", w.signer.size, w.tree.Size)
	}
	return nil
}

// loadOpen reads the intents without outcome, and which of them a process that
// still lives will end.
func (w *starting) loadOpen(ctx context.Context) error {
	rows, err := w.store.conn.QueryContext(ctx, `SELECT x.seq, x.id, e.payload FROM exchanges x JOIN events e ON e.seq = x.seq
		WHERE x.outcome_seq IS NULL`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var seq uint64
		var id, payload []byte
		if err := rows.Scan(&seq, &id, &payload); err != nil {
			return err
		}
		key, err := uuid.FromBytes(id)
		if err != nil {
			return fmt.Errorf("event %d: %w", seq, err)
		}
		w.opened.open[key] = seq
		if instance := instanceOf(payload); instance != "" && (instance == w.opened.own || lives(w.store.path, instance)) {
			w.opened.theirs[key] = instance
		}
	}
	return rows.Err()
}

// interruptOpen commits an outcome for everything that is open and that nobody
// else will end.
func (w *committer) interruptOpen(why string) (int, error) {
	var batch []*entry
	for id := range w.opened.open {
		if w.opened.theirs[id] != "" {
			continue
		}
		e := w.pools.entry()
		e.outcome(id, w.now(), &audit.Outcome{Outcome: audit.OutcomeInterrupted, BytesSent: -1, BytesReceived: -1, Error: why})
		batch = append(batch, e)
	}
	n := len(batch)
	for len(batch) > 0 {
		part := w.claim(batch[:min(len(batch), maxBatch)])
		batch = batch[len(part):]
		after, err := w.store.append(w.tree, part)
		if err != nil {
			return n, err
		}
		w.tree = after
		for _, e := range part {
			w.committed(e)
		}
	}
	return n, w.projecting.projector.run(w.store, w.tree.Size, w.pools)
}

// recordStart commits an event before the committer runs.
func (w *starting) recordStart(typ string, values map[string]any) error {
	payload, err := audit.EncodeMap(values)
	if err != nil {
		return err
	}
	e := w.pools.entry()
	e.n = 1
	e.events[0].Fill(typ, audit.NewID(), uuid.Nil, w.now())
	e.events[0].Payload = append(e.events[0].Payload[:0], payload...)
	after, err := w.store.append(w.tree, []*entry{e})
	if err != nil {
		return err
	}
	w.tree = after
	w.committed(e)
	return w.projecting.projector.run(w.store, w.tree.Size, w.pools)
}

// close ends what is still open and closes the store; run has returned.
func (w *committer) close() error {
	var err error
	if w.trouble.broken.Load() == nil && !w.life.abort.Load() && !w.life.leaving.Load() {
		w.opened.orphans(w.store.path) // are nobody's any more
		_, err = w.interruptOpen("the process was stopped before the exchange ended")
	}
	if err == nil && w.trouble.broken.Load() == nil {
		if w.signer != nil {
			w.signer.sign(w.store, &w.tree, true)
		}
		err = writeStamp(context.Background(), w.store.conn, stampClosed)
	}
	w.projecting.projector.reset()
	if w.moved.mover != nil {
		err = errors.Join(err, w.moved.mover.close())
	}
	_, moveErr := w.store.moveLog("TRUNCATE")
	return errors.Join(err, moveErr, w.store.close())
}

// Rebuild makes the projection anew from the events of a trail that no process
// writes.
func Rebuild(ctx context.Context, path string) error {
	lock, err := lockFile(path + lockSuffix)
	if err != nil {
		return fmt.Errorf("audit trail %s: %w", path, err)
	}
	defer func() { _ = lock.release() }()
	s, err := reopenStore(path, DurabilityCommit)
	if err != nil {
		return err
	}
	defer func() { _ = s.close() }()
	err = s.inTx(func() error {
		_, err := s.conn.ExecContext(ctx, emptyProjection)
		return err
	})
	if err != nil {
		return fmt.Errorf("rebuild the projection: %w", err)
	}
	head, err := s.head()
	if err != nil {
		return err
	}
	var p projector
	if err := p.run(s, head, new(pools)); err != nil {
		return fmt.Errorf("rebuild the projection: %w", err)
	}
	p.reset()
	return nil
}
