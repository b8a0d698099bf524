package wire

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Ending is how a relay ended.
type Ending struct {
	Err   error // nil if one side ended in good order
	Agent bool  // it is the agent's side that failed, not the upstream's
}

// Relay takes the agent's connection over, whose header of an answer with status 101 must
// have been written, and copies both ways until one side ends or the flow is cut. It
// returns when nothing of it is left: with a *WriteError if the connection could not be
// taken over. It closes the agent's connection and, unless it could not be taken,
// upstream.
func (f *Flow) Relay(upstream io.ReadWriteCloser) (Ending, error) {
	agent, _, err := f.control.Hijack()
	if err != nil {
		return Ending{}, &WriteError{err}
	}
	_ = agent.SetDeadline(time.Time{})
	return f.relay(agent, upstream), nil
}

func (f *Flow) relay(agent net.Conn, upstream io.ReadWriteCloser) Ending {
	ended := make(chan Ending, 2)
	go func() {
		from := &counter{Reader: agent, bytes: &f.sent, pulse: &f.pulse}
		err := from.pass(upstream)
		ended <- Ending{Err: err, Agent: from.err != nil}
		f.cancel(nil)
	}()
	go func() {
		from := &counter{Reader: upstream, bytes: &f.received, pulse: &f.pulse}
		err := from.pass(agent)
		ended <- Ending{Err: err, Agent: from.err == nil}
		f.cancel(nil)
	}()
	<-f.ctx.Done()
	// At the same time: the end of a TLS connection waits for a peer that does
	// not read.
	var closing sync.WaitGroup
	closing.Go(func() { _ = agent.Close() })
	closing.Go(func() { _ = upstream.Close() })
	how := <-ended
	<-ended
	closing.Wait()
	return how
}

// counter counts what passes, and notes that something did.
type counter struct {
	io.Reader
	bytes *atomic.Int64
	pulse *pulse
	err   error // that ended the reading
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if n > 0 {
		c.bytes.Add(int64(n))
		c.pulse.moved()
	}
	c.err = err
	return n, err
}

// pass copies until one side ends.
func (c *counter) pass(to io.Writer) error {
	_, err := io.Copy(to, c)
	return err
}
