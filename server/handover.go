package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/admin"
)

// How long the two sides of a take-over wait for each other.
const (
	readyTime  = 20 * time.Second // for the next server to have read its files
	openTime   = 30 * time.Second // for it to have opened the stores and to serve
	settleTime = 5 * time.Second  // for what is under way here to end
	// followEvery is how often a server that was taken over from looks for agents
	// that have been stopped.
	followEvery = 200 * time.Millisecond
	// easeTime is how long it lets agents end their connections by themselves.
	easeTime = 5 * time.Second
)

// What the two say to each other, one byte at a time, after the first message, which carries
// the listeners.
const (
	sayReady   = 'r' // the next server has read its files and waits for the stores
	sayYours   = 'y' // this server has closed the stores
	sayServing = 's' // the next server has opened them and serves
)

// handedOver is the first message: which listeners the descriptors beside it are,
// each with what sallyport.yaml said when it was made.
type handedOver struct {
	Listeners []handedListener `json:"listeners"`
}

type handedListener struct {
	Name       string `json:"name"`
	Configured string `json:"configured"`
}

// inheritance is one listener for the next server.
type inheritance struct {
	handedListener
	net.Listener
}

// succession hands a running server's place to the next server, to one at a time.
type succession struct {
	server *server
	turn   sync.Mutex    // held while the stores change hands, and by stop
	done   chan struct{} // closed when another server serves
	lost   chan struct{} // closed when this server can no longer see whom the next one stops
	follow context.CancelFunc
	group  sync.WaitGroup // of the goroutine that follows the next server

	draining atomic.Bool // agents are told not to come any more
	ended    bool        // nobody can take over any more; under turn
}

func newSuccession(s *server) *succession {
	return &succession{server: s, done: make(chan struct{}), lost: make(chan struct{})}
}

// handed says whether another server serves.
func (s *succession) handed() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// MayTakeOver implements [admin.Succession]. The next server reads from the disk who is stopped.
// While this one has stopped somebody without being able to write that, nobody takes over.
func (s *succession) MayTakeOver(r admin.TakeOverRequest) error {
	unwritten := s.server.registry.Unwritten()
	switch {
	case s.handed():
		return &admin.Error{Kind: admin.Conflict, Msg: "this server has been taken over from already", Try: "try again"}
	case !r.Force && !s.draining.Load():
		return &admin.Error{Kind: admin.Conflict, Msg: "a server serves this home"}
	case unwritten != nil && !s.draining.Load():
		return &admin.Error{Kind: admin.Conflict, Msg: unwritten.Error(), Try: "stop them again before another server takes over; `sallyport agent list` shows them"}
	}
	return nil
}

// Adopt implements [admin.Succession].
func (s *succession) Adopt(conn io.ReadWriter) error { return s.server.trail.Adopt(conn) }

// HandOver implements [admin.Succession]. It hands over the listeners first, on which both
// servers accept from then on, and then the trail and the registry. If the next server ends
// before it has said that it serves, this one takes everything back and goes on.
func (s *succession) HandOver(conn *net.UnixConn) {
	if !s.turn.TryLock() {
		return // one take-over at a time
	}
	defer s.turn.Unlock()
	log := s.server.log
	if s.handed() || s.ended {
		return
	}
	if err := s.offer(conn); err != nil {
		log.Warn("no take-over: the next server did not get ready", "error", err)
		return
	}
	if err := s.yield(); err != nil {
		log.Error("no take-over: the stores could not be left", "error", err)
		s.reclaim()
		return
	}
	_ = conn.SetDeadline(time.Now().Add(openTime))
	_, err := conn.Write([]byte{sayYours})
	if err == nil {
		err = expect(conn, sayServing)
	}
	if err != nil {
		log.Error("no take-over: the next server did not serve; this one goes on", "error", err)
		s.reclaim()
		return
	}
	s.leave()
}

// offer sends the listeners and waits until the next server can take the stores.
func (s *succession) offer(conn *net.UnixConn) error {
	_ = conn.SetDeadline(time.Now().Add(readyTime))
	if err := bequeath(conn, s.server.listeners.inheritance()); err != nil {
		return fmt.Errorf("send the listeners: %w", err)
	}
	return expect(conn, sayReady)
}

func expect(conn net.Conn, want byte) error {
	var said [1]byte
	if _, err := io.ReadFull(conn, said[:]); err != nil {
		return fmt.Errorf("wait for the other server: %w", err)
	}
	if said[0] != want {
		return fmt.Errorf("the other server says %q instead of %q", said[0], want)
	}
	return nil
}

// yield gives up the right to change anything. Afterwards no command is under way any more, the
// trail keeps its outcomes back, the registry only follows the database, and the lock is free.
func (s *succession) yield() error {
	ctx, cancel := context.WithTimeout(context.Background(), settleTime)
	defer cancel()
	admin.Leave(s.server.listeners.commands)
	s.server.work.disown()
	err := s.server.commands.server.Shutdown(ctx)
	if err = errors.Join(err, s.server.trail.HandOver(ctx)); err != nil {
		return err
	}
	following, follow := context.WithCancel(context.Background())
	s.follow = follow
	s.group.Go(func() {
		if err := s.server.registry.Follow(following, followEvery); err != nil {
			s.server.log.Error("what the next server does to agents cannot be followed: what is open is cut", "error", err)
			close(s.lost)
		}
	})
	return s.server.unlock()
}

// reclaim takes everything back from a server that has ended before it served.
func (s *succession) reclaim() {
	if s.follow != nil {
		s.follow()
		s.group.Wait()
	}
	if err := s.server.reclaim(context.Background()); err != nil {
		s.server.work.failed <- fmt.Errorf("go on after a take-over that failed: %w", err)
	}
}

// leave makes this server one that only finishes its open exchanges. The next server writes
// their outcomes.
func (s *succession) leave() {
	socket := s.server.layout.Socket()
	err := s.server.trail.Relay(func(ctx context.Context) (io.ReadWriteCloser, error) { return admin.Relay(ctx, socket) })
	if err != nil { // impossible after HandOver
		s.server.log.Error("outcomes cannot be handed on", "error", err)
	}
	if s.server.pages != nil { // the next one answers on that listener
		closePages(s.server.pages)
	}
	s.server.closeEnrolment()
	close(s.done)
}
