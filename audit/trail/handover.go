package trail

import (
	"context"
	"errors"
	"fmt"
)

var (
	errNotHanded = errors.New("audit trail: another process does not write it")
	errHanded    = errors.New("audit trail: another process writes it")
)

// HandOver commits what is queued, closes the database as an orderly end does,
// and gives up the right to write it, so that another process may go on. What is
// open stays open. What is recorded from here on waits, as it does for a slow
// disk, until [Writer.Relay] has it written by that process or [Writer.Resume]
// writes it here. A trail that cannot be written is not handed over.
func (t *Writer) HandOver(ctx context.Context) error {
	if err := t.writable(); err != nil {
		return err
	}
	t.handed.Store(true)
	w := t.committer()
	w.life.leaving.Store(true)
	t.queue.signal()
	select {
	case <-w.life.done:
	case <-ctx.Done(): // it hangs in the file system, and leaves when it wakes
		return fmt.Errorf("hand the audit trail over: %w", ctx.Err())
	}
	w.life.busySince.Store(0) // it has nothing to do that could hang
	err := w.close()
	lock := t.lock
	t.lock = nil
	if err = errors.Join(err, lock.release()); err != nil {
		return fmt.Errorf("hand the audit trail over: %w", err)
	}
	return nil
}

// Resume goes on writing after HandOver, when nobody else does. It is not needed
// when HandOver has refused.
func (t *Writer) Resume(ctx context.Context) error {
	switch {
	case t.relay.Load() != nil:
		return errHanded
	case t.lock != nil && t.committer().life.leaving.Load():
		return errors.New("audit trail: the writer hangs")
	case t.lock != nil:
		return nil
	}
	lock, err := lockFile(t.config.Path + lockSuffix)
	if err != nil {
		return fmt.Errorf("audit trail %s: %w", t.config.Path, err)
	}
	if err := t.startCommitter(ctx, t.committer()); err != nil {
		return errors.Join(err, lock.release())
	}
	t.lock = lock
	t.handed.Store(false)
	go t.committer().run()
	return nil
}
