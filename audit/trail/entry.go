package trail

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
)

// entry is what one call asks the committer to commit: one event, or the two of a
// refused exchange, which are committed together.
type entry struct {
	events [2]audit.Encoded
	n      int
	waiter *waiter // nil: nobody waits, and it is kept until written
	// intentSeq is the seq of the intent that an outcome closes, 0 if the
	// intent is in the same entry.
	intentSeq uint64
	document  *document
	// from is the instance whose event this is; "": of this process.
	from string
}

func (e *entry) list() []audit.Encoded { return e.events[:e.n] }

// outcomeOnly reports whether e closes an exchange that was begun earlier.
func (e *entry) outcomeOnly() bool { return e.n == 1 && e.events[0].Type == audit.TypeOutcome }

// intent makes e's first event the intent in.
func (e *entry) intent(in *audit.Intent, instance *string, now func() time.Time) {
	ev := &e.events[0]
	at := in.StartedAt
	if at.IsZero() {
		at = now()
	}
	// The exchange's id is also the intent's: one is made, one is stored.
	ev.Fill(audit.TypeIntent, in.ID, in.ID, at)
	ev.Payload = audit.AppendIntent(ev.Payload[:0], in, instance)
	e.n = 1
}

// outcome makes e's next event the outcome of exchange id.
func (e *entry) outcome(id uuid.UUID, now time.Time, out *audit.Outcome) {
	ev := &e.events[e.n]
	at := out.EndedAt
	if at.IsZero() {
		at = now
	}
	ev.Fill(audit.TypeOutcome, audit.NewID(), id, at)
	ev.Payload = audit.AppendOutcome(ev.Payload[:0], out)
	e.n++
}

// document is a text stored once per hash, in the commit of its entry.
type document struct {
	hash [32]byte
	text []byte
}

// States of a waiter. The caller and the committer each move it once: whoever
// comes second knows what the other has done.
const (
	stateQueued    = iota // the committer has not looked at it
	stateWriting          // the committer is about to commit it
	stateAnswered         // the committer has sent the result
	stateAbandoned        // the caller left before the committer looked: dropped
	stateForsaken         // the caller left during the commit: the committer closes it
)

// waiter is how a caller hears of its commit. A caller that gets an answer
// owns it again; one that leaves has given it away.
type waiter struct {
	state atomic.Int32
	done  chan error
	timer *time.Timer
}

// wait returns the result of the commit, or gives up when ctx is done or the
// limit has passed; owned says whether the waiter may be used again.
func (w *waiter) wait(ctxDone <-chan struct{}, ctxErr func() error) (owned bool, err error) {
	select {
	case err := <-w.done:
		return true, err
	case <-ctxDone:
		err = ctxErr()
	case <-w.timer.C:
		err = errTimeout
	}
	if w.state.CompareAndSwap(stateQueued, stateAbandoned) {
		return false, err
	}
	if w.state.CompareAndSwap(stateWriting, stateForsaken) {
		return false, err
	}
	return true, <-w.done // answered at the same moment: the answer stands
}

// claim moves w from queued to writing; false when its caller has left.
func (w *waiter) claim() bool { return w.state.CompareAndSwap(stateQueued, stateWriting) }

// answer tells the caller; false when it has left meanwhile.
func (w *waiter) answer(err error) bool {
	if !w.state.CompareAndSwap(stateWriting, stateAnswered) {
		return false
	}
	w.done <- err
	return true
}

// pools keep entries and waiters for the next call. They belong to one Writer,
// because timers must not cross from one test bubble into another.
type pools struct {
	entries sync.Pool
	waiters sync.Pool
}

func (p *pools) entry() *entry {
	if e, ok := p.entries.Get().(*entry); ok {
		return e
	}
	return new(entry)
}

// maxPooled bounds the payload buffers kept for reuse.
const maxPooled = 8 << 10

func (p *pools) release(e *entry) {
	for i := range e.events {
		buf := e.events[i].Payload
		if cap(buf) > maxPooled {
			buf = nil
		}
		e.events[i] = audit.Encoded{Payload: buf[:0]}
	}
	*e = entry{events: e.events}
	p.entries.Put(e)
}

func (p *pools) waiter(limit time.Duration) *waiter {
	w, ok := p.waiters.Get().(*waiter)
	if !ok {
		return &waiter{done: make(chan error, 1), timer: time.NewTimer(limit)}
	}
	w.state.Store(stateQueued)
	w.timer.Reset(limit)
	return w
}

func (p *pools) releaseWaiter(w *waiter) {
	w.timer.Stop()
	p.waiters.Put(w)
}

// queue is what callers hand to the committer.
type queue struct {
	mu       sync.Mutex
	waiting  []*entry // somebody waits for each of these
	outcomes []*entry // nobody does
	closed   bool
	chore    *chore // work for quiet moments; nil: none

	wake chan struct{} // one token: there is something to look at
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// push adds e, or refuses it when the queue is closed.
func (q *queue) push(e *entry) bool {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	var wake bool
	if e.waiter != nil {
		q.waiting = append(q.waiting, e)
		wake = len(q.waiting) == 1
	} else {
		q.outcomes = append(q.outcomes, e)
		wake = len(q.outcomes) == 1 || len(q.outcomes) == outcomesAtOnce
	}
	q.mu.Unlock()
	if wake {
		q.signal()
	}
	return true
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take moves up to limit entries to batch: those with a waiter first, and the
// outcomes too when all is set or there is something to commit anyway.
func (q *queue) take(batch []*entry, limit int, all bool) []*entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch, q.waiting = move(batch, q.waiting, limit)
	if all || len(batch) > 0 || len(q.outcomes) >= outcomesAtOnce {
		batch, q.outcomes = move(batch, q.outcomes, limit)
	}
	return batch
}

func move(to, from []*entry, limit int) (_, _ []*entry) {
	n := min(len(from), max(limit-len(to), 0))
	to = append(to, from[:n]...)
	rest := copy(from, from[n:])
	clear(from[rest:])
	return to, from[:rest]
}

func (q *queue) lengths() (waiting, outcomes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting), len(q.outcomes)
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}
