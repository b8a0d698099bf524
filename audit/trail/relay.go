package trail

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
)

// relayForm tells two versions of this program apart that could not understand
// each other. It is the first thing that a relay sends.
const relayForm = 1

// moveEvery is how soon a relay that was sent elsewhere tries there, and how often
// Close looks whether all have gone.
const moveEvery = 5 * time.Millisecond

// What a relay sends, and the answer: "" for what is committed.
type (
	relayHello  struct{ Form, Encoding int64 }
	relayAnswer struct {
		Errors []string
		Moved  bool // nothing is committed: another process writes now
	}
	relayEntry struct {
		From       string // the instance
		Events     []relayEvent
		Hash, Text []byte // of a document
	}
	relayEvent struct {
		ID, Exchange [16]byte
		Kind         string // its type: the other process knows it by this name
		At, Version  int64
		Payload      []byte
	}
)

// relay has the entries of a trail written by another process.
type relay struct {
	trail    *Writer
	dial     func(context.Context) (io.ReadWriteCloser, error)
	retained []*entry // claimed and not committed yet, oldest first
	conn     io.ReadWriteCloser
	to       *gob.Encoder
	from     *gob.Decoder
	done     chan struct{}
}

// Relay has what is recorded after HandOver written by another process, which
// dial reaches and which calls [Writer.Adopt]. It begins again when the connection
// breaks: outcomes are kept, and whatever waits for its commit is refused after
// the usual time. It ends with Close.
func (t *Writer) Relay(dial func(context.Context) (io.ReadWriteCloser, error)) error {
	r := &relay{trail: t, dial: dial, done: make(chan struct{})}
	if t.lock != nil || !t.relay.CompareAndSwap(nil, r) {
		return errNotHanded
	}
	go r.run()
	return nil
}

func (t *Writer) closeRelay(ctx context.Context, r *relay) error {
	// What others have sent here is on its way through this process: they go first,
	// when they have heard that another process writes, within a second.
	ticker := time.NewTicker(moveEvery)
	defer ticker.Stop()
	for t.adopting.Load() > 0 && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	t.queue.close()
	select {
	case <-r.done:
	case <-ctx.Done():
		return fmt.Errorf("close audit trail: %w", ctx.Err()) // who writes it closes what is open
	}
	t.closeOnce.Do(func() { t.closeErr = t.release() })
	return t.closeErr
}

func (r *relay) run() {
	defer close(r.done)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	q := r.trail.queue
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-q.wake:
		case <-timer.C:
		}
		closed := q.isClosed()
		err := r.turn(ctx)
		waiting, outcomes := q.lengths()
		left := waiting + outcomes + len(r.retained)
		switch {
		case closed && left == 0:
			r.hangUp()
			return
		case errors.Is(err, errMoved):
			r.hangUp()
			timer.Reset(moveEvery)
		case err != nil:
			r.hangUp()
			timer.Reset(retryAfter)
		case left > 0:
			q.signal()
		default:
			timer.Reset(lookEvery) // to hear whether another process writes now
		}
		r.trail.committer().life.stats.retained.Store(int64(len(r.retained)))
	}
}

var errMoved = errors.New("audit trail: another process writes it now")

// turn sends what there is, be it nothing, and hears what became of it.
func (r *relay) turn(ctx context.Context) error {
	if err := r.connect(ctx); err != nil {
		return err // those who wait do so until their time is over
	}
	batch := r.wanted()
	r.retained = nil
	batch = append(batch, r.claim(r.trail.queue.take(nil, max(maxBatch-len(batch), 0), true))...)
	answer, err := r.send(batch)
	if errors.Is(err, errMoved) {
		r.retained = batch
		return err
	}
	for i, e := range batch {
		switch {
		case err != nil:
			r.settle(e, fmt.Errorf("audit trail: the process that writes it is gone: %w", err))
		case answer.Errors[i] != "":
			r.settle(e, errors.New(answer.Errors[i]))
		default:
			r.settle(e, nil)
		}
	}
	return err
}

// wanted drops of what was kept the entries whose callers have left since.
func (r *relay) wanted() []*entry {
	wanted := r.retained[:0]
	for _, e := range r.retained {
		if e.waiter != nil && e.waiter.state.Load() == stateForsaken {
			e.waiter = nil
			r.trail.pools.release(e)
			continue
		}
		wanted = append(wanted, e)
	}
	return wanted
}

func (r *relay) send(batch []*entry) (relayAnswer, error) {
	sent := make([]relayEntry, len(batch))
	for i, e := range batch {
		sent[i] = r.pack(e)
	}
	var answer relayAnswer
	if err := r.to.Encode(sent); err != nil {
		return answer, err
	}
	switch err := r.from.Decode(&answer); {
	case err != nil:
		return answer, err
	case answer.Moved:
		return answer, errMoved
	case len(answer.Errors) != len(batch):
		return answer, errors.New("it answers something else")
	}
	return answer, nil
}

