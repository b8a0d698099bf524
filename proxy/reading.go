package proxy

import (
	"errors"
	"io"
	"os"
	"time"

	"sallyport/credentials"
	"sallyport/internal/share"
	"sallyport/policy"
)

// Bounds of what is read of bodies to judge their requests. An agent decides what it sends,
// and how slowly.
const (
	keptByAll   = 256 << 20 // bytes of memory for bodies, of all agents
	keptByAgent = 16 << 20  // of one: the largest list of a push, and half of another

	readingIdle = 10 * time.Second // without a byte
	readingMost = 30 * time.Second // for all that has to be read
)

// ahead bounds what is read of bodies before their requests leave.
type ahead struct {
	memory *share.Pool // of all agents
	idle   time.Duration
	most   time.Duration
}

func newAhead() ahead {
	return ahead{memory: share.NewPool(keptByAll, keptByAgent), idle: readingIdle, most: readingMost}
}

// reading is the beginning of a body, as it is read to classify its request: within a time,
// and into memory that counts against its agent's share. What ends it for a reason of ours is
// the exchange's refusal.
type reading struct {
	x      *exchange
	from   io.Reader
	weight int64 // of a byte
	until  time.Time
	next   time.Time // when the deadline is due to be set anew
	taken  int64
}

// read begins to read the body; the caller calls done when enough was read, with how much
// memory stays in use beside what was taken.
func (x *exchange) read(weight int64) *reading {
	return &reading{x: x, from: x.flow.Ahead(x.r.Body), weight: weight, until: time.Now().Add(x.p.ahead.most)}
}

func (b *reading) done(beside int64) {
	b.x.flow.ReadBy(time.Time{})
	b.x.memory().Keep(b.taken + beside)
}

func (b *reading) Read(p []byte) (int, error) {
	if now := time.Now(); now.After(b.next) {
		b.next = now.Add(b.x.p.ahead.idle / 10)
		deadline := now.Add(b.x.p.ahead.idle)
		if deadline.After(b.until) {
			deadline = b.until
		}
		b.x.flow.ReadBy(deadline)
	}
	n, err := b.from.Read(p)
	b.taken += int64(n)
	if errors.Is(err, os.ErrDeadlineExceeded) && !b.x.flow.IsCut() {
		b.x.unread = slowBody.because("What the request does is in its body, which did not come within " + b.x.p.ahead.idle.String() + " without a pause, and " + b.x.p.ahead.most.String() + " in all.")
	}
	if !b.x.room(int64(n) * b.weight) {
		return 0, errNoRoom
	}
	return n, err
}

var errNoRoom = errors.New("too much of this agent's requests is held at this time")

// room takes memory for what is held of the body.
func (x *exchange) room(n int64) bool {
	if n <= 0 || x.memory().Take(n) {
		return true
	}
	x.unread = exceeded(limitMemory, time.Second)
	x.unread.detail = "Too much of the bodies of this agent's requests has to be held at this time."
	x.detail("limit", limitMemory)
	return false
}

// memory is what the exchange holds of its body; close gives it back.
func (x *exchange) memory() *share.Lease {
	if x.lease == nil {
		x.lease = x.p.ahead.memory.Lease(x.agent.key)
	}
	return x.lease
}

// memoryFor is what a credential that signs takes memory by, for what it holds of the body.
// It is asked by whoever reads the body.
func (x *exchange) memoryFor(c *credentials.Credential) func(n int64) bool {
	if !c.Signs() {
		return nil
	}
	lease := x.memory()
	return func(n int64) bool {
		lease.Give(-n)
		return n <= 0 || lease.Take(n)
	}
}

// deniedUnread asks the policy what it answers whatever the body says, and denies what is
// denied so: then the body is not read.
func (x *exchange) deniedUnread(outlines ...policy.Outline) bool {
	q := x.query()
	var first policy.Decision
	for i, o := range outlines {
		decision, certain := x.policy.DecideUnread(q, o)
		if !certain {
			return false
		}
		if i == 0 {
			first = decision
		}
	}
	x.decision, x.decided = first, true
	x.unread = deniedByPolicy.because(first.Reason)
	x.unread.rule = first.Rule
	x.detail("body", "unread")
	return true
}
