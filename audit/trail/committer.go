package trail

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
)

const (
	// maxBatch bounds the entries of one commit, and with it the wait of the
	// first of them.
	maxBatch = 1024
	// outcomesAtOnce outcomes are committed without waiting for company.
	outcomesAtOnce = 256
	// linger is how long outcomes wait for an intent to share a commit with:
	// nobody waits for them, and a commit of their own costs as much as an
	// intent's.
	linger = 10 * time.Millisecond
	// maxYields bounds how often the committer lets others run before a commit.
	maxYields = 2
	// maxBacklog bounds the outcomes kept in memory while they cannot be
	// written. Beyond it nothing new begins.
	maxBacklog = 8192
	// retryAfter is the pause between attempts while the trail is broken.
	retryAfter = 200 * time.Millisecond
	// moveLogAfter bytes of events the write-ahead log is moved into the
	// database, after the callers have their answer.
	moveLogAfter = 1 << 20
	// maxLogPages of 4 KiB the write-ahead log may hold under a load that
	// never pauses.
	maxLogPages = 16384
)

var (
	errTimeout = errors.New("audit trail: the commit took longer than 2 s")
	errClosed  = errors.New("audit trail is closed")
	errBacklog = fmt.Errorf("audit trail: more than %d outcomes wait to be written", maxBacklog)
)

// committer owns the store, and with it the one goroutine in run, to which all of this belongs
// but what others may see of its life and that it is broken.
type committer struct {
	store *store
	queue *queue
	pools *pools
	log   *slog.Logger
	now   func() time.Time

	tree       audit.Tree
	signer     *signer // nil: no checkpoints
	projecting projecting
	retained   []*entry // outcomes of failed commits, oldest first
	batch      []*entry
	due        due

	opened  opened
	moved   moved
	trouble trouble
	life    life
}

// opened is what was begun and has not ended.
type opened struct {
	open   map[uuid.UUID]uint64 // id to the intent's seq
	theirs map[uuid.UUID]string // of these, those that another living instance will end
	own    string               // the instance whose exchanges are found open and are not theirs; "" at a first start
}

// moved is how far the write-ahead log is moved into the database.
type moved struct {
	mover    *mover
	unsynced int // bytes since the log was moved last
}

// trouble is why the trail cannot be written, while it cannot.
type trouble struct {
	broken  atomic.Pointer[error]
	cause   error // what the system said when the trail broke
	retryAt time.Time
}

// due is when the committer does what nobody asks it for.
type due struct {
	linger time.Time // when the outcomes in the queue are due
	look   time.Time // when it looks at its files though nothing is written
}

// life is what other goroutines see of the committer, and tell it.
type life struct {
	// busySince is when the work under way began, in Unix nanoseconds; 0 while
	// there is none.
	busySince atomic.Int64
	abort     atomic.Bool // Close has given up
	leaving   atomic.Bool // another process is to write; see HandOver
	stats     counters
	done      chan struct{}
}

// counters are read by other goroutines.
type counters struct {
	retained, commits, events, lag, last, avg atomic.Int64
}

// run commits what is queued until the queue is closed and empty.
func (w *committer) run() {
	defer close(w.life.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		leaving := w.life.leaving.Load()
		closing := w.queue.isClosed() || leaving
		w.turn(closing)
		if leaving && w.trouble.broken.Load() == nil || closing && w.drained() || w.life.abort.Load() {
			return
		}
		if !w.idle() {
			continue
		}
		timer.Reset(w.nap(closing))
		w.life.busySince.Store(0)
		select {
		case <-w.queue.wake:
		case <-timer.C:
		}
	}
}

// turn does what is due now: commit, then, with nobody waiting, the rest.
func (w *committer) turn(closing bool) {
	now := time.Now()
	w.life.busySince.Store(now.UnixNano())
	if w.trouble.broken.Load() != nil && now.Before(w.trouble.retryAt) && !closing {
		w.refuseWaiting()
		return
	}
	if w.trouble.broken.Load() != nil && !w.heal() {
		w.refuseWaiting()
		return
	}
	_, outcomes := w.queue.lengths()
	if outcomes > 0 && w.due.linger.IsZero() {
		w.due.linger = now.Add(linger)
	}
	w.gather()
	all := closing || (!w.due.linger.IsZero() && !now.Before(w.due.linger))
	w.batch = w.queue.take(w.batch[:0], maxBatch, all)
	if len(w.batch) > 0 {
		w.due.linger = time.Time{}
		w.commitBatch(w.batch)
	}
	w.lookAround(now)
	w.afterCommit(closing)
	w.doChore()
}

// gather lets those run who are about to ask for a commit, so that they share
// this one: a commit costs more than the rows in it. On an idle machine nobody
// is about to, and it returns at once.
func (w *committer) gather() {
	waiting, _ := w.queue.lengths()
	for range maxYields {
		if waiting == 0 || waiting >= maxBatch {
			return
		}
		runtime.Gosched()
		before := waiting
		if waiting, _ = w.queue.lengths(); waiting == before {
			return
		}
	}
}

// idle reports whether nothing is left that turn would do at once.
func (w *committer) idle() bool {
	waiting, outcomes := w.queue.lengths()
	if w.trouble.broken.Load() != nil {
		return waiting == 0
	}
	return waiting == 0 && outcomes < outcomesAtOnce && w.queue.hasChore() == nil
}

