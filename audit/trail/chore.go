package trail

import (
	"context"
	"errors"
)

// errChore refuses a second chore beside the one under way.
var errChore = errors.New("audit trail: it is being pruned already")

// chore is work on the committer's connection that nobody's request waits for. It
// is done in small steps between commits.
type chore struct {
	step func(w *committer) (done bool, err error)
	done chan error
}

// do has the committer do a chore, step by step, until one is the last, fails, or
// ctx is done.
func (t *Writer) do(ctx context.Context, step func(w *committer) (done bool, err error)) error {
	c := &chore{done: make(chan error, 1)}
	c.step = func(w *committer) (bool, error) {
		if err := ctx.Err(); err != nil {
			return true, err
		}
		return step(w)
	}
	if err := t.queue.setChore(c); err != nil {
		return err
	}
	select {
	case err := <-c.done:
		return err
	case <-t.committer().life.done:
		return errClosed
	}
}

func (q *queue) setChore(c *chore) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return errClosed
	case q.chore != nil:
		return errChore
	}
	q.chore = c
	q.signal()
	return nil
}

func (q *queue) hasChore() *chore {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.chore
}

// doChore does one step. While the trail is broken it waits.
func (w *committer) doChore() {
	c := w.queue.hasChore()
	if c == nil || w.trouble.broken.Load() != nil {
		return
	}
	done, err := c.step(w)
	if !done && err == nil {
		return
	}
	w.queue.mu.Lock()
	w.queue.chore = nil
	w.queue.mu.Unlock()
	c.done <- err
}
