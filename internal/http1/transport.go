package http1

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"sync"
	"time"

	"sallyport/internal/fieldname"
)

// Config is how a Transport works. Every field is required.
type Config struct {
	// Dial opens a connection for a request to u.
	Dial func(ctx context.Context, u *url.URL) (net.Conn, error)
	// Secure performs the TLS handshake on it when u's scheme is https. When it
	// fails, the connection is closed.
	Secure func(ctx context.Context, raw net.Conn, u *url.URL) (net.Conn, error)

	MaxIdle, MaxIdlePerHost int           // idle connections kept, in all and for one host
	IdleTimeout             time.Duration // after which an idle one is closed
	ContinueTimeout         time.Duration // how long a body waits for the 100 that its request expects
	MaxHeaderBytes          int           // of one answer
}

// Watcher hears of a request on its way. Its methods are called by the
// goroutine that called RoundTrip, before it returns.
type Watcher interface {
	// Names is how the names of the request's fields are written.
	Names() fieldname.Names
	// Named tells how those of an answer are written, before anything else is told of it
	// but its first byte.
	Named(names fieldname.Names)
	// Connected tells which connection it leaves by, and how long that took.
	Connected(address string, took time.Duration)
	// FirstByte tells that the first byte of an answer is there.
	FirstByte()
	// Informational is given every 1xx answer but 101; an error ends the request.
	// How many there may be is for it to say.
	Informational(code int, header textproto.MIMEHeader) error
}

// Transport sends requests. It is safe for concurrent use. CloseIdle releases
// what it holds; a connection in use is released by its answer's body.
type Transport struct {
	config Config

	mu      sync.Mutex
	idle    map[place][]*conn // of each, the one used last comes last
	count   int               // connections in idle
	closed  bool
	sweeper *time.Timer // set when idle is not empty
}

// place is what a connection leads to.
type place struct{ scheme, host string }

// New returns a Transport without connections.
func New(c Config) *Transport {
	return &Transport{config: c, idle: map[place][]*conn{}}
}

// RoundTrip sends r and returns its answer, whose body the caller must close.
// The body of r is read until it ends or fails, possibly for a moment after
// RoundTrip and even the answer's body have ended, and never closed. What ends
// r's context breaks off the answer's body too. An answer of 101 has a body
// that is an io.ReadWriteCloser and no longer heeds the context.
func (t *Transport) RoundTrip(r *http.Request, w Watcher) (*http.Response, error) {
	for {
		c, err := t.connection(r, w)
		if err != nil {
			return nil, err
		}
		response, err := c.exchange(r, w)
		if err == nil || !c.reused || !errors.Is(err, errNoAnswer) || !repeatable(r) || r.Context().Err() != nil {
			return response, err
		}
		// The upstream closed a connection that had been idle, as it may at any
		// time (RFC 9112 section 9.3.1).
	}
}

// repeatable reports whether r can be sent again without doing more than once
// (RFC 9110 section 9.2.2).
func repeatable(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return !hasBody(r)
	}
	return false
}

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// connection takes an idle connection that is still good, or opens one.
func (t *Transport) connection(r *http.Request, w Watcher) (*conn, error) {
	to := place{r.URL.Scheme, r.URL.Host}
	for c := t.take(to); c != nil; c = t.take(to) {
		if c.quiet(repeatable(r)) {
			c.reused = true
			w.Connected(c.address, 0)
			return c, nil
		}
		c.abort()
	}
	start := time.Now()
	c, err := t.open(r.Context(), r.URL)
	if err != nil {
		return nil, err
	}
	w.Connected(c.address, time.Since(start))
	return c, nil
}

func (t *Transport) open(ctx context.Context, u *url.URL) (*conn, error) {
	raw, err := t.config.Dial(ctx, u)
	if err != nil {
		return nil, err
	}
	c := newConn(t, place{u.Scheme, u.Host}, raw)
	if u.Scheme != "https" {
		return c, nil
	}
	if c.Conn, err = t.config.Secure(ctx, c.socket, u); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return c, nil
}

// take removes the idle connection that was used last.
func (t *Transport) take(to place) *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	of := t.idle[to]
	if len(of) == 0 {
		return nil
	}
	c := of[len(of)-1]
	t.remove(c)
	return c
}

// put keeps c for the next request, in place of the one that has been idle
// longest when there are too many.
func (t *Transport) put(c *conn) {
	c.since = time.Now()
	t.mu.Lock()
	drop := t.makeRoom(c)
	if drop != c {
		t.idle[c.to] = append(t.idle[c.to], c)
		t.count++
	}
	if t.sweeper == nil && !t.closed {
		t.sweeper = time.AfterFunc(t.config.IdleTimeout, t.sweep)
	}
	t.mu.Unlock()
	if drop != nil {
		drop.close()
	}
}

// makeRoom returns the connection to close before c is kept, c itself when
// nothing is kept any more.
func (t *Transport) makeRoom(c *conn) *conn {
	if t.closed {
		return c
	}
	var drop *conn
	if of := t.idle[c.to]; len(of) >= t.config.MaxIdlePerHost {
		drop = of[0]
	} else if t.count >= t.config.MaxIdle {
		for _, of := range t.idle {
			if drop == nil || of[0].since.Before(drop.since) {
				drop = of[0]
			}
		}
	}
	if drop != nil {
		t.remove(drop)
	}
	return drop
}

// remove takes c out of the idle ones. The caller holds t.mu.
func (t *Transport) remove(c *conn) {
	of := t.idle[c.to]
	if i := slices.Index(of, c); i >= 0 {
		of = slices.Delete(of, i, i+1)
		t.count--
	}
	if len(of) == 0 {
		delete(t.idle, c.to)
		return
	}
	t.idle[c.to] = of
}

// sweep closes what has been idle for too long.
func (t *Transport) sweep() {
	before := time.Now().Add(-t.config.IdleTimeout)
	var old []*conn
	t.mu.Lock()
	next := time.Duration(-1)
	for _, of := range t.idle {
		for _, c := range of {
			if rest := c.since.Sub(before); rest <= 0 {
				old = append(old, c)
			} else if next < 0 || rest < next {
				next = rest
			}
		}
	}
	for _, c := range old {
		t.remove(c)
	}
	if t.sweeper = nil; next >= 0 && !t.closed {
		t.sweeper = time.AfterFunc(next, t.sweep)
	}
	t.mu.Unlock()
	for _, c := range old {
		c.close()
	}
}

// CloseIdle closes the idle connections, and from now on each of the others
// when its request is done. Requests can still be sent.
func (t *Transport) CloseIdle() {
	t.mu.Lock()
	t.closed = true
	idle := t.idle
	t.idle, t.count = map[place][]*conn{}, 0
	if t.sweeper != nil {
		t.sweeper.Stop()
		t.sweeper = nil
	}
	t.mu.Unlock()
	for _, of := range idle {
		for _, c := range of {
			c.close()
		}
	}
}
