package trail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
)

// Durability levels of Config.
const (
	DurabilityCommit = "commit" // survives a crash of the process
	DurabilityFsync  = "fsync"  // survives a loss of power
)

// beginLimit bounds the wait for a commit. Whoever waited longer is refused.
const beginLimit = 2 * time.Second

// Config says where the trail is and how safe a commit must be.
type Config struct {
	Path       string
	Durability string // DurabilityCommit (default) or DurabilityFsync
	Instance   string // names this process in every exchange
	Log        *slog.Logger
	Now        func() time.Time
	// Key is the file of the key that signs checkpoints, made when missing,
	// with the public key in Key + ".pub". Empty: none are signed.
	Key string
	// Origin names the trail in its checkpoints and in a key made anew, as a
	// trust domain does; default "sallyport".
	Origin string
	// Continue makes a restored trail go on under a new log identity: Origin, with a key
	// that is made for it. Nil for a trail that goes on as what it is.
	Continue *Continuation

	segment int // exchanges of a segment of the index; tests make it small
}

// Writer writes the audit trail. It is safe for concurrent use. It owns the
// database, a lock file beside it and one goroutine, all released by Close.
type Writer struct {
	config Config
	queue  *queue
	pools  *pools
	at     atomic.Pointer[committer] // who writes, or has written last; see HandOver
	relay  atomic.Pointer[relay]     // to the process that writes now; nil: this one does
	watch  *watch
	lock   *fileLock // nil after HandOver
	live   *fileLock // says that this instance can still end what it has begun

	handed   atomic.Bool  // another process writes, or is about to
	adopting atomic.Int64 // connections that Adopt serves

	documents *documents
	held      atomic.Pointer[error] // why nothing new may begin; see Hold

	closeOnce sync.Once
	closeErr  error
}

// Open opens or creates the trail, brings its schema up to date, projects what
// is not projected yet and closes the intents that a crash left open as
// interrupted. Those of another process that still lives stay open until it has
// ended them or has ended itself. A second writer on the same trail is refused.
func Open(ctx context.Context, c Config) (*Writer, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(c.Path + lockSuffix)
	if err != nil {
		return nil, fmt.Errorf("audit trail %s: %w", c.Path, err)
	}
	t := &Writer{config: c, queue: newQueue(), pools: new(pools), lock: lock}
	if t.live, err = announce(c.Path, c.Instance); err != nil {
		return nil, errors.Join(fmt.Errorf("audit trail %s: %w", c.Path, err), lock.release())
	}
	if err := t.startCommitter(ctx, nil); err != nil {
		return nil, errors.Join(err, t.release())
	}
	if t.documents, err = t.committer().store.loadDocuments(ctx); err != nil {
		return nil, errors.Join(err, t.committer().close(), t.release())
	}
	t.watch = startWatch(t)
	go t.committer().run()
	return t, nil
}

// startCommitter opens the store for a committer that does not run yet, after another
// one of this trail if there was one.
func (t *Writer) startCommitter(ctx context.Context, before *committer) error {
	w, err := newCommitter(ctx, t.config, t.queue, t.pools, before)
	if err != nil {
		return fmt.Errorf("audit trail %s: %w", t.config.Path, err)
	}
	t.at.Store(w)
	return nil
}

// committer is who writes the trail, or wrote it last.
func (t *Writer) committer() *committer { return t.at.Load() }

// release gives up what keeps other processes from the trail.
func (t *Writer) release() error {
	var err error
	if t.lock != nil {
		err, t.lock = t.lock.release(), nil
	}
	if t.live != nil {
		err, t.live = errors.Join(err, t.live.release()), nil
	}
	return err
}

