package wire

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// intake is the reading side of an HTTP/1.1 connection. One goroutine reads at a time: the
// lane between requests, whoever reads the body of one, and, while a request without more
// of a body keeps the agent waiting, the intake itself, to notice when the agent leaves.
//
// Deadlines may be set from anywhere at any time.
type intake struct {
	conn net.Conn
	left func() // is called when reading has failed while a request is served

	mu      sync.Mutex
	ahead   [1]byte   // was read before anybody asked, if held is 1
	held    int       // bytes in ahead
	own     time.Time // the deadline that is set, if the lane has set it for itself
	last    time.Time // when reading ends for good; zero: not in sight
	turn    turn
	looking bool       // a read is under way to notice that the agent leaves
	calling bool       // that read is being called back
	back    *sync.Cond // it has come back
	timer   *time.Timer
	marked  uint64 // the request for which the timer runs; 0: it does not run
}

// turn is which request is served.
type turn struct {
	count   uint64 // of requests so far
	serving bool   // one is
	alone   bool   // nothing more of its body will be read
	over    bool   // it has been answered: reading must not take long
}

// patience is how long a request is served before the intake looks whether the agent is
// still there; it may be twice that. Most requests are over before, and a goroutine that
// reads costs more than all else that the connection does for them.
const patience = 50 * time.Millisecond

func newIntake(conn net.Conn, left func()) *intake {
	in := &intake{conn: conn, left: left}
	in.back = sync.NewCond(&in.mu)
	return in
}

// Read is for one goroutine at a time.
func (in *intake) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	in.mu.Lock()
	if in.held > 0 {
		p[0], in.held = in.ahead[0], 0
		in.mu.Unlock()
		return 1, nil
	}
	in.mu.Unlock()
	n, err := in.conn.Read(p)
	if err != nil {
		in.mu.Lock()
		serving := in.turn.serving
		in.mu.Unlock()
		if serving {
			in.left()
		}
	}
	return n, err
}

// await waits for the first byte of a request, which it keeps for Read.
func (in *intake) await(limit time.Duration) error {
	in.mu.Lock()
	held := in.held
	in.mu.Unlock()
	if held > 0 {
		return nil
	}
	in.within(limit)
	n, err := in.conn.Read(in.ahead[:])
	in.mu.Lock()
	in.held = n
	in.mu.Unlock()
	if n > 0 {
		return nil
	}
	return err
}

// within gives reading a time of its own. A deadline that is nearly the same stays, since
// setting one costs as much as reading a request's head does.
func (in *intake) within(limit time.Duration) {
	now := time.Now()
	in.mu.Lock()
	defer in.mu.Unlock()
	rest := in.own.Sub(now)
	if !in.own.IsZero() && rest <= limit && rest >= limit-limit/8 {
		return
	}
	in.own = now.Add(limit)
	_ = in.set(in.own)
}

// hurry gives what is left of the body of a request that has been answered a time of its own.
func (in *intake) hurry(limit time.Duration) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.turn.over = true
	in.own = time.Now().Add(limit)
	_ = in.set(in.own)
}

// forget takes back the time that the lane has set for itself, so that a body may take as
// long as it does.
func (in *intake) forget() {
	in.mu.Lock()
	if !in.turn.over {
		in.release()
	}
	in.mu.Unlock()
}

// release is forget. The caller holds in.mu.
func (in *intake) release() {
	if !in.own.IsZero() {
		in.own = time.Time{}
		_ = in.set(time.Time{})
	}
}

// SetReadDeadline sets when reading ends, which linger may have set earlier.
func (in *intake) SetReadDeadline(t time.Time) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.own = time.Time{}
	return in.set(t)
}

// set sets the deadline. The caller holds in.mu.
func (in *intake) set(t time.Time) error {
	if !in.last.IsZero() && (t.IsZero() || t.After(in.last)) {
		t = in.last
	}
	return in.conn.SetReadDeadline(t)
}

// end ends all reading after a while, whatever deadline is set later.
func (in *intake) end(after time.Duration) {
	in.mu.Lock()
	defer in.mu.Unlock()
	last := time.Now().Add(after)
	if in.last.IsZero() || last.Before(in.last) {
		in.last = last
	}
	in.own = time.Time{}
	_ = in.set(in.last)
}

// serve says that a request is served from now on, until served is called. bodied says that
// it has a body, which somebody may read until bodyRead is called.
func (in *intake) serve(bodied bool) {
	in.mu.Lock()
	in.turn = turn{count: in.turn.count + 1, serving: true, alone: !bodied}
	in.mark()
	in.mu.Unlock()
}

func (in *intake) bodyRead() {
	in.mu.Lock()
	in.turn.alone = true
	in.mu.Unlock()
}

// mark has the timer run for the request that is served. The caller holds in.mu.
func (in *intake) mark() {
	if in.marked != 0 {
		return
	}
	in.marked = in.turn.count
	if in.timer == nil {
		in.timer = time.AfterFunc(patience, in.look)
		return
	}
	in.timer.Reset(patience)
}

// look is called by the timer, in a goroutine of its own. If the same request is still
// served, it reads until something comes, the agent leaves or the request has been served.
func (in *intake) look() {
	in.mu.Lock()
	marked := in.marked
	in.marked = 0
	if !in.turn.serving || in.held > 0 {
		in.mu.Unlock()
		return
	}
	if in.turn.count != marked || !in.turn.alone {
		in.mark()
		in.mu.Unlock()
		return
	}
	in.looking = true
	in.release()
	in.mu.Unlock()
	n, err := in.conn.Read(in.ahead[:])
	in.mu.Lock()
	in.held = n
	gone := err != nil && !(in.calling && errors.Is(err, os.ErrDeadlineExceeded))
	in.looking, in.calling = false, false
	in.back.Broadcast()
	in.mu.Unlock()
	if gone {
		in.left()
	}
}

// served ends what serve began. Nobody reads when it returns, but the one who has not yet
// come back from reading the request's body.
func (in *intake) served() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.turn.serving = false
	if !in.looking {
		return
	}
	in.calling = true
	_ = in.conn.SetReadDeadline(time.Unix(1, 0))
	for in.looking {
		in.back.Wait()
	}
	in.own = time.Time{}
	_ = in.set(time.Time{})
}

// appendHeld appends what was read and that nobody has asked for.
func (in *intake) appendHeld(b []byte) []byte {
	in.mu.Lock()
	defer in.mu.Unlock()
	b = append(b, in.ahead[:in.held]...)
	in.held = 0
	return b
}

// close has the timer run no more.
func (in *intake) close() {
	in.mu.Lock()
	in.turn.serving = false
	if in.timer != nil {
		in.timer.Stop()
	}
	in.mu.Unlock()
}
