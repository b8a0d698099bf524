package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"sallyport/admin"
)

// predecessor is the server that makes room for this one: its listeners, and the connection on
// which the two speak. It is nil where this server takes over from nobody.
type predecessor struct {
	conn      *net.UnixConn
	listeners map[string]inherited
}

type inherited struct {
	net.Listener
	configured string
}

// takeOver asks the server that holds the home to make room.
func (e Environment) takeOver(ctx context.Context, force bool) (*predecessor, error) {
	l, err := e.Layout()
	if err != nil {
		return nil, err
	}
	conn, err := admin.TakeOver(ctx, l.Socket(), admin.TakeOverRequest{Force: force})
	if err != nil {
		return nil, err
	}
	p := &predecessor{conn: conn, listeners: map[string]inherited{}}
	if err := p.receive(); err != nil {
		return nil, errors.Join(fmt.Errorf("take over: %w", err), p.close())
	}
	return p, nil
}

// receive reads the first message and makes its descriptors listeners.
func (p *predecessor) receive() error {
	_ = p.conn.SetDeadline(time.Now().Add(readyTime))
	message, files, err := inherit(p.conn)
	if err != nil {
		return fmt.Errorf("receive the listeners: %w", err)
	}
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	var h handedOver
	if err := json.Unmarshal(message, &h); err != nil || len(h.Listeners) != len(files) {
		return fmt.Errorf("the other server sends %d listeners that cannot be understood: %w", len(files), err)
	}
	for i, one := range h.Listeners {
		ln, err := net.FileListener(files[i])
		if err != nil {
			return fmt.Errorf("receive the listener %s: %w", one.Name, err)
		}
		p.listeners[one.Name] = inherited{Listener: ln, configured: one.Configured}
	}
	return nil
}

// ready has the other server leave the stores.
func (p *predecessor) ready() error {
	if _, err := p.conn.Write([]byte{sayReady}); err != nil {
		return fmt.Errorf("take over: %w", err)
	}
	return expect(p.conn, sayYours)
}

// serving tells the other server that this one serves, so that it drains.
func (p *predecessor) serving() error {
	if p == nil {
		return nil
	}
	_, err := p.conn.Write([]byte{sayServing})
	return errors.Join(err, p.close())
}

// close ends the connection and closes the listeners that this server does not use.
func (p *predecessor) close() error {
	if p == nil {
		return nil
	}
	for _, one := range p.listeners {
		_ = one.Close()
	}
	clear(p.listeners)
	return p.conn.Close()
}

// take returns a listener that was made for the same words of sallyport.yaml,
// nil if there is none.
func (p *predecessor) take(name, configured string) net.Listener {
	if p == nil {
		return nil
	}
	one, ok := p.listeners[name]
	if !ok || one.configured != configured {
		return nil
	}
	delete(p.listeners, name)
	return one.Listener
}

// succeed opens the stores in place of the server that holds them.
func (e Environment) succeed(ctx context.Context, log *slog.Logger, p *predecessor) (*stores, error) {
	l, err := e.Layout()
	if err != nil {
		return nil, err
	}
	s := &stores{layout: l}
	if err := s.openFiles(e); err != nil {
		return nil, err
	}
	if err := p.ready(); err != nil {
		log.Warn("the other server ended while this one took over", "error", err)
	}
	if s.lock, err = acquireSoon(ctx, l.Lock()); err != nil {
		return nil, err
	}
	if err := s.openDatabases(ctx, e, log); err != nil {
		return nil, errors.Join(err, s.close(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// acquireSoon takes a lock that is about to be free.
func acquireSoon(ctx context.Context, path string) (*admin.Lock, error) {
	for deadline := time.Now().Add(Patience); ; {
		lock, err := admin.Acquire(path)
		if !errors.Is(err, admin.ErrLocked) || time.Now().After(deadline) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(LookAway):
		}
	}
}
