package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"sallyport/audit"
	"sallyport/proxy/wire"
)

// upgrade relays a WebSocket after the upstream has agreed to it.
func (x *exchange) upgrade(response *http.Response) {
	if !x.target.isUpgrade() {
		x.fail(errors.New("the upstream switched protocols without being asked"))
		return
	}
	upstream, ok := response.Body.(io.ReadWriteCloser)
	if !ok {
		x.fail(errors.New("the upstream's connection cannot be taken over"))
		return
	}
	h := x.w.Header()
	x.copyHeader(h, response)
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
	x.w.WriteHeader(http.StatusSwitchingProtocols)
	agent, buffered, err := wire.TakeOver(x.control)
	if err != nil {
		x.brokenOff(&writeError{err})
	}
	if err := buffered.Flush(); err != nil {
		_ = agent.Close()
		x.brokenOff(&writeError{err})
	}
	x.relay(agent, upstream)
}

// relay copies both ways until one side ends or the exchange is cut, and returns
// when nothing of it is left.
func (x *exchange) relay(agent net.Conn, upstream io.ReadWriteCloser) {
	ended := make(chan ending, 2)
	go func() {
		from := &counter{Reader: agent, bytes: &x.sent, x: x}
		ended <- from.pass(upstream, audit.OutcomeClientGone, audit.OutcomeUpstreamFailed)
		x.cancel(nil)
	}()
	go func() {
		from := &counter{Reader: upstream, bytes: &x.received, x: x}
		ended <- from.pass(agent, audit.OutcomeUpstreamFailed, audit.OutcomeClientGone)
		x.cancel(nil)
	}()
	<-x.ctx.Done()
	// At the same time: the end of a TLS connection waits for a peer that does
	// not read.
	var closing sync.WaitGroup
	closing.Go(func() { _ = agent.Close() })
	closing.Go(func() { _ = upstream.Close() })
	how := <-ended
	<-ended
	closing.Wait()
	if !errors.Is(context.Cause(x.ctx), context.Canceled) {
		return // cut: settle names why
	}
	x.outcome.Outcome = how.outcome
	if how.err != nil {
		x.outcome.Error = x.clean(how.err).Error()
	}
}

// ending is how one direction of a relay ended.
type ending struct {
	outcome string
	err     error
}

// counter counts what passes, and notes that something did.
type counter struct {
	io.Reader
	bytes *atomic.Int64
	x     *exchange
	err   error // that ended the reading
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if n > 0 {
		c.bytes.Add(int64(n))
		c.x.moved()
	}
	c.err = err
	return n, err
}

// pass copies until one side ends, and says what it means if that is the one that
// reads or the one that is written to.
func (c *counter) pass(to io.Writer, reading, writing string) ending {
	_, err := io.Copy(to, c)
	switch {
	case err == nil:
		return ending{outcome: audit.OutcomeCompleted}
	case c.err != nil:
		return ending{outcome: reading, err: err}
	default:
		return ending{outcome: writing, err: err}
	}
}
