package trail

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A committer may hang where no error comes from: in a write or a sync to a disk
// that does not answer. Callers give up by themselves after beginLimit, but
// somebody else has to see that the trail is broken, say why, and refuse those
// who come later at once.
const (
	// stuckAfter is how long the committer may be at one piece of work.
	stuckAfter = beginLimit
	watchEvery = 250 * time.Millisecond
	// lookEvery the committer looks whether its files are in place and can be
	// written, so that their loss is known before the next request comes.
	lookEvery = time.Second
)

// watch looks after the committer until it is stopped.
type watch struct {
	trail *Writer
	stuck atomic.Pointer[error]
	stop  chan struct{}
	once  sync.Once
}

func startWatch(t *Writer) *watch {
	s := &watch{trail: t, stop: make(chan struct{})}
	go s.run()
	return s
}

// close has run end, which holds nothing that anybody would wait for.
func (s *watch) close() { s.once.Do(func() { close(s.stop) }) }

func (s *watch) run() {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case now := <-ticker.C:
			s.look(now)
		}
	}
}

func (s *watch) look(now time.Time) {
	w := s.trail.committer()
	since := w.life.busySince.Load()
	if since == 0 || now.UnixNano()-since < int64(stuckAfter) {
		if s.stuck.Swap(nil) != nil {
			w.log.Info("audit trail's writer goes on")
		}
		return
	}
	err := fmt.Errorf("audit trail cannot be written: the writer has hung for more than %s, as on a disk that does not answer", stuckAfter)
	if s.stuck.Swap(&err) == nil {
		w.log.Error("audit trail cannot be written, new requests are refused", "error", err)
	}
}

// lookAround notices the loss of the files when nothing is written, and what no
// write shows.
func (w *committer) lookAround(now time.Time) {
	if w.trouble.broken.Load() != nil || now.Before(w.due.look) {
		return
	}
	w.due.look = now.Add(lookEvery)
	if err := w.store.usable(); err != nil {
		w.trouble.fail(err, w.store.path, w.log)
		return
	}
	w.endOrphans()
}