func (r *relay) connect(ctx context.Context) error {
	if r.conn != nil {
		return nil
	}
	conn, err := r.dial(ctx)
	if err != nil {
		return err
	}
	r.conn, r.to, r.from = conn, gob.NewEncoder(conn), gob.NewDecoder(conn)
	return r.to.Encode(relayHello{Form: relayForm, Encoding: audit.EncodingVersion})
}

func (r *relay) hangUp() {
	if r.conn != nil {
		_ = r.conn.Close()
		r.conn = nil
	}
}

// claim drops the entries whose callers have left.
func (r *relay) claim(batch []*entry) []*entry {
	claimed := batch[:0]
	for _, e := range batch {
		if e.waiter != nil && !e.waiter.claim() {
			r.trail.pools.release(e)
			continue
		}
		claimed = append(claimed, e)
	}
	return claimed
}

func (r *relay) pack(e *entry) relayEntry {
	sent := relayEntry{From: e.from}
	if sent.From == "" {
		sent.From = r.trail.config.Instance
	}
	for i := range e.list() {
		ev := &e.events[i]
		sent.Events = append(sent.Events, relayEvent{
			ID: ev.ID, Exchange: ev.Exchange, Kind: ev.Type, At: ev.At, Version: ev.Version, Payload: ev.Payload,
		})
	}
	if e.document != nil {
		sent.Hash, sent.Text = e.document.hash[:], e.document.text
	}
	return sent
}

// settle answers e's caller, or keeps an outcome that is not committed.
func (r *relay) settle(e *entry, err error) {
	if e.waiter == nil {
		if err != nil {
			r.retained = append(r.retained, e)
			return
		}
		r.trail.pools.release(e)
		return
	}
	heard := e.waiter.answer(err)
	// An intent whose caller sends nothing may be committed all the same.
	if e.n == 1 && e.events[0].Type == audit.TypeIntent && (err != nil || !heard) {
		r.retained = append(r.retained, r.trail.committer().abandoned(e.events[0].Exchange))
	}
	e.waiter = nil
	r.trail.pools.release(e)
}

// Adopt commits what another process relays, until the connection ends. What that
// process leaves open when it ends is closed as interrupted.
func (t *Writer) Adopt(conn io.ReadWriter) error {
	from, to := gob.NewDecoder(conn), gob.NewEncoder(conn)
	var hello relayHello
	if err := from.Decode(&hello); err != nil {
		return fmt.Errorf("adopt: %w", err)
	}
	if hello.Form != relayForm || hello.Encoding != audit.EncodingVersion {
		return fmt.Errorf("adopt: the other process is of a version (%d, %d) that this one (%d, %d) does not understand",
			hello.Form, hello.Encoding, relayForm, audit.EncodingVersion)
	}
	t.adopting.Add(1)
	defer t.adopting.Add(-1)
	for {
		var sent []relayEntry
		if err := from.Decode(&sent); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("adopt: %w", err)
		}
		var answer relayAnswer
		if answer.Moved = t.handed.Load() || t.queue.isClosed(); !answer.Moved {
			answer.Errors = t.commitRelayed(sent)
		}
		if err := to.Encode(answer); err != nil || answer.Moved {
			return err
		}
	}
}

// commitRelayed queues all of it and then waits for each.
func (t *Writer) commitRelayed(sent []relayEntry) []string {
	failed := make([]string, len(sent))
	waiters := make([]*waiter, len(sent))
	for i := range sent {
		e, err := t.unpack(&sent[i])
		if err == nil {
			err = t.writable()
		}
		if err == nil {
			waiters[i] = t.pools.waiter(beginLimit)
			e.waiter = waiters[i]
			if !t.queue.push(e) {
				waiters[i], err = nil, errClosed
			}
		}
		if err != nil {
			failed[i] = err.Error()
		}
	}
	for i, w := range waiters {
		if w == nil {
			continue
		}
		owned, err := w.wait(nil, nil)
		if owned {
			t.pools.releaseWaiter(w)
		}
		switch {
		case err != nil:
			failed[i] = err.Error()
		case len(sent[i].Hash) == 32:
			t.documents.add([32]byte(sent[i].Hash))
		}
	}
	return failed
}

func (t *Writer) unpack(sent *relayEntry) (*entry, error) {
	e := t.pools.entry()
	if len(sent.Events) == 0 || len(sent.Events) > len(e.events) || len(sent.Hash) != 0 && len(sent.Hash) != 32 {
		return nil, errors.New("audit trail: a relayed entry makes no sense")
	}
	for i, ev := range sent.Events {
		if ev.Kind == "" || len(ev.Kind) > audit.MaxType || ev.Version != audit.EncodingVersion {
			return nil, fmt.Errorf("audit trail: a relayed event %.64q of version %d makes no sense", ev.Kind, ev.Version)
		}
		to := &e.events[i]
		to.ID, to.Exchange, to.Type, to.At, to.Version = ev.ID, uuid.UUID(ev.Exchange), ev.Kind, ev.At, ev.Version
		to.Payload = append(to.Payload[:0], ev.Payload...)
	}
	e.n, e.from = len(sent.Events), sent.From
	if len(sent.Hash) == 32 {
		e.document = &document{hash: [32]byte(sent.Hash), text: sent.Text}
	}
	return e, nil
}