// nap is how long run may sleep when nothing is queued meanwhile.
func (w *committer) nap(closing bool) time.Duration {
	if w.trouble.broken.Load() != nil {
		return max(time.Until(w.trouble.retryAt), time.Millisecond)
	}
	if _, outcomes := w.queue.lengths(); outcomes > 0 && w.due.linger.IsZero() {
		w.due.linger = time.Now().Add(linger)
	}
	nap := time.Hour
	due := [...]time.Time{w.due.linger, w.projecting.at, w.due.look, {}}
	if w.signer != nil {
		due[3] = w.signer.at
	}
	for _, at := range due {
		if !at.IsZero() {
			nap = min(nap, time.Until(at))
		}
	}
	if closing {
		nap = 0
	}
	return max(nap, 0)
}

// drained reports whether everything is written; while the trail is broken,
// run goes on trying until Close gives up on it.
func (w *committer) drained() bool {
	waiting, outcomes := w.queue.lengths()
	return waiting+outcomes+len(w.retained) == 0 && w.trouble.broken.Load() == nil
}

// commitBatch commits what is still wanted of batch and answers its callers.
func (w *committer) commitBatch(batch []*entry) {
	batch = w.claim(batch)
	if len(batch) == 0 {
		return
	}
	start := time.Now()
	after, err := w.store.append(w.tree, batch)
	if err != nil {
		w.trouble.fail(err, w.store.path, w.log)
		w.giveBack(batch, err)
		return
	}
	w.tree = after
	w.measure(time.Since(start))
	for _, e := range batch {
		w.committed(e)
	}
}

// claim drops the entries whose callers have left and the outcomes that close
// nothing.
func (w *committer) claim(batch []*entry) []*entry {
	claimed := batch[:0]
	for _, e := range batch {
		switch {
		case e.waiter != nil && !e.waiter.claim():
			w.pools.release(e)
			continue
		case e.outcomeOnly() && e.intentSeq == 0:
			seq, ok := w.opened.open[e.events[0].Exchange]
			if !ok {
				w.log.Warn("outcome without an open exchange dropped", "exchange", e.events[0].Exchange)
				if e.waiter != nil {
					e.waiter.answer(nil)
				}
				w.pools.release(e)
				continue
			}
			delete(w.opened.open, e.events[0].Exchange)
			delete(w.opened.theirs, e.events[0].Exchange)
			e.intentSeq = seq
		}
		claimed = append(claimed, e)
	}
	return claimed
}

// committed answers e's caller and keeps e for the projection.
func (w *committer) committed(e *entry) {
	first := &e.events[0]
	begun := e.n == 1 && first.Type == audit.TypeIntent
	if begun {
		w.opened.open[first.Exchange] = first.Seq
		if e.from != "" {
			w.opened.theirs[first.Exchange] = e.from
		}
	}
	for _, ev := range e.list() {
		w.moved.unsynced += len(ev.Payload) + 160
	}
	waiter := e.waiter
	e.waiter = nil
	id := first.Exchange
	w.projecting.projector.add(e)
	if waiter != nil && !waiter.answer(nil) && begun {
		w.abandon(id)
	}
}

// abandon closes an intent that was committed after its caller had given up
// and sent nothing.
func (w *committer) abandon(id uuid.UUID) { w.queue.push(w.abandoned(id)) }

func (w *committer) abandoned(id uuid.UUID) *entry {
	e := w.pools.entry()
	e.outcome(id, w.now(), &audit.Outcome{
		Outcome: audit.OutcomeInterrupted, BytesSent: -1, BytesReceived: -1,
		Error: "the intent was committed after its caller had given up; nothing was sent",
	})
	return e
}

// giveBack answers the callers of a failed batch and keeps its outcomes.
func (w *committer) giveBack(batch []*entry, err error) {
	for _, e := range batch {
		if e.waiter != nil {
			e.waiter.answer(err)
			w.pools.release(e)
			continue
		}
		w.retained = append(w.retained, e)
	}
	w.life.stats.retained.Store(int64(len(w.retained)))
}

// afterCommit does what nobody waits for.
func (w *committer) afterCommit(closing bool) {
	waiting, _ := w.queue.lengths()
	w.life.stats.lag.Store(w.projecting.turn(w.store, w.tree.Size, waiting == 0, closing))
	if w.signer != nil {
		w.signer.sign(w.store, &w.tree, false)
	}
	if w.moved.unsynced >= moveLogAfter {
		w.moved.unsynced = 0
		w.moveLog()
	}
}

// moveLog has the write-ahead log moved into the database. The log starts
// again from its beginning only when all of it was moved while nobody wrote,
// so when it has grown long the committer itself moves the little that is left.
func (w *committer) moveLog() {
	w.moved.mover.poke()
	if w.moved.mover.pages.Load() < maxLogPages {
		return
	}
	w.moved.mover.pages.Store(0)
	if _, err := w.store.moveLog("PASSIVE"); err != nil {
		w.log.Warn("audit trail: checkpoint of the write-ahead log", "error", err)
	}
}

func (w *committer) measure(d time.Duration) {
	w.life.stats.commits.Add(1)
	w.life.stats.events.Store(w.tree.Size)
	w.life.stats.last.Store(int64(d))
	avg := w.life.stats.avg.Load()
	if avg == 0 {
		avg = int64(d)
	}
	w.life.stats.avg.Store(avg + (int64(d)-avg)/16)
}
