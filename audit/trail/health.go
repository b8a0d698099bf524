package trail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
)

// refuseWaiting answers those who came while the trail is broken.
func (w *committer) refuseWaiting() {
	err := w.trouble.broken.Load()
	for _, e := range w.queue.take(nil, maxBatch, false) {
		if e.waiter == nil {
			w.retained = append(w.retained, e)
			continue
		}
		if e.waiter.claim() {
			e.waiter.answer(*err)
		}
		w.pools.release(e)
	}
	w.life.stats.retained.Store(int64(len(w.retained)))
}

// fail notes that the trail cannot be written, and why.
func (t *trouble) fail(err error, path string, log *slog.Logger) {
	news := t.broken.Load() == nil
	if news {
		t.cause = tryFile(path)
	}
	err = fmt.Errorf("audit trail cannot be written: %w", err)
	if t.cause != nil {
		err = fmt.Errorf("%w (and in its folder: %w)", err, t.cause)
	}
	t.broken.Store(&err)
	if news {
		log.Error("audit trail cannot be written, new requests are refused", "error", err)
	}
	t.retryAt = time.Now().Add(retryAfter)
}

// tryFile writes a file beside the trail: where that fails too, the system's
// own words say more than SQLite's, to which most things are an I/O error.
func tryFile(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".trail-try-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString("?")
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// heal tries to write again. The database must be the one that was written
// before, or a copy that holds all of it; then the retained outcomes go first.
func (w *committer) heal() bool {
	if err := w.reopen(); err != nil {
		w.trouble.fail(err, w.store.path, w.log)
		return false
	}
	for len(w.retained) > 0 {
		// Those taken from the queue while the trail was broken have not been matched
		// to their intents yet.
		w.retained = w.claim(w.retained)
		batch := w.retained[:min(len(w.retained), maxBatch)]
		after, err := w.store.append(w.tree, batch)
		if err != nil {
			w.trouble.fail(err, w.store.path, w.log)
			return false
		}
		w.tree = after
		w.retained = w.retained[len(batch):]
		for _, e := range batch {
			w.committed(e)
		}
	}
	w.retained = nil
	w.life.stats.retained.Store(0)
	w.trouble.broken.Store(nil)
	w.log.Info("audit trail can be written again")
	return true
}

// reopen makes sure that the store writes to what the path names, and that it
// holds exactly what was committed.
func (w *committer) reopen() error {
	if err := w.store.inPlace(); err != nil {
		fresh, err := openAgain(w.store.path, w.store.durability, w.tree)
		if err != nil {
			return err
		}
		if err := w.adopt(fresh); err != nil {
			return errors.Join(err, fresh.close())
		}
	}
	if err := w.store.probeWrite(); err != nil {
		return err
	}
	return w.resync()
}

// adopt goes on with a store opened anew.
func (w *committer) adopt(fresh *store) error {
	if _, err := fresh.stampAsOpen(context.Background()); err != nil {
		return err
	}
	c, err := startMover(fresh.path, w.log)
	if err != nil {
		return err
	}
	w.moved.mover.stop()
	w.moved.mover = c
	w.projecting.projector.reset() // before its connection goes
	_ = w.store.close()            // it holds a file that is not the trail any more
	w.store = fresh
	return nil
}

// openAgain opens what the path names now and checks that it is the trail of this tree.
func openAgain(path, durability string, t audit.Tree) (*store, error) {
	// A missing file is never made anew here: that would hide the loss.
	s, err := reopenStore(path, durability)
	if err != nil {
		return nil, err
	}
	if err := s.holds(t); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// resync adopts rows that a failed commit left behind after all: their
// intents were refused, so they are closed; their outcomes are written, so
// they are not written again.
func (w *committer) resync() error {
	head, err := w.store.head()
	if err != nil || head == w.tree.Size {
		return err
	}
	if err := w.store.holds(w.tree); err != nil {
		return err
	}
	written := make(map[uuid.UUID]bool)
	var refused []uuid.UUID
	err = w.store.each(w.tree.Size, func(e *audit.Encoded) error {
		switch e.Type {
		case audit.TypeIntent:
			w.opened.open[e.Exchange] = e.Seq
			refused = append(refused, e.Exchange)
		case audit.TypeOutcome:
			written[e.Exchange] = true
			delete(w.opened.open, e.Exchange)
		}
		return nil
	})
	if err != nil {
		return err
	}
	t, err := w.store.load()
	if err != nil {
		return err
	}
	w.tree = t
	w.projecting.projector.reset()
	w.retained = withoutWritten(w.retained, written, w.pools)
	for _, id := range refused {
		if !written[id] {
			w.abandon(id)
		}
	}
	return nil
}

// withoutWritten is list without the outcomes of the exchanges that are written.
func withoutWritten(list []*entry, written map[uuid.UUID]bool, p *pools) []*entry {
	rest := list[:0]
	for _, e := range list {
		if written[e.events[0].Exchange] {
			p.release(e)
			continue
		}
		rest = append(rest, e)
	}
	return rest
}
