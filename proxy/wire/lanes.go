package wire

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// lanes are the HTTP/1.1 connections that one handler serves. They are safe for concurrent
// use.
type lanes struct {
	handler http.Handler
	tunnels Tunnels
	idle    time.Duration // how long one may be without a request
	log     *slog.Logger

	stopping atomic.Bool // connections end with their next answer
	mu       sync.Mutex
	open     map[*lane]struct{}
	closed   bool
	empty    chan struct{} // closed when no connection is left that has been asked to end; nil if nobody waits
}

func newLanes(handler http.Handler, tunnels Tunnels, idle time.Duration, log *slog.Logger) *lanes {
	return &lanes{handler: handler, tunnels: tunnels, idle: idle, log: log, open: map[*lane]struct{}{}}
}

// push serves a connection in a goroutine of its own; it is closed if no more are served.
func (ls *lanes) push(conn net.Conn, s *Session) {
	l := newLane(ls, conn, s)
	ls.mu.Lock()
	refused := ls.closed || ls.stopping.Load()
	if !refused {
		ls.open[l] = struct{}{}
	}
	ls.mu.Unlock()
	if refused {
		l.cancel()
		_ = l.close()
		return
	}
	go l.run() // ends with the connection, which Close sees to
}

// remove forgets a connection that has ended or is somebody else's.
func (ls *lanes) remove(l *lane) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	delete(ls.open, l)
	if len(ls.open) == 0 && ls.empty != nil {
		close(ls.empty)
		ls.empty = nil
	}
}

// Shutdown ends connections as soon as they serve no request, and returns when all have
// ended, or when ctx ends. It is called once.
func (ls *lanes) Shutdown(ctx context.Context) error {
	ls.mu.Lock()
	ls.stopping.Store(true)
	empty := make(chan struct{})
	if len(ls.open) == 0 {
		close(empty)
	} else {
		ls.empty = empty
	}
	for l := range ls.open {
		if l.idle.Swap(false) {
			l.in.end(0)
		}
	}
	ls.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close breaks off what is open.
func (ls *lanes) Close() error {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.closed = true
	for l := range ls.open {
		_ = l.cut()
	}
	return nil
}
