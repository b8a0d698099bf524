package sidecar

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"
)

// verdictTime is how long a proxy may take to say that it does not want a
// certificate: in TLS 1.3 it says so after the client's side of the handshake.
const verdictTime = time.Second

// Probe opens one connection to the proxy with this identity, and sends no request.
// The error says why a sidecar could not serve.
func Probe(ctx context.Context, proxy string, identity *Identity) error {
	s, err := New(Config{Proxy: proxy, Identity: identity, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	conn, _, err := s.dial(ctx, identity)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetReadDeadline(time.Now().Add(verdictTime)); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return nil // it waits for a request
	}
	return fmt.Errorf("the proxy at %s does not accept this identity: %s", proxy, reason(identity, err))
}