func (c Config) withDefaults() (Config, error) {
	if c.Path == "" {
		return c, errors.New("audit trail: no path")
	}
	switch c.Durability {
	case "":
		c.Durability = DurabilityCommit
	case DurabilityCommit, DurabilityFsync:
	default:
		return c, fmt.Errorf("audit trail: durability %q is not %s or %s", c.Durability, DurabilityCommit, DurabilityFsync)
	}
	if c.Origin == "" {
		c.Origin = "sallyport"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

// Close commits what is queued, closes what is still open as interrupted and
// waits for the committer, until ctx is done. Calls that come later are refused.
func (t *Writer) Close(ctx context.Context) error {
	defer t.watch.close()
	if r := t.relay.Load(); r != nil {
		return t.closeRelay(ctx, r)
	}
	t.queue.close()
	if t.lock == nil { // handed over, or closed before
		t.closeOnce.Do(func() { t.closeErr = t.release() })
		return t.closeErr
	}
	w := t.committer()
	select {
	case <-w.life.done:
	case <-ctx.Done():
		w.life.abort.Store(true)
		t.queue.signal()
		// The committer may hang in the file system: its store stays open, and
		// the next start closes what it leaves.
		return fmt.Errorf("close audit trail: %w", errors.Join(ctx.Err(), t.Err()))
	}
	t.closeOnce.Do(func() { t.closeErr = errors.Join(w.close(), t.release()) })
	return t.closeErr
}

// Begin commits the intent of an exchange. Nothing of its request may leave
// before Begin has returned nil. After an error nothing may leave at all; an
// intent that was committed all the same is closed by the trail itself.
func (t *Writer) Begin(ctx context.Context, in *audit.Intent) error {
	if err := t.held.Load(); err != nil {
		return *err
	}
	if err := t.ready(ctx); err != nil {
		return err
	}
	e := t.pools.entry()
	e.intent(in, &t.config.Instance, t.config.Now)
	return t.commit(ctx, e)
}

// End records what came of an exchange that Begin has committed. It never
// waits: the outcome is kept in memory until it is written.
func (t *Writer) End(id uuid.UUID, out *audit.Outcome) {
	e := t.pools.entry()
	e.outcome(id, t.config.Now(), out)
	t.queue.push(e)
}

// Refused commits both events of an exchange that was refused before anything
// could leave.
func (t *Writer) Refused(ctx context.Context, in *audit.Intent, out *audit.Outcome) error {
	if err := t.ready(ctx); err != nil {
		return err
	}
	e := t.pools.entry()
	e.intent(in, &t.config.Instance, t.config.Now)
	e.outcome(in.ID, t.config.Now(), out)
	return t.commit(ctx, e)
}

// Record commits an event that is not an exchange.
func (t *Writer) Record(ctx context.Context, ev audit.Event) error {
	if err := ev.Check(); err != nil {
		return err
	}
	payload, err := audit.EncodeMap(ev.Payload)
	if err != nil {
		return fmt.Errorf("record %s: %w", ev.Type, err)
	}
	if err := t.ready(ctx); err != nil {
		return err
	}
	e := t.pools.entry()
	e.n = 1
	e.events[0].Fill(ev.Type, audit.NewID(), ev.Exchange, t.config.Now())
	e.events[0].Payload = append(e.events[0].Payload[:0], payload...)
	return t.commit(ctx, e)
}

// ready refuses at once what cannot be committed now.
func (t *Writer) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return t.writable()
}

// writable says why nothing can be committed now, nil if it can.
func (t *Writer) writable() error {
	if err := t.committer().trouble.broken.Load(); err != nil {
		return *err
	}
	if err := t.watch.stuck.Load(); err != nil {
		return *err
	}
	if _, outcomes := t.queue.lengths(); outcomes+int(t.committer().life.stats.retained.Load()) >= maxBacklog {
		return errBacklog
	}
	return nil
}

// commit hands e to the committer and waits for its answer.
func (t *Writer) commit(ctx context.Context, e *entry) error {
	w := t.pools.waiter(beginLimit)
	e.waiter = w
	if !t.queue.push(e) {
		return errClosed
	}
	owned, err := w.wait(ctx.Done(), ctx.Err)
	if owned {
		t.pools.releaseWaiter(w)
	}
	return err
}

// Hold refuses what would begin, with why, until it is called with nil: the
// trail can be written, but for a reason outside it nothing may rely on that.
// What is refused or recorded otherwise still goes into the trail.
func (t *Writer) Hold(why error) {
	if why == nil {
		t.held.Store(nil)
		return
	}
	t.held.Store(&why)
}

// Err returns nil when exchanges can begin, otherwise why not.
func (t *Writer) Err() error {
	if err := t.held.Load(); err != nil {
		return *err
	}
	return t.writable()
}

// PublicKey is what verifies the trail's checkpoints, "" when none are signed.
func (t *Writer) PublicKey() string {
	if t.committer().signer == nil {
		return ""
	}
	return t.committer().signer.public
}

// Stats describes the work since Open.
func (t *Writer) Stats() audit.Stats {
	waiting, outcomes := t.queue.lengths()
	s := &t.committer().life.stats
	retained := int(s.retained.Load())
	return audit.Stats{
		Queue:      waiting + outcomes + retained,
		Backlog:    retained,
		Events:     uint64(s.events.Load()),
		Commits:    uint64(s.commits.Load()),
		LastCommit: time.Duration(s.last.Load()),
		AvgCommit:  time.Duration(s.avg.Load()),
		Lag:        uint64(max(s.lag.Load(), 0)),
	}
}
