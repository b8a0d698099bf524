package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"

	"sallyport/audit"
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
	agent, buffered, err := x.control.Hijack()
	if err != nil {
		x.brokenOff(&writeError{err})
	}
	defer agent.Close()
	if err := buffered.Flush(); err != nil {
		x.brokenOff(&writeError{err})
	}
	x.relay(replay(agent, buffered.Reader), upstream)
}

// relay copies both ways until one side ends or the exchange is cut.
func (x *exchange) relay(agent net.Conn, upstream io.ReadWriteCloser) {
	cut := make(chan struct{})
	go func() {
		<-x.ctx.Done()
		_ = agent.Close()
		_ = upstream.Close()
		close(cut)
	}()
	up := make(chan struct{})
	go func() {
		defer close(up)
		_, _ = io.Copy(upstream, &counter{agent, &x.sent, x}) // either side may leave a socket as it likes
		x.cancel(nil)
	}()
	_, err := io.Copy(agent, &counter{upstream, &x.received, x})
	x.outcome.Outcome = audit.OutcomeCompleted
	if context.Cause(x.ctx) != nil && !errors.Is(context.Cause(x.ctx), context.Canceled) {
		x.outcome.Outcome = "" // cut: settle names why
	}
	x.cancel(nil)
	<-cut
	<-up
	if err != nil && x.outcome.Outcome != "" && !errors.Is(err, net.ErrClosed) {
		x.outcome.Error = x.clean(err).Error()
	}
}

// counter counts what passes, and notes that something did.
type counter struct {
	io.Reader
	bytes *atomic.Int64
	x     *exchange
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if n > 0 {
		c.bytes.Add(int64(n))
		c.x.moved()
	}
	return n, err
}
