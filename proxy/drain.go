package proxy

import (
	"context"
	"time"
)

// Shutdown stops accepting and lets open exchanges end; when ctx ends it cuts
// what is left. Every exchange has its outcome recorded when it returns, as far
// as the trail can be written.
func (p *Proxy) Shutdown(ctx context.Context) error {
	serving, err := p.wire.Drain(ctx)
	if !serving {
		return nil
	}
	if !p.drained(ctx) {
		p.cutAll()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutGrace)
		defer cancel()
		p.drained(grace)
	}
	p.closeTunnels()
	p.wire.Close()
	p.agents.shut()
	p.endErrands()
	close(p.stopped)
	return err
}

// Ease stops accepting, because another process accepts on the same socket from
// now on, and lets agents go over to it: whoever has connected is still served, and
// its connection ends with the next answer. It returns when no agent is connected
// any more, or when ctx ends. Shutdown comes after it.
func (p *Proxy) Ease(ctx context.Context) { p.wire.Ease(ctx) }

// endErrands breaks off what Sallyport asks by itself, and waits for its rows.
func (p *Proxy) endErrands() {
	p.mu.Lock()
	p.end()
	p.mu.Unlock()
	p.background.Wait()
	if p.tokens != nil {
		p.tokens.Wait()
	}
	p.ways.CloseIdle()
}

// drainPoll is how often Shutdown looks whether the last exchange has ended.
const drainPoll = 10 * time.Millisecond

// drained waits until no exchange is open, upgraded ones included, which the
// servers do not track, or until ctx ends.
func (p *Proxy) drained(ctx context.Context) bool {
	ticker := time.NewTicker(drainPoll)
	defer ticker.Stop()
	for {
		if exchanges, _ := p.count(); exchanges == 0 {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
	}
}

func (p *Proxy) cutAll() {
	for _, a := range p.agents.all() {
		exchanges, _ := a.open()
		for _, x := range exchanges {
			x.flow.Cut(errStopping)
		}
	}
}

func (p *Proxy) closeTunnels() {
	for _, a := range p.agents.all() {
		_, tunnels := a.open()
		for _, t := range tunnels {
			_ = t.Cut()
		}
	}
}
