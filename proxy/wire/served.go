package wire

import (
	"bytes"
	"context"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// served is an http.Server for the HTTP/2 connections that are handed to it after their TLS
// handshake, so that it serves what is already authenticated. They are decrypted already,
// and are not *tls.Conn, in which nothing could look at what passes. It is the server's
// listener, too.
type served struct {
	*http.Server
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newServed(handler http.Handler, logger *slog.Logger) *served {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &served{conns: make(chan net.Conn), closed: make(chan struct{}), Server: &http.Server{
		Handler:                      handler,
		ReadHeaderTimeout:            headTimeout,
		IdleTimeout:                  tunnelIdle,
		MaxHeaderBytes:               maxHeaderBytes - headerSlop,
		DisableGeneralOptionsHandler: true,
		ConnContext:                  connContext,
		Protocols:                    protocols,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReceiveBufferPerStream:     http2StreamWindow,
			MaxReceiveBufferPerConnection: http2ConnectionWindow,
			SendPingTimeout:               time.Minute,
			PingTimeout:                   headTimeout,
		},
		ErrorLog: log.New(serverLog{logger}, "", 0),
	}}
}

// run serves until the server is shut down or closed.
func (s *served) run() { _ = s.Serve(handed{s}) }

// push hands a connection over; it is closed if the server takes no more.
func (s *served) push(c net.Conn) {
	select {
	case s.conns <- c:
	case <-s.closed:
		_ = c.Close()
	}
}

// handed is what a server accepts.
type handed struct{ to *served }

func (h handed) Accept() (net.Conn, error) {
	select {
	case c := <-h.to.conns:
		return c, nil
	case <-h.to.closed:
		return nil, net.ErrClosed
	}
}

func (h handed) Close() error {
	h.to.once.Do(func() { close(h.to.closed) })
	return nil
}

// Addr is nobody's: connections come from within.
func (h handed) Addr() net.Addr { return &net.UnixAddr{Net: "handed"} }

// serverLog brings net/http's own messages into the log. They name addresses and
// parse errors, never a field's value.
type serverLog struct{ log *slog.Logger }

func (l serverLog) Write(b []byte) (int, error) {
	level := slog.LevelDebug
	if bytes.Contains(b, []byte("panic")) {
		level = slog.LevelError // a fault of ours, with where it is
	}
	l.log.Log(context.Background(), level, "http server", "message", string(b))
	return len(b), nil
}
